//! What the API over accounts has in common: who asks and what for, and work with the accounts that keeps nobody waiting.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::error::ApiError;
use super::identity::Visitor;
use crate::App;
use crate::access::{Denied, PersonId, Rules, SessionId, Who};
use crate::accounts::{Accounts, AccountsError, Actor, Refusal, Still};

/// Bytes of a body, at most.
pub const MAX_BODY: usize = 64 * 1024;

const DAY_MS: i64 = 24 * 60 * 60_000;

/// What a body should be.
pub type Body<T> = Result<Json<T>, JsonRejection>;

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

/// The same for somebody who looks after the accounts, and has to when it is done.
pub fn admin_actor(app: &App, visitor: &Visitor) -> Result<Actor, ApiError> {
    Ok(actor(admin(app, &visitor.who)?, visitor).as_admin())
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

/// The same for what they have to be allowed when it is done: whoever waits for others may be somebody else by then, or nobody.
pub fn still(
    app: &Arc<App>,
    visitor: &Visitor,
    actor: Actor,
    may: impl Fn(&Rules, i64) -> Result<(), Refusal> + Send + Sync + 'static,
) -> Actor {
    let (app_there, who, person) = (app.clone(), visitor.who.clone(), actor.id());
    let may = move |rules: &Rules| {
        let now_ms = app_there.machine.now_ms();
        let is_same = rules.person(&who, now_ms).map(|(id, _)| id) == person;
        match is_same {
            true => may(rules, now_ms),
            false => Err(Denied::NotKnown.into()),
        }
    };
    actor.if_still(Still::new(app.gate.rules(), app.machine.now_ms(), may))
}

/// Who does something, whether they have an account or not.
pub fn doer(app: &App, visitor: &Visitor) -> Actor {
    match person(app, &visitor.who) {
        Ok(person) => actor(person, visitor),
        Err(_) => visitor.nobody(),
    }
}

/// The same for what the log tells each time: nobody fills it with that.
pub fn deed(app: &App, visitor: &Visitor) -> Result<Actor, ApiError> {
    match person(app, &visitor.who) {
        Ok(person) => bounded(app, person, visitor),
        Err(_) => Ok(visitor.nobody()),
    }
}

/// A session of a browser: accounts are looked after there, and not by a token.
pub fn own_session(app: &App, who: &Who) -> Result<(PersonId, SessionId), ApiError> {
    let signed_in = app.gate.rules().signed_in(who, app.machine.now_ms());
    signed_in.zip(who.session).ok_or(ApiError::NOT_KNOWN)
}

pub fn answer(body: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Takes one of the tries that somebody has, where they are.
pub fn tries(app: &App, visitor: &Visitor) -> Result<(), ApiError> {
    let tried = app.attempts.of_address(visitor.address);
    tried.map_err(|wait| too_many(app, wait))
}

/// Gives the try back to the address when it was no guess: many people may be behind one.
pub fn was_no_guess(app: &App, visitor: &Visitor, person: PersonId) {
    if !costs(app, person) {
        app.attempts.give_back(visitor.address);
    }
}

/// Whether it takes a try to be right, too: each time makes work, so nobody has that as often as they like.
pub fn costs(app: &App, person: PersonId) -> bool {
    app.attempts.of_deeds(person).is_err()
}

pub fn too_many(app: &App, wait: Duration) -> ApiError {
    app.metrics.attempts_refused.add_one();
    ApiError::too_many(wait)
}

/// When something ends that counts for so many days; no days is at once, and that is refused.
pub fn ends(days: u32, now_ms: i64) -> i64 {
    now_ms + i64::from(days) * DAY_MS
}
