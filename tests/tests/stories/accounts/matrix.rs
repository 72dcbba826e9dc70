//! Every route of the API and everybody who may ask: who is let in follows from one table.

use std::collections::BTreeSet;

use ropewalk_tests::account::{Browser, secret, write_accounts};
use ropewalk_tests::{Request, until};
use serde_json::{Value, json};

use super::embedded::{embedding, signed};
use super::routes::Access::{self, Edit, Own, Read};
use super::routes::Need::{self, Admin, Document, Folder, Known, Nothing, Session, Whole};
use super::routes::{HEALTH, RULES, YSWEET};

/// Refusals that say who may: all others say that something else is wrong.
const DENIALS: [&str; 7] = [
    "sign_in",
    "bad_token",
    "not_allowed",
    "read_only",
    "not_owner",
    "not_admin",
    "limited_token",
];

/// Somebody, and what they may do.
pub struct Role {
    pub what: &'static str,
    pub browser: Browser,
    pub document: Access,
    has: &'static [Need],
    /// What it brings along is an error of its own.
    is_wrong: bool,
}

impl Role {
    fn new(what: &'static str, browser: Browser, document: Access, has: &'static [Need]) -> Self {
        Self {
            what,
            browser,
            document,
            has,
            is_wrong: false,
        }
    }

    pub fn may(&self, need: Need) -> bool {
        if self.is_wrong {
            return false;
        }
        match need {
            Nothing => true,
            Document(access) => self.document >= access,
            need => self.has.contains(&need),
        }
    }
}

pub const NAME: &str = "team/notes";

/// Everybody there is.
pub async fn roles(server: &ropewalk_tests::Ropewalk, mut ada: Browser) -> Vec<Role> {
    let person: &[Need] = &[Known, Whole, Session];
    ada.invite(server, "bystander").await;
    let mut owner = ada.invite(server, "owner").await;
    owner.create(NAME, "text").await;
    let reader = ada.invite(server, "reader").await;
    let commenter = ada.invite(server, "commenter").await;
    let editor = ada.invite(server, "editor").await;
    let stranger = ada.invite(server, "stranger").await;
    let landlord = ada.invite(server, "landlord").await;
    let mut disabled = ada.invite(server, "disabled").await;
    let expired = ada.invite(server, "expired").await;
    owner.share(NAME, "reader", "read").await;
    // Nobody can be given that yet.
    owner.share(NAME, "commenter", "read").await;
    let of = "person_id = (SELECT id FROM people WHERE login = 'commenter')";
    write_accounts(
        server,
        &format!("UPDATE grants SET access = 'comment' WHERE {of}"),
    );
    owner.share(NAME, "editor", "edit").await;
    owner.share(NAME, "disabled", "own").await;
    owner.share(NAME, "expired", "own").await;
    let own = json!({ "person": "landlord", "access": "own" });
    ada.done("PUT", "/api/folders/team/sharing", own).await;
    let (_, link) = owner.make_link(NAME, "read").await;
    let mut guest = Browser::of(server);
    guest
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    let script = |token: &str| Browser::script(server, token);
    let (_, link_to_edit) = owner.make_link(NAME, "edit").await;
    let (late, late_link) = owner.make_link(NAME, "edit").await;
    let (revoked, revoked_link) = owner.make_link(NAME, "edit").await;
    let links = format!("/api/documents/{NAME}/links");
    let locked = json!({ "access": "edit", "password": "coir and sisal" });
    let locked = secret(&owner.done("POST", &links, locked).await["url"]);
    let mut guests = Vec::new();
    for link in [&link_to_edit, &late_link, &revoked_link] {
        let mut guest = Browser::of(server);
        guest
            .done("POST", "/api/follow", json!({ "link": link }))
            .await;
        guests.push(guest);
    }
    let [editing_guest, late_guest, revoked_guest] = guests.try_into().unwrap();
    let mut waiting = Browser::of(server);
    waiting
        .fail("POST", "/api/follow", json!({ "link": locked }))
        .await;
    write_accounts(
        server,
        &format!("UPDATE links SET expires_at_ms = 1 WHERE id = {late}"),
    );
    owner
        .done("DELETE", &format!("{links}/{revoked}"), Value::Null)
        .await;
    let auth = format!("/doc/{NAME}/auth");
    let of_server = owner.done("POST", &auth, json!({})).await;
    let of_server = of_server["token"].as_str().unwrap().to_owned();
    let document = |doc, access, seconds| script(&signed("Zoe", doc, access, seconds));
    let (_, of_disabled) = disabled.make_token("own", "*").await;
    let (_, reads) = owner.make_token("read", NAME).await;
    let (_, edits) = owner.make_token("edit", "*").await;
    let (_, owns_folder) = ada.make_token("own", "team/*").await;
    let (_, elsewhere) = ada.make_token("own", "other").await;
    let (_, owns) = owner.make_token("own", "*").await;
    let (_, looks_after) = ada.make_token("own", "*").await;
    let (id, taken_back) = owner.make_token("own", "*").await;
    owner
        .done("DELETE", &format!("/api/tokens/{id}"), Value::Null)
        .await;
    let (id, ended) = owner.make_token("own", "*").await;
    write_accounts(
        server,
        &format!("UPDATE tokens SET expires_at_ms = 1 WHERE id = {id}"),
    );
    ada.done(
        "PATCH",
        "/api/people/disabled",
        json!({ "is_disabled": true }),
    )
    .await;
    let of = "person_id = (SELECT id FROM people WHERE login = 'expired')";
    write_accounts(
        server,
        &format!("UPDATE sessions SET expires_at_ms = 1 WHERE {of}"),
    );
    // It is looked at four times a second whether another process has changed the accounts.
    until("the session has ended", || async {
        (expired.clone().state().await == "signed_out").then_some(())
    })
    .await;
    let wrong = |what, browser| Role {
        is_wrong: true,
        ..Role::new(what, browser, Access::None, &[])
    };
    let all = "rwt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    vec![
        Role::new("nobody", Browser::of(server), Access::None, &[]),
        wrong("a wrong token", script(all)),
        wrong("no token at all", script("x")),
        wrong("an expired token", script(&ended)),
        wrong("a revoked token", script(&taken_back)),
        Role::new("an expired session", expired, Access::None, &[]),
        Role::new("a disabled person", disabled, Access::None, &[]),
        Role::new(
            "a token of a disabled person",
            script(&of_disabled),
            Access::None,
            &[],
        ),
        Role::new("a guest", guest, Read, &[Known]),
        Role::new("a script with a link", script(&link), Read, &[Known]),
        Role::new("a guest to edit", editing_guest, Edit, &[Known]),
        Role::new(
            "a script with a link to edit",
            script(&link_to_edit),
            Edit,
            &[Known],
        ),
        Role::new(
            "a guest whose link has ended",
            late_guest,
            Access::None,
            &[],
        ),
        Role::new(
            "a guest whose link is revoked",
            revoked_guest,
            Access::None,
            &[],
        ),
        Role::new("a guest without the password", waiting, Access::None, &[]),
        wrong("a link that has ended", script(&late_link)),
        wrong("a link that is revoked", script(&revoked_link)),
        Role::new(
            "a script with a link that waits for its password",
            script(&locked),
            Access::None,
            &[],
        ),
        Role::new(
            "a document token to read",
            document(NAME, "read", 600),
            Read,
            &[Known],
        ),
        Role::new(
            "a document token for the folder",
            document("team/*", "edit", 600),
            Edit,
            &[Known],
        ),
        Role::new(
            "a document token of the server",
            script(&of_server),
            Edit,
            &[Known],
        ),
        Role::new(
            "a document token for something else",
            document("notes/*", "edit", 600),
            Access::None,
            &[Known],
        ),
        wrong("an expired document token", document(NAME, "edit", -60)),
        Role::new("a stranger", stranger, Access::None, person),
        Role::new("a reader", reader, Read, person),
        Role::new("somebody who may comment", commenter, Read, person),
        Role::new("an editor", editor, Edit, person),
        Role::new("the owner", owner, Own, person),
        Role::new(
            "the owner of the folder",
            landlord,
            Own,
            &[Known, Whole, Session, Folder],
        ),
        Role::new("a token to read", script(&reads), Read, &[Known]),
        Role::new("a token to edit", script(&edits), Edit, &[Known]),
        Role::new(
            "a token of an administrator for the folder",
            script(&owns_folder),
            Own,
            &[Known, Folder],
        ),
        Role::new(
            "a token of an administrator for something else",
            script(&elsewhere),
            Access::None,
            &[Known],
        ),
        Role::new(
            "a token for everything",
            script(&owns),
            Own,
            &[Known, Whole],
        ),
        Role::new(
            "a token for everything of an administrator",
            script(&looks_after),
            Own,
            &[Known, Whole, Folder, Admin],
        ),
        Role::new(
            "an administrator",
            ada,
            Own,
            &[Known, Whole, Session, Folder, Admin],
        ),
    ]
}

