//! Signing in with accounts of another system: the way there, the way back, and what is kept of it.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::accounts::{Body, actor, answer, body, costs, own_session, too_many, with};
use super::attempts::{Tries, network};
use super::error::ApiError;
use super::identity::Visitor;
use super::turns::guess;
use crate::App;
use crate::access::Hash;
use crate::accounts::{
    Accounts, AccountsError, Action, Arrival, Refusal, Secret, SecretKind, random,
};
use crate::provider::begun::{LASTS, Way};
use crate::provider::{Provider, ProviderError, Purpose, Stranger};

/// The cookie that says which browser somebody is on the way with.
const COOKIE: &str = "ropewalk-oidc";
/// Random bytes in it.
const BYTES: usize = 32;
/// Longest path that somebody is sent to in the end, in bytes.
const MAX_NEXT: usize = 2048;
/// Longest of what comes back, in bytes.
const MAX_PART: usize = 8 * 1024;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/oidc", post(begin))
        .route("/api/oidc/callback", get(finish))
        .route("/api/identity", get(identity).post(link).delete(unlink))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    next: Option<String>,
    invitation: Option<String>,
}

/// `POST /api/oidc`: where to go to sign in.
async fn begin(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<Wanted>,
) -> Result<Response, ApiError> {
    let Wanted { next, invitation } = body(sent)?;
    let purpose = match invitation {
        None => Purpose::SignIn,
        Some(secret) => match Secret::parse(&secret) {
            Some((SecretKind::Invitation, hash)) => Purpose::Join(hash),
            _ => return Err(ApiError::NO_INVITATION),
        },
    };
    set_out(&app, &visitor, &headers, purpose, next).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Linking {
    next: Option<String>,
    password: String,
}

/// `POST /api/identity`: the same to sign in like that from then on. It is another key to the account, and a session alone makes none.
async fn link(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<Linking>,
) -> Result<Response, ApiError> {
    let (person, session) = own_session(&app, &visitor.who)?;
    let Linking { next, password } = body(sent)?;
    if app.provider.is_none() {
        return Err(ApiError::NOT_FOUND);
    }
    let actor = actor(person, &visitor);
    let is_right = guess(&app, Tries::Person(person, visitor.address), {
        let app = app.clone();
        move |accounts, now_ms| {
            let there = accounts.person(person)?;
            if there.is_some_and(|person| person.identity.is_some()) {
                return Err(Refusal::Linked.into());
            }
            let is_right = accounts.is_password(person, &password, &actor, now_ms)?;
            Ok((is_right, !is_right || costs(&app, person)))
        }
    });
    if !is_right.await? {
        return Err(ApiError::WRONG_OLD_PASSWORD);
    }
    let purpose = Purpose::Link(person, session);
    set_out(&app, &visitor, &headers, purpose, next).await
}

async fn set_out(
    app: &Arc<App>,
    visitor: &Visitor,
    headers: &HeaderMap,
    purpose: Purpose,
    next: Option<String>,
) -> Result<Response, ApiError> {
    let provider = app.provider.as_ref().ok_or(ApiError::NOT_FOUND)?;
    let next = next.unwrap_or_else(|| "/".to_owned());
    if !is_ours(&next) {
        let wrong = "next is the path of a page here";
        return Err(ApiError::bad("bad_body", wrong));
    }
    // The cookie is for the address that they are at now.
    let origin = headers.get(header::ORIGIN);
    if origin.is_some_and(|origin| origin.as_bytes() != provider.origin().as_bytes()) {
        return Err(ApiError::other_address(provider.origin()));
    }
    let room = app.attempts.of_guests(visitor.address);
    room.map_err(|wait| too_many(app, wait))?;
    let ticket = provider.begin().await.map_err(|error| {
        failed(app, provider, &error);
        match error {
            ProviderError::Busy => ApiError::OVERLOADED,
            _ => ApiError::PROVIDER,
        }
    })?;
    // One for all tabs of a browser.
    let kept = visitor.kept(COOKIE, headers);
    let browser = match kept.filter(|kept| is_secret(kept)) {
        Some(kept) => kept.to_owned(),
        None => BASE64URL_NOPAD.encode(&random::<BYTES>()?),
    };
    let from = network(visitor.address);
    let begun = &provider.begun;
    let url = begun.put(ticket, hash(&browser), from, purpose, next);
    let cookie = visitor.named_cookie(COOKIE, &browser, LASTS.as_secs());
    Ok(([cookie], answer(json!({ "url": url }))).into_response())
}

/// A page of this server, as a path: nothing that a browser could take for another server.
fn is_ours(next: &str) -> bool {
    next.len() <= MAX_NEXT
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic())
        && !next.contains(['\\', '#'])
        && !next.starts_with("/api/")
}

