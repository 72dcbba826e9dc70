//! The API over who may do what with a document, or with all of a folder.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::accounts::{self, MAX_BODY, answer, bounded, ends, person, still, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::turns::with_password;
use super::{found, known, owned};
use crate::App;
use crate::access::{
    Access, Denied, Grant, Item, Known, LinkId, PersonId, Rules, Subject, Target, Who,
};
use crate::accounts::{Accounts, AccountsError, Action, Actor, Group, LinkEntry, NewLink, Refusal};
use crate::name::DocumentName;
use crate::storage::{DocumentId, Lookup};

pub fn router() -> Router<Arc<App>> {
    Router::new().route(
        "/api/folders/{*path}",
        get(folder_read)
            .put(folder_give)
            .post(folder_link)
            .delete(folder_unlink),
    )
}

/// What somebody wants to share, as it stands in a URL.
#[derive(Clone, Copy)]
pub enum Of<'u> {
    /// One document.
    Document(&'u str),
    /// All of a folder; of one without a name, all there is.
    Folder(&'u str),
}

/// What is shared, once it is known that whoever asks may say so.
struct Shared {
    item: Item,
    owner: Option<PersonId>,
}

impl Shared {
    /// What is known of it, if it is a document.
    fn known(&self) -> Option<Known<'_>> {
        match &self.item.target {
            Target::Document(name) => Some(Known {
                name,
                id: self.item.document,
                owner: self.owner,
            }),
            Target::Folder(_) | Target::Everything => None,
        }
    }
}

/// Who asks to share something. They have to own it still when it is done: the document may be another one by then, too.
fn sharer(app: &Arc<App>, visitor: &Visitor, shared: &Shared) -> Result<Actor, ApiError> {
    let actor = bounded(app, person(app, &visitor.who)?, visitor)?;
    let (app_there, who, item) = (app.clone(), visitor.who.clone(), shared.item.clone());
    let may = move |rules: &Rules, now_ms| owns(&app_there, rules, &who, &item, now_ms);
    Ok(still(app, visitor, actor, may))
}

fn owns(app: &App, rules: &Rules, who: &Who, item: &Item, now_ms: i64) -> Result<(), Refusal> {
    let owns = match &item.target {
        Target::Document(name) => match app.storage.entry(name) {
            Ok(Lookup::Found(entry)) if item.is_of(Some(entry.position.id)) => {
                rules.access(who, &known(&entry), now_ms) >= Access::Own
            }
            _ => return Err(Refusal::Missing("document")),
        },
        folder => rules.owns_all(who, folder, now_ms),
    };
    match owns {
        true => Ok(()),
        false => Err(Denied::NotOwner.into()),
    }
}

impl Of<'_> {
    async fn shared(self, app: &Arc<App>, visitor: &Visitor) -> Result<Shared, ApiError> {
        let target = match self {
            Self::Document(name) => {
                let name = DocumentName::from_url(name)?;
                let entry = found(app, &visitor.who, &name, Access::Own).await?;
                return Ok(Shared {
                    item: Item {
                        target: Target::Document(name),
                        document: Some(entry.position.id),
                    },
                    owner: entry.owner,
                });
            }
            Self::Folder("") => Target::Everything,
            Self::Folder(path) => Target::Folder(DocumentName::from_url(path)?),
        };
        let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
        if !rules.owns_all(&visitor.who, &target, now_ms) {
            app.metrics.refused_access.add_one();
            return Err(match rules.is_known(&visitor.who, now_ms) {
                true => Denied::NotOwner.into(),
                false => ApiError::NOT_KNOWN,
            });
        }
        Ok(Shared {
            item: target.into(),
            owner: None,
        })
    }
}

/// What stands before the last segment, if that is `last`.
fn before<'p>(path: &'p str, last: &str) -> Option<&'p str> {
    let before = path.strip_suffix(last)?;
    before
        .strip_suffix('/')
        .or_else(|| before.is_empty().then_some(before))
}

