//! Why a provider does not say who somebody is.

use std::error::Error;

use openidconnect::{
    ClaimsVerificationError, DiscoveryError, ErrorResponse, RequestTokenError, UserInfoError,
};
use thiserror::Error;

use crate::fetch::FetchError;

/// See the module. The words are for the log: there are no tokens and no codes in them.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// There is no answer.
    #[error("{0}")]
    Unreachable(String),
    /// What is answered cannot be believed.
    #[error("{0}")]
    Untrue(String),
    /// The provider says no.
    #[error("it refuses: {0}")]
    Refused(String),
    /// As many wait for it as may.
    #[error("too many people sign in at once")]
    Busy,
}

/// An error with what caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    clean(&text)
}

/// Somebody else's words as they may stand in a log.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect()
}

impl From<DiscoveryError<FetchError>> for ProviderError {
    fn from(error: DiscoveryError<FetchError>) -> Self {
        match error {
            DiscoveryError::Request(error) => Self::Unreachable(chain(&error)),
            // Often a proxy in its place.
            DiscoveryError::Response(status, ..) => Self::Unreachable(format!(
                "it does not answer as a provider of OpenID Connect: {status}"
            )),
            error => Self::Untrue(chain(&error)),
        }
    }
}

impl<T: ErrorResponse + 'static> From<RequestTokenError<FetchError, T>> for ProviderError {
    fn from(error: RequestTokenError<FetchError, T>) -> Self {
        match error {
            RequestTokenError::ServerResponse(said) => Self::Refused(clean(&said.to_string())),
            RequestTokenError::Request(error) => Self::Unreachable(chain(&error)),
            // The rest of it may tell a token.
            RequestTokenError::Parse(error, _) => Self::Untrue(clean(&format!(
                "the answer with the tokens cannot be read at {}",
                error.path()
            ))),
            RequestTokenError::Other(why) => Self::Untrue(clean(&why)),
        }
    }
}

impl From<UserInfoError<FetchError>> for ProviderError {
    fn from(error: UserInfoError<FetchError>) -> Self {
        match error {
            UserInfoError::Request(error) => Self::Unreachable(chain(&error)),
            UserInfoError::Response(status, ..) => {
                Self::Untrue(format!("it does not say who somebody is: {status}"))
            }
            error => Self::Untrue(chain(&error)),
        }
    }
}

impl From<ClaimsVerificationError> for ProviderError {
    fn from(error: ClaimsVerificationError) -> Self {
        Self::Untrue(chain(&error))
    }
}
