//! Another system that says who somebody is, by OpenID Connect: discovery, the code flow with PKCE, and what its tokens say.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenClaims,
    IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse,
    SubjectIdentifier, TokenResponse as _, UserInfoClaims,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub mod begun;
mod claims;
mod discovery;
mod error;

pub use begun::{Begun, Purpose};
pub use error::ProviderError;

use crate::accounts::{Identity, Roles};
use crate::config::{Config, NewPeople, Oidc};
use crate::fetch::fetch;
use claims::{Claims, Told};
use discovery::{Discovery, Registered};

/// Where people come back to.
pub const CALLBACK: &str = "/api/oidc/callback";
/// All that is asked of it for one person, at most.
const PATIENCE: Duration = Duration::from_secs(24);
/// People who wait for it at once.
const WAITING: usize = 64;
/// Random bytes of a state and a nonce.
const RANDOM: u32 = 32;
/// Longest secret of this server, in bytes.
const MAX_SECRET: usize = 4096;

type IdFields = IdTokenFields<
    Claims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<IdFields, CoreTokenType>;
type Client = openidconnect::Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Signed with one of these and with nothing else: never with a key that is shared, and never with none.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Somebody as the provider knows them.
#[derive(Debug)]
pub struct Stranger {
    /// Who they are there.
    pub identity: Identity,
    /// What they are called there.
    pub login: Option<String>,
    /// Their name there.
    pub name: Option<String>,
    /// What they are here for it; nothing if the provider does not say in which groups they are.
    pub roles: Option<Roles>,
}

/// What somebody is sent to the provider with.
pub struct Ticket {
    /// Where.
    pub url: String,
    /// Comes back with them.
    pub state: String,
    /// Comes back in the token.
    pub nonce: Nonce,
    /// Shows that whoever brings the code has begun it.
    pub verifier: PkceCodeVerifier,
}

/// See the module.
pub struct Provider {
    settings: Oidc,
    name: String,
    origin: String,
    discovery: Arc<Discovery>,
    room: Semaphore,
    /// Who is there now and may come back.
    pub begun: Begun,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.settings.issuer)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// The one that is configured, if one is. It is not asked for anything yet. `Err` is one line that says what is wrong.
    pub fn new(config: &Config) -> Result<Option<Self>, String> {
        let settings = config.oidc.clone();
        if settings.issuer.is_empty() {
            return Ok(None);
        }
        let wrong = |error: openidconnect::url::ParseError| format!("{}: {error}", settings.issuer);
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(wrong)?;
        let back = RedirectUrl::new(format!("{}{CALLBACK}", config.public_url)).map_err(wrong)?;
        let origin = back.url().origin().ascii_serialization();
        let host = issuer.url().host_str().unwrap_or_default();
        let name = match settings.name.as_str() {
            "" => host.to_owned(),
            name => name.to_owned(),
        };
        let registered = Registered {
            issuer,
            id: ClientId::new(settings.client_id.clone()),
            secret: secret(&settings.client_secret_file)?,
            back,
        };
        Ok(Some(Self {
            discovery: Arc::new(Discovery::of(registered)),
            room: Semaphore::new(WAITING),
            begun: Begun::default(),
            settings,
            name,
            origin,
        }))
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who says who somebody is.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Where people come from who are sent there, and come back to.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether somebody with these roles gets an account without an invitation.
    pub fn welcomes(&self, roles: Option<&Roles>) -> bool {
        match self.settings.new_people {
            NewPeople::Invited => false,
            NewPeople::Mapped => roles.is_some_and(|roles| !roles.is_empty()),
            NewPeople::Everyone => true,
        }
    }

    /// Where somebody goes to show who they are.
    pub async fn begin(&self) -> Result<Ticket, ProviderError> {
        let client = self.bounded(self.discovery.client()).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new_random_len(RANDOM),
            || Nonce::new_random_len(RANDOM),
        );
        for scope in &self.settings.scope {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        Ok(Ticket {
            url: url.to_string(),
            state: state.into_secret(),
            nonce,
            verifier,
        })
    }

    /// Who somebody is that came back with a code.
    pub async fn finish(
        &self,
        code: String,
        nonce: &Nonce,
        verifier: PkceCodeVerifier,
    ) -> Result<Stranger, ProviderError> {
        self.bounded(self.redeem(code, nonce, verifier)).await
    }

    async fn bounded<T>(
        &self,
        asking: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let _room = self.room.try_acquire().map_err(|_| ProviderError::Busy)?;
        match timeout(PATIENCE, asking).await {
            Ok(done) => done,
            Err(_) => Err(ProviderError::Unreachable(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn redeem(
        &self,
        code: String,
        nonce: &Nonce,
        verifier: PkceCodeVerifier,
    ) -> Result<Stranger, ProviderError> {
        let client = self.discovery.client().await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Untrue(error.to_string()))?
            .set_pkce_verifier(verifier);
        let tokens = request.request_async(&fetch).await?;
        let id = tokens
            .id_token()
            .ok_or_else(|| ProviderError::Untrue("there is no ID token".to_owned()))?;
        let verify = |client: &Client| -> Result<IdTokenClaims<Claims, CoreGenderClaim>, _> {
            let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
            id.claims(&verifier, nonce).cloned()
        };
        let told = match verify(&client) {
            // The key may be newer than what is known.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => verify(&*self.discovery.newer().await?)?,
            told => told?,
        };
        let mut all = Told::of_token(&told);
        if all.lacks(&self.settings)
            && let Some(more) = self
                .more(&client, tokens.access_token(), told.subject())
                .await?
        {
            all.fill(Told::of_user_info(&more));
        }
        let identity = Identity {
            issuer: self.settings.issuer.clone(),
            subject: told.subject().to_string(),
        };
        Ok(all.stranger(identity, &self.settings))
    }

    /// What else it says of somebody. If that cannot be had, they are not signed in: they would lose the groups that it does not say.
    async fn more(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Option<UserInfoClaims<Claims, CoreGenderClaim>>, ProviderError> {
        // It becomes a header.
        if !token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProviderError::Untrue(
                "the access token is no token".to_owned(),
            ));
        }
        let Ok(request) = client.user_info(token.clone(), Some(subject.clone())) else {
            return Ok(None);
        };
        Ok(Some(request.request_async(&fetch).await?))
    }
}

/// The first line of a file.
fn secret(file: &str) -> Result<Option<ClientSecret>, String> {
    if file.is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let line = text.lines().next().unwrap_or_default().trim();
    match (1..=MAX_SECRET).contains(&line.len()) {
        true => Ok(Some(ClientSecret::new(line.to_owned()))),
        false => Err(format!(
            "{file}: a secret stands on the first line, with 1 to {MAX_SECRET} bytes"
        )),
    }
}
