//! Who somebody is: signing in and out, where they are signed in, their name and their password.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{delete, get, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{
    At, Body, actor, answer, at, body, bounded, costs, doer, own_session, too_many, with,
};
use super::attempts::{Tries, network};
use super::error::ApiError;
use super::identity::{KEPT_S, Visitor, keeps_cookies};
use super::turns::guess;
use crate::App;
use crate::access::{SessionId, Who};
use crate::accounts::{AccountsError, Action, Profile, Refusal, Secret, SessionEntry};
use crate::gate::Device;

/// The cookie that says that somebody was signed in with this browser.
const KNOWN: &str = "ropewalk-known";

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/session", get(session).post(sign_in).delete(sign_out))
        .route("/api/sessions", get(sessions).delete(end_others))
        .route("/api/sessions/{id}", delete(end))
        .route("/api/profile", put(profile))
        .route("/api/password", put(password))
}

fn state(app: &App, who: &Who) -> Value {
    let mut told = known(app, who);
    if let Some(provider) = &app.provider {
        told["provider"] = provider.name().into();
    }
    told
}

fn known(app: &App, who: &Who) -> Value {
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    if rules.is_open {
        return json!({ "state": "open" });
    }
    if rules.people.is_empty() {
        return json!({ "state": "setup" });
    }
    match rules.person(who, now_ms) {
        Some((_, person)) => json!({
            "state": "signed_in",
            "person": {
                "login": person.login,
                "name": person.name,
                "color": person.color,
                "is_admin": rules.is_admin(who, now_ms),
                "has_password": person.has_password,
            },
        }),
        None if rules.is_known(who, now_ms) => json!({ "state": "guest" }),
        None => json!({ "state": "signed_out" }),
    }
}