/// The same, if there is one more segment: a number.
fn numbered<'p>(path: &'p str, last: &str) -> Option<(&'p str, i64)> {
    let (path, id) = path.rsplit_once('/')?;
    Some((before(path, last)?, id.parse().ok()?))
}

fn folder_path(uri: &Uri) -> &str {
    uri.path().strip_prefix("/api/folders/").unwrap_or_default()
}

fn json_of<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, ApiError> {
    let body = body.map_err(|_| ApiError::BODY_TOO_LARGE)?;
    if body.len() > MAX_BODY {
        return Err(ApiError::BODY_TOO_LARGE);
    }
    accounts::body(Json::from_bytes(&body))
}

/// The name and the number in `{name}/links/{id}`.
pub fn link_of(rest: &str) -> Option<(&str, i64)> {
    numbered(rest, "links").filter(|(name, _)| !name.is_empty())
}

/// `GET /api/folders/{path}/sharing`
async fn folder_read(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let path = before(folder_path(&uri), "sharing").ok_or(ApiError::NOT_FOUND)?;
    read(&app, &visitor, Of::Folder(path)).await
}

/// `PUT /api/folders/{path}/sharing`
async fn folder_give(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let path = before(folder_path(&uri), "sharing").ok_or(ApiError::NOT_FOUND)?;
    give(&app, &visitor, Of::Folder(path), body).await
}

/// `POST /api/folders/{path}/links`
async fn folder_link(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let path = before(folder_path(&uri), "links").ok_or(ApiError::NOT_FOUND)?;
    link(&app, &visitor, Of::Folder(path), body).await
}

/// `DELETE /api/folders/{path}/links/{id}`
async fn folder_unlink(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<StatusCode, ApiError> {
    let (path, id) = numbered(folder_path(&uri), "links").ok_or(ApiError::NOT_FOUND)?;
    unlink(&app, &visitor, Of::Folder(path), id).await
}

/// `GET …/sharing`
pub async fn read(app: &Arc<App>, visitor: &Visitor, of: Of<'_>) -> Result<Response, ApiError> {
    told(app, visitor, of.shared(app, visitor).await?).await
}

async fn told(app: &Arc<App>, visitor: &Visitor, shared: Shared) -> Result<Response, ApiError> {
    let (rules, who) = (app.gate.rules(), visitor.who.clone());
    let told = with(app, move |accounts, now_ms| {
        let owns = |folder: &Target| rules.owns_all(&who, folder, now_ms);
        let mut told = sharing(accounts, &rules, &shared, owns)?;
        let is_document = shared.known().is_some();
        told["may_hand_over"] =
            (is_document && rules.may_hand_over(&who, shared.owner, now_ms)).into();
        Ok(told)
    });
    Ok(answer(told.await?))
}

/// Everything that was given of a target, and who has it by something that it is in.
fn sharing(
    accounts: &Accounts,
    rules: &Rules,
    shared: &Shared,
    owns: impl Fn(&Target) -> bool,
) -> Result<Value, AccountsError> {
    let groups = accounts.groups()?;
    let owner = shared.owner.and_then(|id| rules.people.get(&id));
    let owner = owner.map(|person| json!({ "login": person.login, "name": person.name }));
    let grants = accounts.grants(&shared.item)?;
    let grants: Vec<Value> = grants
        .iter()
        .map(|grant| given(grant, rules, &groups))
        .collect();
    let (mut inherited, mut inherited_links) = (Vec::new(), Vec::new());
    for above in shared.item.target.above() {
        let folder = match &above {
            Target::Folder(folder) => folder.as_str(),
            Target::Everything | Target::Document(_) => "",
        };
        for grant in accounts.grants(&above.clone().into())? {
            let mut given = given(&grant, rules, &groups);
            given["folder"] = folder.into();
            inherited.push(given);
        }
        for link in accounts.links(&above.clone().into())? {
            let mut linked = linked(&link, rules, shared);
            linked["folder"] = folder.into();
            linked["may_revoke"] = owns(&above).into();
            inherited_links.push(linked);
        }
    }
    let links = accounts.links(&shared.item)?;
    let links: Vec<Value> = links
        .iter()
        .map(|link| linked(link, rules, shared))
        .collect();
    Ok(json!({
        "owner": owner,
        "grants": grants,
        "links": links,
        "inherited": inherited,
        "inherited_links": inherited_links,
    }))
}

fn given(grant: &Grant, rules: &Rules, groups: &[Group]) -> Value {
    let mut given = match grant.subject {
        Subject::Everyone => json!({ "everyone": true }),
        Subject::Person(id) => {
            let person = rules.people.get(&id);
            let login = person.map(|person| &person.login);
            json!({ "person": login, "name": person.map(|person| &person.name) })
        }
        Subject::Group(id) => {
            let group = groups.iter().find(|group| group.id == id);
            json!({ "group": group.map(|group| &group.name) })
        }
    };
    given["access"] = grant.access.as_str().into();
    given
}

fn linked(link: &LinkEntry, rules: &Rules, shared: &Shared) -> Value {
    let maker = link.made_by.and_then(|id| rules.people.get(&id));
    let maker = maker.map(|person| json!({ "login": person.login, "name": person.name }));
    json!({
        "id": link.id.0,
        "access": link.access,
        "has_password": link.has_password,
        "made_at": link.made_at_ms,
        "expires_at": link.expires_at_ms,
        "made_by": maker,
        "is_backed": rules.is_backed(link.made_by, &link.item.target, shared.known().as_ref()),
    })
}

/// What can be given.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    None,
    Read,
    Edit,
    Own,
}

