//! What is known of a provider: its addresses and its keys, asked for again from time to time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Uri;
use openidconnect::core::{CoreClientAuthMethod, CoreProviderMetadata};
use openidconnect::{AuthType, ClientId, ClientSecret, IssuerUrl, RedirectUrl};
use tokio::time::Instant;

use super::{Client, ProviderError};
use crate::fetch::fetch;

/// What is known is asked for again after this time, and counts on meanwhile.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// It counts for so long if nothing newer can be had: longer than most failures of one part of a provider, and no longer than a key should that the
/// provider has taken back. Who somebody is it says itself each time, so that it has to answer all the same.
const KNOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// It is not asked more often than this as long as something is known: when that is old, or when a token has another key.
const RENEW: Duration = Duration::from_secs(30);
/// Where nothing is known, who comes after somebody who could not reach it hears the same for so long.
const FAILED: Duration = Duration::from_secs(2);

/// What this server is to the provider.
pub struct Registered {
    pub issuer: IssuerUrl,
    pub id: ClientId,
    pub secret: Option<ClientSecret>,
    /// Where people come back to.
    pub back: RedirectUrl,
}

/// See the module.
pub struct Discovery {
    registered: Registered,
    known: Mutex<Known>,
    /// Held by the one who asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    client: Option<(Arc<Client>, Instant)>,
    /// When it was asked because that was old.
    tried: Option<Instant>,
    /// When it has answered because a token had another key.
    renewed: Option<Instant>,
    failed: Option<(String, Instant)>,
}

fn is_since(at: Option<Instant>, time: Duration) -> bool {
    at.is_some_and(|at| at.elapsed() < time)
}

impl Known {
    /// What is known, if it is no older.
    fn within(&self, age: Duration) -> Option<Arc<Client>> {
        let (client, at) = self.client.as_ref()?;
        (at.elapsed() < age).then(|| client.clone())
    }
}

impl Discovery {
    /// Nothing is asked yet.
    pub fn of(registered: Registered) -> Self {
        Self {
            registered,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known. If that is old, somebody asks, and nobody waits for it; if it is too old, or nothing is known, everybody does.
    pub async fn client(self: &Arc<Self>) -> Result<Arc<Client>, ProviderError> {
        let known = self.known().within(KNOWN);
        if let Some(client) = known {
            self.refresh();
            return Ok(client);
        }
        let _asking = self.asking.lock().await;
        // Somebody may have been faster.
        let known = self.known().within(FRESH);
        match known {
            Some(client) => Ok(client),
            None => self.ask().await,
        }
    }

    /// The same when something is missing in it, such as a key: asked for anew, if that was not done just now.
    pub async fn newer(&self) -> Result<Arc<Client>, ProviderError> {
        let _asking = self.asking.lock().await;
        {
            let known = self.known();
            if is_since(known.renewed, RENEW)
                && let Some(client) = known.within(KNOWN)
            {
                return Ok(client);
            }
        }
        let newer = self.ask().await?;
        // A failure keeps nobody from a key for so long.
        self.known().renewed = Some(Instant::now());
        Ok(newer)
    }

    /// Has it asked for if it is old.
    fn refresh(self: &Arc<Self>) {
        {
            let mut known = self.known();
            if known.within(FRESH).is_some() || is_since(known.tried, RENEW) {
                return;
            }
            known.tried = Some(Instant::now());
        }
        let this = self.clone();
        tokio::spawn(async move {
            // Whoever asks already does it for this one, too.
            let Ok(_asking) = this.asking.try_lock() else {
                return;
            };
            if let Err(error) = this.ask().await {
                let issuer = this.registered.issuer.as_str();
                tracing::warn!(
                    %error,
                    issuer,
                    "the provider does not say anew where it is and what its keys are; what is known counts on"
                );
            }
        });
    }

    async fn ask(&self) -> Result<Arc<Client>, ProviderError> {
        if let Some((why, at)) = &self.known().failed
            && at.elapsed() < FAILED
        {
            return Err(ProviderError::Unreachable(why.clone()));
        }
        let asked = self.registered.discover().await;
        let mut known = self.known();
        match asked {
            Ok(client) => {
                let client = Arc::new(client);
                known.client = Some((client.clone(), Instant::now()));
                known.failed = None;
                Ok(client)
            }
            Err(error) => {
                known.failed = Some((error.to_string(), Instant::now()));
                Err(error)
            }
        }
    }
}

impl Registered {
    async fn discover(&self) -> Result<Client, ProviderError> {
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &fetch).await?;
        // A browser is sent there.
        let uri: Option<Uri> = metadata.authorization_endpoint().as_str().parse().ok();
        if !matches!(
            uri.as_ref().and_then(Uri::scheme_str),
            Some("https" | "http")
        ) {
            return Err(ProviderError::Untrue(
                "people cannot be sent to its authorization_endpoint".to_owned(),
            ));
        }
        let methods = metadata.token_endpoint_auth_methods_supported();
        let in_body = methods.is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let client = Client::from_provider_metadata(metadata, self.id.clone(), self.secret.clone())
            .set_redirect_uri(self.back.clone());
        Ok(match in_body {
            true => client.set_auth_type(AuthType::RequestBody),
            false => client,
        })
    }
}

#[cfg(test)]
mod tests;