/// `GET /api/session`: each page asks that first. Once a day its browser gets another secret with the answer.
async fn session(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    let told = answer(state(&app, &visitor.who));
    let Some((session, shown)) = visitor.who.session.zip(visitor.secret) else {
        return told;
    };
    let rotating = with(&app, move |accounts, now_ms| {
        accounts.rotate_session(session, &shown, now_ms)
    });
    match rotating.await {
        Ok(Some(secret)) => ([visitor.cookie(Some(secret.expose()))], told).into_response(),
        // Who they are is known all the same.
        Ok(None) | Err(_) => told,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    login: String,
    password: String,
}

/// `POST /api/session`
async fn sign_in(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<SignIn>,
) -> Result<Response, ApiError> {
    keeps_cookies(&app.config, &headers)?;
    let SignIn { login, password } = body(sent)?;
    let tries = tries(&app, &login, &visitor, &headers).await?;
    let begun = guess(&app, tries, {
        let (app, visitor) = (app.clone(), visitor.clone());
        move |accounts, now_ms| {
            let actor = visitor.nobody();
            let verified = match accounts.verify(&login, &password, &actor, now_ms) {
                Ok(Some(verified)) => verified,
                Ok(None) => return Ok((Err(ApiError::WRONG_PASSWORD), true)),
                // Only whoever knows the password hears of it.
                Err(AccountsError::Refused(Refusal::Disabled)) => {
                    return Ok((Err(ApiError::DISABLED), true));
                }
                Err(error) => return Err(error),
            };
            match visitor.begin_verified(accounts, &verified, now_ms) {
                Err(AccountsError::Refused(Refusal::WrongPassword)) => {
                    accounts.note(&actor, Action::SignInFailed, &login, now_ms)?;
                    Ok((Err(ApiError::WRONG_PASSWORD), true))
                }
                begun => Ok((Ok(begun?), costs(&app, verified.id))),
            }
        }
    });
    Ok(begins(&app, &visitor, begun.await??))
}

/// Whose tries a sign-in takes if it fails: those of the browser, if the owner of the account was signed in with it; otherwise those of the
/// address and of the account, unless its owner is signed in from there.
async fn tries(
    app: &Arc<App>,
    login: &str,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<Tries, ApiError> {
    if let Some(device) = familiar(app, login, visitor, headers) {
        let of_device = Tries::Device(device, visitor.address);
        if app.attempts.left(&of_device).is_ok() {
            return Ok(of_device);
        }
    }
    let of_address = Tries::Address(visitor.address);
    let left = app.attempts.left(&of_address);
    left.map_err(|wait| too_many(app, wait))?;
    let of_account = Tries::account(login, visitor.address);
    match app.attempts.left(&of_account) {
        Ok(()) => Ok(of_account),
        Err(_) if knows(app, login, visitor).await? => Ok(of_address),
        Err(wait) => Err(too_many(app, wait)),
    }
}

/// The browser, if the owner of an account was signed in with it.
fn familiar(app: &App, login: &str, visitor: &Visitor, headers: &HeaderMap) -> Option<Device> {
    let (person, device) = app.gate.known()?.device(visitor.kept(KNOWN, headers)?)?;
    let rules = app.gate.rules();
    let person = rules.people.get(&person)?;
    let is_theirs = person.login.eq_ignore_ascii_case(login);
    is_theirs.then_some(device)
}

/// Whether the owner of an account is signed in from where somebody is.
async fn knows(app: &Arc<App>, login: &str, visitor: &Visitor) -> Result<bool, ApiError> {
    let (login, here) = (login.to_owned(), network(visitor.address));
    let knows = with(app, move |accounts, now_ms| {
        let Some(person) = accounts.person_by_login(&login)? else {
            return Ok(false);
        };
        let sessions = accounts.sessions(person.id, now_ms)?;
        Ok(sessions.iter().any(|session| {
            let address = session.address.as_deref();
            let address = address.and_then(|address| address.parse().ok());
            address.map(network) == Some(here)
        }))
    });
    knows.await
}

/// A browser is signed in from now on.
pub fn begins(app: &App, visitor: &Visitor, (session, secret): (SessionId, Secret)) -> Response {
    let who = Who {
        session: Some(session),
        ..Who::default()
    };
    let cookie = visitor.cookie(Some(secret.expose()));
    let rules = app.gate.rules();
    let person = rules.person(&who, app.machine.now_ms());
    let known = person.and_then(|(person, _)| app.gate.known()?.cookie(person));
    // It stays when they sign out.
    let known = known.map(|known| visitor.named_cookie(KNOWN, &known, KEPT_S));
    let told = answer(state(app, &who));
    match known {
        Some(known) => (AppendHeaders([cookie, known]), told).into_response(),
        None => ([cookie], told).into_response(),
    }
}

/// `DELETE /api/session`
async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    if let Some(session) = visitor.who.session {
        let actor = doer(&app, &visitor);
        with(&app, move |accounts, now_ms| {
            accounts.end_session(session, &actor, now_ms)
        })
        .await?;
    }
    Ok((StatusCode::NO_CONTENT, [visitor.cookie(None)]).into_response())
}

/// `GET /api/sessions`
async fn sessions(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let (person, this) = own_session(&app, &visitor.who)?;
    let all = with(&app, move |accounts, now_ms| {
        accounts.sessions(person, now_ms)
    })
    .await?;
    let all: Vec<Value> = all
        .into_iter()
        .map(|session| {
            let mut told = told(&session);
            told["is_this"] = (session.id == this).into();
            told
        })
        .collect();
    Ok(answer(json!({ "sessions": all })))
}

/// What is said of a session.
pub fn told(session: &SessionEntry) -> Value {
    json!({
        "id": session.id.0,
        "agent": session.agent,
        "address": session.address,
        "begun_at": session.begun_at_ms,
        "seen_at": session.seen_at_ms,
    })
}

/// `DELETE /api/sessions`: all but this one.
async fn end_others(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<StatusCode, ApiError> {
    let (person, this) = own_session(&app, &visitor.who)?;
    let actor = actor(person, &visitor);
    with(&app, move |accounts, now_ms| {
        accounts.end_sessions(person, Some(this), &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/sessions/{id}`
async fn end(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
) -> Result<StatusCode, ApiError> {
    let (person, _) = own_session(&app, &visitor.who)?;
    let actor = actor(person, &visitor);
    let id = SessionId(at(id)?);
    let is_own = app
        .gate
        .rules()
        .sessions_by_id
        .get(&id)
        .map(|session| session.person)
        == Some(Some(person));
    if !is_own {
        return Err(ApiError::NOT_FOUND);
    }
    with(&app, move |accounts, now_ms| {
        accounts.end_session(id, &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProfile {
    name: String,
    color: Option<String>,
}

/// `PUT /api/profile`
async fn profile(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<NewProfile>,
) -> Result<Response, ApiError> {
    let NewProfile { name, color } = body(sent)?;
    let (person, _) = own_session(&app, &visitor.who)?;
    let actor = bounded(&app, person, &visitor)?;
    with(&app, move |accounts, now_ms| {
        accounts.set_profile(person, &Profile { name, color }, &actor, now_ms)
    })
    .await?;
    Ok(answer(state(&app, &visitor.who)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    old: String,
    new: String,
}

/// `PUT /api/password`: all other sessions end.
async fn password(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let NewPassword { old, new } = body(sent)?;
    let (id, this) = own_session(&app, &visitor.who)?;
    let has_password = {
        let rules = app.gate.rules();
        let person = rules.people.get(&id);
        person.is_some_and(|person| person.has_password)
    };
    if !has_password {
        return Err(ApiError::NO_PASSWORD);
    }
    let actor = actor(id, &visitor);
    let is_right = guess(&app, Tries::Person(id, visitor.address), {
        let app = app.clone();
        move |accounts, now_ms| {
            if !accounts.is_password(id, &old, &actor, now_ms)? {
                return Ok((false, true));
            }
            accounts.set_password(id, &new, Some(this), &actor, now_ms)?;
            Ok((true, costs(&app, id)))
        }
    });
    match is_right.await.map_err(ApiError::or_not_known)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::WRONG_OLD_PASSWORD),
    }
}