fn is_secret(text: &str) -> bool {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    bytes.is_ok_and(|bytes| bytes.len() == BYTES)
}

fn hash(browser: &str) -> Hash {
    Sha256::digest(browser).into()
}

/// What comes back.
#[derive(Default, Deserialize)]
struct Back {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Why somebody is not signed in, in a word for the page.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    Denied,
    Expired,
    OtherBrowser,
    Unreachable,
    Untrue,
    Disabled,
    NotInvited,
    Taken,
    Linked,
    Failed,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::OtherBrowser => "other_browser",
            Self::Unreachable => "unreachable",
            Self::Untrue => "untrue",
            Self::Disabled => "disabled",
            Self::NotInvited => "not_invited",
            Self::Taken => "taken",
            Self::Linked => "linked_before",
            Self::Failed => "failed",
        }
    }
}

/// `GET /api/oidc/callback`: a browser comes back, and goes on to a page that says what came of it.
async fn finish(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    query: Result<Query<Back>, QueryRejection>,
) -> Result<Response, ApiError> {
    // Whoever is on the way when there is no provider any more is in time no more either.
    let Some(provider) = &app.provider else {
        return Ok(sent_on("/", Some(Why::Expired)));
    };
    let back = query.map(|Query(back)| back).unwrap_or_default();
    let way = back
        .state
        .as_deref()
        .and_then(|state| provider.begun.take(state));
    let Some(way) = way else {
        return Ok(sent_on("/", Some(Why::Expired)));
    };
    let kept = visitor.kept(COOKIE, &headers);
    if kept.map(hash) != Some(way.browser) {
        return Ok(sent_on("/", Some(Why::OtherBrowser)));
    }
    let next = way.next.clone();
    let done = match returned(&app, provider, back, way).await {
        Ok((purpose, stranger)) => arrive(&app, &visitor, provider, purpose, stranger).await,
        Err(why) => Err(why),
    };
    Ok(match done {
        Ok(Some(secret)) => {
            let cookie = visitor.cookie(Some(secret.expose()));
            ([cookie], sent_on(&next, None)).into_response()
        }
        Ok(None) => sent_on(&format!("{next}#oidc=linked"), None),
        Err(why) => sent_on(&next, Some(why)),
    })
}

