//! The API over accounts: who somebody is, signing in and out, invitations.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::identity::{Visitor, keeps_cookies};
use super::people::kind;
use crate::App;
use crate::access::{PersonId, SessionId, Who};
use crate::accounts::{
    Accounts, AccountsError, Actor, Begin, InviteKind, Joining, Profile, Refusal, Secret,
    SecretKind,
};

/// Bytes of a body, at most.
pub const MAX_BODY: usize = 64 * 1024;
/// Passwords that are looked at at once: each takes 19 MiB and a while.
pub const PASSWORDS: usize = 2;
/// The same of links, beside those: whoever guesses one keeps nobody from signing in.
pub const LINK_PASSWORDS: usize = 1;
/// How long somebody waits for their turn.
const TURN: Duration = Duration::from_secs(10);

const DAY_MS: i64 = 24 * 60 * 60_000;

/// What a body should be.
pub type Body<T> = Result<Json<T>, JsonRejection>;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/session", get(session).post(sign_in).delete(sign_out))
        .route("/api/sessions", get(sessions).delete(end_others))
        .route("/api/sessions/{id}", delete(end))
        .route("/api/invitation", post(invitation))
        .route("/api/join", post(join))
        .route("/api/profile", put(profile))
        .route("/api/password", put(password))
}

/// What the segments of a path should be.
pub type At<T> = Result<Path<T>, PathRejection>;

/// Where it cannot be what it should, there is nothing.
pub fn at<T>(at: At<T>) -> Result<T, ApiError> {
    let Path(at) = at.map_err(|_| ApiError::NOT_FOUND)?;
    Ok(at)
}

pub fn body<T>(body: Body<T>) -> Result<T, ApiError> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::BODY_TOO_LARGE)
        }
        Err(rejection) => Err(ApiError::bad("bad_body", rejection.body_text())),
    }
}

/// Does something with the accounts, where it keeps nobody waiting. When it returns, what it changed counts.
pub async fn with<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&Accounts, i64) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    let doing = app.machine.blocking({
        let app = app.clone();
        move || {
            let accounts = app.gate.accounts().ok_or(ApiError::NOT_FOUND)?;
            let now_ms = app.machine.now_ms();
            let done = work(accounts, now_ms)?;
            app.gate.look(now_ms)?;
            Ok(done)
        }
    });
    doing.await.ok_or(ApiError::INTERNAL)?
}

/// The same with a password in it.
pub async fn with_password<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&Accounts, i64) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    in_turn(app, &app.passwords, work).await
}

/// The same with the password of a link, from somebody who may be guessing.
pub async fn with_link_password<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&Accounts, i64) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    in_turn(app, &app.link_passwords, work).await
}

async fn in_turn<T: Send + 'static>(
    app: &Arc<App>,
    turns: &Semaphore,
    work: impl FnOnce(&Accounts, i64) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = tokio::time::timeout(TURN, turns.acquire()).await;
    let _turn = turn.map_err(|_| ApiError::OVERLOADED)?;
    with(app, work).await
}

/// The person that a visitor is; an error if they are nobody.
pub fn person(app: &App, who: &Who) -> Result<PersonId, ApiError> {
    let rules = app.gate.rules();
    let person = rules.person(who, app.machine.now_ms());
    person.map(|(id, _)| id).ok_or(ApiError::NOT_KNOWN)
}

/// The same for somebody who looks after the accounts.
pub fn admin(app: &App, who: &Who) -> Result<PersonId, ApiError> {
    let id = whole(app, who)?;
    match app.gate.rules().is_admin(who, app.machine.now_ms()) {
        true => Ok(id),
        false => Err(ApiError::NOT_ADMIN),
    }
}

/// The person that a visitor acts as with all that this person may: by a session, or by a token that is for everything.
pub fn whole(app: &App, who: &Who) -> Result<PersonId, ApiError> {
    let id = person(app, who)?;
    match app.gate.rules().is_whole(who, app.machine.now_ms()) {
        true => Ok(id),
        false => Err(ApiError::LIMITED_TOKEN),
    }
}

/// Who does something, for the log.
pub fn actor(person: PersonId, visitor: &Visitor) -> Actor {
    Actor::person(person).at(visitor.address.to_string())
}

/// The same for what whoever has an account may do as often as they like, but for this: nobody fills the log with it.
pub fn bounded(app: &App, person: PersonId, visitor: &Visitor) -> Result<Actor, ApiError> {
    let is_admin = {
        let rules = app.gate.rules();
        rules
            .people
            .get(&person)
            .is_some_and(|person| person.is_admin)
    };
    if !is_admin {
        let room = app.attempts.of_deeds(person);
        room.map_err(|wait| too_many(app, wait))?;
    }
    Ok(actor(person, visitor))
}

/// A session of a browser: accounts are looked after there, and not by a token.
pub fn own_session(app: &App, who: &Who) -> Result<(PersonId, SessionId), ApiError> {
    let signed_in = app.gate.rules().signed_in(who, app.machine.now_ms());
    signed_in.zip(who.session).ok_or(ApiError::NOT_KNOWN)
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
            },
        }),
        None if rules.is_known(who, now_ms) => json!({ "state": "guest" }),
        None => json!({ "state": "signed_out" }),
    }
}