impl From<Given> for Access {
    fn from(given: Given) -> Self {
        match given {
            Given::None => Self::None,
            Given::Read => Self::Read,
            Given::Edit => Self::Edit,
            Given::Own => Self::Own,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Giving {
    person: Option<String>,
    group: Option<String>,
    #[serde(default)]
    everyone: bool,
    access: Option<Given>,
    owner: Option<String>,
}

impl Giving {
    /// Whose it is to be, if that alone is asked for.
    fn owner(&self) -> Option<&str> {
        match self {
            Self {
                person: None,
                group: None,
                everyone: false,
                access: None,
                owner: Some(login),
            } => Some(login),
            _ => None,
        }
    }
}

/// Whom somebody has named.
enum Named {
    Person(String),
    Group(String),
    Everyone,
}

impl Named {
    fn subject(self, accounts: &Accounts) -> Result<Subject, AccountsError> {
        Ok(match self {
            Self::Everyone => Subject::Everyone,
            Self::Person(login) => {
                let person = accounts.person_by_login(&login)?;
                Subject::Person(person.ok_or(Refusal::Missing("person"))?.id)
            }
            Self::Group(name) => {
                let groups = accounts.groups()?;
                let group = groups.into_iter().find(|group| group.name == name);
                Subject::Group(group.ok_or(Refusal::Missing("group"))?.id)
            }
        })
    }
}

/// `PUT …/sharing`
pub async fn give(
    app: &Arc<App>,
    visitor: &Visitor,
    of: Of<'_>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let mut shared = of.shared(app, visitor).await?;
    let giving: Giving = json_of(body)?;
    if let (Some(to), Target::Document(name)) = (giving.owner(), &shared.item.target) {
        shared.owner = Some(owned::hand_over(app, visitor, name, to).await?);
        return told(app, visitor, shared).await;
    }
    let (named, access) = match giving {
        Giving {
            person: Some(login),
            group: None,
            everyone: false,
            access: Some(access),
            owner: None,
        } => (Named::Person(login), access),
        Giving {
            person: None,
            group: Some(name),
            everyone: false,
            access: Some(access),
            owner: None,
        } => (Named::Group(name), access),
        Giving {
            person: None,
            group: None,
            everyone: true,
            access: Some(access),
            owner: None,
        } => (Named::Everyone, access),
        _ => {
            let one = "one of person, group and everyone says to whom, and access what; of a document, owner alone whose it is";
            return Err(ApiError::bad("bad_body", one));
        }
    };
    let actor = sharer(app, visitor, &shared)?;
    let access = access.into();
    let shared = with(app, move |accounts, now_ms| {
        let subject = named.subject(accounts)?;
        accounts.set_grant(&shared.item, subject, access, &actor, now_ms)?;
        Ok(shared)
    });
    let shared = shared.await.map_err(ApiError::or_no_subject)?;
    told(app, visitor, shared).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Linking {
    access: Given,
    days: Option<u32>,
    password: Option<String>,
}

/// `POST …/links`
pub async fn link(
    app: &Arc<App>,
    visitor: &Visitor,
    of: Of<'_>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let shared = of.shared(app, visitor).await?;
    let Linking {
        access,
        days,
        password,
    } = json_of(body)?;
    let actor = sharer(app, visitor, &shared)?;
    let has_password = password.is_some();
    let make = move |accounts: &Accounts, now_ms: i64| {
        let link = NewLink {
            item: &shared.item,
            access: access.into(),
            expires_at_ms: days.map(|days| ends(days, now_ms)),
            password: password.as_deref(),
        };
        accounts.create_link(&link, &actor, now_ms)
    };
    let (id, secret) = match has_password {
        true => with_password(app, visitor, make).await?,
        false => with(app, make).await?,
    };
    let made = json!({ "id": id.0, "url": format!("/s#{}", secret.expose()) });
    Ok((StatusCode::CREATED, answer(made)).into_response())
}

/// `DELETE …/links/{id}`
pub async fn unlink(
    app: &Arc<App>,
    visitor: &Visitor,
    of: Of<'_>,
    id: i64,
) -> Result<StatusCode, ApiError> {
    let shared = of.shared(app, visitor).await?;
    let actor = sharer(app, visitor, &shared)?;
    let id = LinkId(id);
    let revoked = with(app, move |accounts, now_ms| {
        let link = accounts.link(id)?;
        if link.is_none_or(|link| link.item != shared.item) {
            return Err(Refusal::Missing("link").into());
        }
        accounts.revoke_link(id, &actor, now_ms)
    });
    revoked.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes back what was given of a document that has just been deleted.
pub async fn forget(
    app: &Arc<App>,
    by: Actor,
    id: DocumentId,
    name: &DocumentName,
) -> Result<(), ApiError> {
    if app.gate.rules().is_open {
        return Ok(());
    }
    let name = name.clone();
    let forgotten = with(app, move |accounts, now_ms| {
        accounts.forget_document(id, &name, Action::Deleted, &by, now_ms)
    });
    forgotten.await.map_err(|_| ApiError::NOT_FORGOTTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segments_say_what_of_a_folder() {
        assert_eq!(before("sharing", "sharing"), Some(""));
        assert_eq!(before("a/b/sharing", "sharing"), Some("a/b"));
        assert_eq!(before("sharing/sharing", "sharing"), Some("sharing"));
        for none in ["", "a", "asharing", "a/sharing/", "a/sharing/b"] {
            assert_eq!(before(none, "sharing"), None, "{none}");
        }
        assert_eq!(numbered("links/7", "links"), Some(("", 7)));
        assert_eq!(numbered("a/b/links/7", "links"), Some(("a/b", 7)));
        for none in ["links", "a/links/x", "7", "a/links", "alinks/7"] {
            assert_eq!(numbered(none, "links"), None, "{none}");
        }
        assert_eq!(link_of("a/links/7"), Some(("a", 7)));
        assert_eq!(link_of("links/7"), None);
    }
}