/// To a page of ours.
fn sent_on(next: &str, why: Option<Why>) -> Response {
    let to = match why {
        Some(why) => format!("{next}#oidc={}", why.as_str()),
        None => next.to_owned(),
    };
    let headers = [
        (header::LOCATION, to),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Who somebody is that the provider has sent back.
async fn returned(
    app: &App,
    provider: &Provider,
    back: Back,
    way: Way,
) -> Result<(Purpose, Stranger), Why> {
    let is_other = |iss: &String| iss != provider.issuer();
    if back.iss.as_ref().is_some_and(is_other) {
        let other = ProviderError::Untrue("an answer is of another issuer".to_owned());
        return Err(failed(app, provider, &other));
    }
    match (back.code, back.error.as_deref()) {
        (_, Some("access_denied")) => Err(Why::Denied),
        (Some(code), None) if code.len() <= MAX_PART => {
            let done = provider.finish(code, &way.nonce, way.verifier).await;
            let stranger = done.map_err(|error| failed(app, provider, &error))?;
            Ok((way.purpose, stranger))
        }
        (_, error) => {
            // It is for the page, and anybody may have written it.
            let known = error.filter(|error| {
                error
                    .bytes()
                    .all(|b| b"_abcdefghijklmnopqrstuvwxyz".contains(&b))
            });
            let said = known.unwrap_or("nothing that is known").to_owned();
            Err(failed(app, provider, &ProviderError::Refused(said)))
        }
    }
}

/// Tells the log, as the page does not say more than what is of use to whoever wants to sign in.
fn failed(app: &App, provider: &Provider, error: &ProviderError) -> Why {
    app.metrics.provider_failed.add_one();
    let issuer = provider.issuer();
    tracing::warn!(%error, issuer, "somebody could not sign in with the provider");
    match error {
        ProviderError::Unreachable(_) | ProviderError::Busy => Why::Unreachable,
        ProviderError::Untrue(_) | ProviderError::Refused(_) => Why::Untrue,
    }
}

/// Signs somebody in, or links what they are elsewhere.
async fn arrive(
    app: &Arc<App>,
    visitor: &Visitor,
    provider: &Provider,
    purpose: Purpose,
    stranger: Stranger,
) -> Result<Option<Secret>, Why> {
    if let Purpose::Link(person, session) = purpose {
        // Another may have signed in here meanwhile.
        let here = own_session(app, &visitor.who).map_err(|_| Why::Expired)?;
        if here != (person, session) {
            return Err(Why::Expired);
        }
        let actor = actor(person, visitor);
        let linked = with(app, move |accounts, now_ms| {
            let Stranger {
                identity, roles, ..
            } = &stranger;
            told(accounts.link_identity(person, identity, roles.as_ref(), &actor, now_ms))
        });
        return linked.await.map_err(|_| Why::Failed)?.map(|()| None);
    }
    let is_welcome = provider.welcomes(stranger.roles.as_ref());
    let visitor = visitor.clone();
    let begun = with(app, move |accounts, now_ms| {
        let actor = visitor.nobody();
        let invitation = match &purpose {
            Purpose::Join(hash) => Some(hash),
            _ => None,
        };
        let arrival = Arrival {
            identity: &stranger.identity,
            login: stranger.login.as_deref(),
            name: stranger.name.as_deref(),
            roles: stranger.roles.as_ref(),
            invitation,
            is_welcome,
        };
        let person = match told(accounts.arrive(&arrival, &actor, now_ms))? {
            Ok(person) => person,
            Err(why) => {
                let login = refused(accounts, &stranger)?;
                accounts.note(&actor, Action::SignInFailed, &login, now_ms)?;
                return Ok(Err(why));
            }
        };
        let (_, secret) = visitor.begin_session(accounts, Some(person), now_ms)?;
        Ok(Ok(Some(secret)))
    });
    begun.await.map_err(|_| Why::Failed)?
}

/// What is refused, as the page says it.
fn told<T>(done: Result<T, AccountsError>) -> Result<Result<T, Why>, AccountsError> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(AccountsError::Refused(refusal)) => Ok(Err(match refusal {
            Refusal::Disabled => Why::Disabled,
            Refusal::NotInvited | Refusal::Invitation | Refusal::FirstAdmin => Why::NotInvited,
            Refusal::IdentityTaken => Why::Taken,
            Refusal::Linked => Why::Linked,
            other => {
                tracing::warn!(error = %other, "somebody could not be given an account");
                Why::Failed
            }
        })),
        Err(error) => Err(error),
    }
}

/// Whom the log tells of: the person that they are here, or who they are elsewhere.
fn refused(accounts: &Accounts, stranger: &Stranger) -> Result<String, AccountsError> {
    let known = accounts.person_by_identity(&stranger.identity)?;
    Ok(match known {
        Some(person) => person.login,
        None => format!("{} elsewhere", stranger.identity.subject),
    })
}

/// `GET /api/identity`: who somebody is elsewhere.
async fn identity(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let (person, _) = own_session(&app, &visitor.who)?;
    let person = with(&app, move |accounts, _| accounts.person(person)).await?;
    let person = person.ok_or(ApiError::NOT_FOUND)?;
    let identity = person
        .identity
        .map(|identity| json!({ "issuer": identity.issuer, "subject": identity.subject }));
    Ok(answer(json!({
        "provider": app.provider.as_ref().map(Provider::name),
        "identity": identity,
        "has_password": person.has_password,
    })))
}

/// `DELETE /api/identity`
async fn unlink(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<StatusCode, ApiError> {
    let (person, _) = own_session(&app, &visitor.who)?;
    let actor = actor(person, &visitor);
    with(&app, move |accounts, now_ms| {
        accounts.unlink_identity(person, &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_sent_to_a_page_of_ours() {
        for ours in ["/", "/edit/a/b%20c.md", "/edit/x?y=z", "/join"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "/edit\\..",
            "https://evil.example",
            "javascript:alert(1)",
            "edit/x",
            "/edit/x\r\nSet-Cookie: a=b",
            "/\t/evil.example",
            "/edit/é",
            "/edit/x#oidc=linked",
            "/api/documents",
            &format!("/{}", "x".repeat(MAX_NEXT)),
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