pub fn answer(body: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
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
    tries(&app, &visitor)?;
    if let Err(wait) = app.attempts.of_account(&login)
        && !knows(&app, &login, &visitor).await?
    {
        return Err(too_many(&app, wait));
    }
    let begun = with_password(&app, {
        let visitor = visitor.clone();
        move |accounts, now_ms| {
            let address = visitor.address.to_string();
            let actor = visitor.nobody();
            let person = match accounts.verify(&login, &password, &actor, now_ms) {
                Ok(Some(person)) => person,
                Ok(None) => return Ok(Err(ApiError::WRONG_PASSWORD)),
                // Only whoever knows the password hears of it.
                Err(AccountsError::Refused(Refusal::Disabled)) => {
                    return Ok(Err(ApiError::DISABLED));
                }
                Err(error) => return Err(error),
            };
            let begin = Begin {
                person: Some(person),
                former: visitor.who.session,
                agent: &visitor.agent,
                address: Some(&address),
            };
            accounts.begin_session(&begin, now_ms).map(Ok)
        }
    });
    let begun = begun.await??;
    Ok(begins(&app, &visitor, begun))
}

/// Whether the owner of an account is, or was, signed in from where somebody is.
async fn knows(app: &Arc<App>, login: &str, visitor: &Visitor) -> Result<bool, ApiError> {
    let (login, address) = (login.to_owned(), visitor.address.to_string());
    let knows = with(app, move |accounts, now_ms| {
        let Some(person) = accounts.person_by_login(&login)? else {
            return Ok(false);
        };
        let sessions = accounts.sessions(person.id, now_ms)?;
        Ok(sessions
            .iter()
            .any(|session| session.address.as_deref() == Some(&*address)))
    });
    knows.await
}

/// A browser is signed in from now on.
fn begins(app: &App, visitor: &Visitor, (session, secret): (SessionId, Secret)) -> Response {
    let who = Who {
        session: Some(session),
        ..Who::default()
    };
    let cookie = visitor.cookie(Some(secret.expose()));
    ([cookie], answer(state(app, &who))).into_response()
}

/// `DELETE /api/session`
async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    if let Some(session) = visitor.who.session {
        let actor = match person(&app, &visitor.who) {
            Ok(person) => actor(person, &visitor),
            Err(_) => visitor.nobody(),
        };
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
            json!({
                "id": session.id.0,
                "agent": session.agent,
                "address": session.address,
                "begun_at": session.begun_at_ms,
                "seen_at": session.seen_at_ms,
                "is_this": session.id == this,
            })
        })
        .collect();
    Ok(answer(json!({ "sessions": all })))
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
struct Invited {
    secret: String,
}

/// `POST /api/invitation`: what it is for.
async fn invitation(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<Invited>,
) -> Result<Response, ApiError> {
    let Invited { secret } = body(sent)?;
    tries(&app, &visitor)?;
    let Some((SecretKind::Invitation, hash)) = Secret::parse(&secret) else {
        return Err(ApiError::NO_INVITATION);
    };
    let found = with(&app, move |accounts, now_ms| {
        accounts.invitation(&hash, now_ms)
    })
    .await;
    let found = found.map_err(ApiError::or_no_invitation)?;
    Ok(answer(json!({
        "kind": kind(found.kind),
        "login": found.login,
        "name": found.name,
        "expires_at": found.expires_at_ms,
    })))
}

/// Takes one of the tries that somebody has, where they are.
pub fn tries(app: &App, visitor: &Visitor) -> Result<(), ApiError> {
    let tried = app.attempts.of_address(visitor.address);
    tried.map_err(|wait| too_many(app, wait))
}

pub fn too_many(app: &App, wait: Duration) -> ApiError {
    app.metrics.attempts_refused.add_one();
    ApiError::too_many(wait)
}

/// When something ends that counts for so many days; no days is at once, and that is refused.
pub fn ends(days: u32, now_ms: i64) -> i64 {
    now_ms + i64::from(days) * DAY_MS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    secret: String,
    login: Option<String>,
    name: Option<String>,
    color: Option<String>,
    password: String,
}

/// `POST /api/join`: uses an invitation.
async fn join(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<Join>,
) -> Result<Response, ApiError> {
    keeps_cookies(&app.config, &headers)?;
    let sent = body(sent)?;
    tries(&app, &visitor)?;
    let Some((SecretKind::Invitation, hash)) = Secret::parse(&sent.secret) else {
        return Err(ApiError::NO_INVITATION);
    };
    let begun = with_password(&app, {
        let visitor = visitor.clone();
        move |accounts, now_ms| {
            let address = visitor.address.to_string();
            let found = accounts.invitation(&hash, now_ms)?;
            let person = match found.kind {
                InviteKind::Reset(_) => {
                    accounts.reset_password(&hash, &sent.password, Some(&address), now_ms)?
                }
                InviteKind::First | InviteKind::Person => {
                    let login = sent.login.as_deref();
                    let name = sent.name.as_deref().or(found.name.as_deref()).or(login);
                    let joining = Joining {
                        login,
                        name: name.unwrap_or_default(),
                        color: sent.color.as_deref(),
                    };
                    accounts.join(&hash, &joining, &sent.password, Some(&address), now_ms)?
                }
            };
            let begin = Begin {
                person: Some(person),
                former: visitor.who.session,
                agent: &visitor.agent,
                address: Some(&address),
            };
            accounts.begin_session(&begin, now_ms)
        }
    });
    let begun = begun.await.map_err(ApiError::or_no_invitation)?;
    Ok(begins(&app, &visitor, begun))
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
    tries(&app, &visitor)?;
    let actor = actor(id, &visitor);
    let is_right = with_password(&app, move |accounts, now_ms| {
        let login = accounts
            .person(id)?
            .map(|person| person.login)
            .unwrap_or_default();
        if accounts.verify(&login, &old, &actor, now_ms)? != Some(id) {
            return Ok(false);
        }
        accounts.set_password(id, &new, Some(this), &actor, now_ms)?;
        Ok(true)
    });
    match is_right.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::WRONG_OLD_PASSWORD),
    }
}