/// A request of a route, about a document of this name.
pub fn request(name: &str, method: &str, path: &str, body: &str) -> Request {
    let target = path
        .replace("{name}", name)
        .replace("{path}", "team")
        .replace("{id}", "123456")
        .replace("{login}", "nobody");
    let mut request = Request::new(method, &target);
    if (method, path) == ("DELETE", "/api/documents/{name}") {
        request = request.header("if-match", "\"1-1-1.1\"");
    }
    if body.starts_with('{') {
        request = request.header("content-type", "application/json");
    }
    match body {
        "" => request,
        body => request.body(body),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_let_in_where_the_table_says_so_and_nowhere_else() {
    let (server, mut ada, _keys) = embedding().await;
    let described = ada.done("GET", "/api/openapi.json", Value::Null).await;
    let mut routes = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let methods = methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters");
        routes.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
    }
    let rules = RULES.iter().map(|(method, path, ..)| {
        let path = path.split('?').next().unwrap();
        (method.to_string(), path.to_owned())
    });
    assert_eq!(
        routes,
        rules.collect(),
        "each route has a rule, and each rule a route"
    );

    let mut roles = roles(&server, ada).await;
    let mut wrong = Vec::new();
    // Those at the end of the rules end sessions.
    for (method, path, need, body) in HEALTH.iter().chain(YSWEET).chain(RULES) {
        for (number, role) in roles.iter_mut().enumerate() {
            // Each tries another login: those of one are counted.
            let body = body.replace("nobody", &format!("nobody{number}"));
            let request = request(NAME, method, path, &body);
            let (status, is_denied, said) = if path.ends_with("/changes") {
                // Whoever may follow it hears no end.
                let status = role.browser.dress(request).status(server.address).await;
                (status, matches!(status, 401 | 403), String::new())
            } else {
                let response = role.browser.send(request).await;
                let code = match response.status {
                    400.. => response.code(),
                    _ => String::new(),
                };
                (response.status, DENIALS.contains(&&*code), code)
            };
            let is_fine = !matches!(status, 405 | 426 | 429 | 500..);
            if is_denied == role.may(*need) || !is_fine || is_denied && !matches!(status, 401 | 403)
            {
                wrong.push(format!(
                    "{} of {method} {path}, which needs {need:?}: {status} {said}",
                    role.what
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
