//! Every route of the server, and what it asks of whoever uses it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a route asks of whoever uses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    Nothing,
    /// Anything that counts.
    Known,
    /// So much access to the document.
    Document(Access),
    /// To own the folder that the document is in.
    Folder,
    /// To be a person, and no limited token of theirs.
    Whole,
    /// The same in a browser.
    Session,
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Access {
    None,
    Read,
    Edit,
    Own,
}

use Access::{Edit, Own, Read};
use Need::{Admin, Document, Folder, Known, Nothing, Session, Whole};

/// All routes of `openapi.json`. Requests change nothing that others here count on; those at the end change who asks.
pub const RULES: &[(&str, &str, Need, &str)] = &[
    ("GET", "/api/openapi.json", Nothing, ""),
    ("GET", "/api/documents", Known, ""),
    ("GET", "/api/documents/{name}", Document(Read), ""),
    ("PUT", "/api/documents/{name}", Document(Edit), "text"),
    // It is at no such version.
    ("DELETE", "/api/documents/{name}", Document(Own), ""),
    ("GET", "/api/documents/{name}/text", Document(Read), ""),
    (
        "PATCH",
        "/api/documents/{name}/text",
        Document(Edit),
        r#"{"find":"not there","replace":"","count":0}"#,
    ),
    ("POST", "/api/documents/{name}/append", Document(Edit), "x"),
    ("GET", "/api/documents/{name}/changes", Document(Read), ""),
    ("GET", "/api/documents/{name}/content", Document(Read), ""),
    ("GET", "/api/documents/{name}/authors", Document(Read), ""),
    ("GET", "/api/documents/{name}/strays", Document(Read), ""),
    (
        "GET",
        "/api/documents/{name}/strays/{id}",
        Document(Read),
        "",
    ),
    (
        "DELETE",
        "/api/documents/{name}/strays/{id}",
        Document(Edit),
        "",
    ),
    ("GET", "/api/documents/{name}/sharing", Document(Own), ""),
    (
        "PUT",
        "/api/documents/{name}/sharing",
        Document(Own),
        r#"{"person":"bystander","access":"none"}"#,
    ),
    (
        "POST",
        "/api/documents/{name}/links",
        Document(Own),
        r#"{"access":"read"}"#,
    ),
    (
        "DELETE",
        "/api/documents/{name}/links/{id}",
        Document(Own),
        "",
    ),
    ("GET", "/api/folders/{path}/sharing", Folder, ""),
    (
        "PUT",
        "/api/folders/{path}/sharing",
        Folder,
        r#"{"person":"bystander","access":"none"}"#,
    ),
    (
        "POST",
        "/api/folders/{path}/links",
        Folder,
        r#"{"access":"read"}"#,
    ),
    ("DELETE", "/api/folders/{path}/links/{id}", Folder, ""),
    ("GET", "/api/folders/sharing", Admin, ""),
    (
        "PUT",
        "/api/folders/sharing",
        Admin,
        r#"{"person":"bystander","access":"none"}"#,
    ),
    ("POST", "/api/folders/links", Admin, r#"{"access":"read"}"#),
    ("DELETE", "/api/folders/links/{id}", Admin, ""),
    ("GET", "/api/search?q=text", Known, ""),
    ("GET", "/api/trash", Known, ""),
    ("DELETE", "/api/trash", Known, ""),
    ("DELETE", "/api/trash/{id}", Known, ""),
    ("POST", "/api/trash/{id}/restore", Known, "{}"),
    ("GET", "/api/people", Whole, ""),
    ("PATCH", "/api/people/{login}", Admin, "{}"),
    ("POST", "/api/people/{login}/reset", Admin, ""),
    ("GET", "/api/people/{login}/sessions", Admin, ""),
    ("DELETE", "/api/people/{login}/sessions/{id}", Admin, ""),
    ("GET", "/api/people/{login}/tokens", Admin, ""),
    ("DELETE", "/api/people/{login}/tokens/{id}", Admin, ""),
    ("GET", "/api/people/{login}/links", Admin, ""),
    ("GET", "/api/people/{login}/documents", Admin, ""),
    (
        "POST",
        "/api/people/{login}/documents",
        Admin,
        r#"{"to":"bystander"}"#,
    ),
    ("DELETE", "/api/people/{login}/links/{id}", Admin, ""),
    ("GET", "/api/invitations", Admin, ""),
    ("POST", "/api/invitations", Admin, "{}"),
    ("DELETE", "/api/invitations/{id}", Admin, ""),
    ("GET", "/api/groups", Whole, ""),
    ("POST", "/api/groups", Admin, r#"{"name":"Somebody"}"#),
    ("PATCH", "/api/groups/{id}", Admin, r#"{"name":"Anybody"}"#),
    ("DELETE", "/api/groups/{id}", Admin, ""),
    ("PUT", "/api/groups/{id}/members/{login}", Admin, ""),
    ("DELETE", "/api/groups/{id}/members/{login}", Admin, ""),
    ("GET", "/api/tokens", Whole, ""),
    (
        "POST",
        "/api/tokens",
        Whole,
        r#"{"name":"x","access":"read","for":"*"}"#,
    ),
    ("DELETE", "/api/tokens/{id}", Whole, ""),
    ("GET", "/api/audit", Admin, ""),
    ("POST", "/api/audit.jsonl", Admin, ""),
    ("GET", "/api/admin/status", Admin, ""),
    ("GET", "/api/admin/connections", Admin, ""),
    ("GET", "/api/session", Nothing, ""),
    ("GET", "/api/sessions", Session, ""),
    ("DELETE", "/api/sessions/{id}", Session, ""),
    ("PUT", "/api/profile", Session, r#"{"name":"Other"}"#),
    (
        "PUT",
        "/api/password",
        Session,
        r#"{"old":"wrong","new":"seven other strands of hemp"}"#,
    ),
    ("GET", "/api/identity", Session, ""),
    ("POST", "/api/identity", Session, r#"{"password":"wrong"}"#),
    ("DELETE", "/api/identity", Session, ""),
    ("POST", "/api/oidc", Nothing, "{}"),
    ("GET", "/api/oidc/callback", Nothing, ""),
    ("POST", "/api/invitation", Nothing, r#"{"secret":"rwi_"}"#),
    (
        "POST",
        "/api/join",
        Nothing,
        r#"{"secret":"rwi_","password":"x"}"#,
    ),
    ("POST", "/api/follow", Nothing, r#"{"link":"rwl_"}"#),
    (
        "POST",
        "/api/session",
        Nothing,
        r#"{"login":"nobody","password":"x"}"#,
    ),
    ("DELETE", "/api/sessions", Session, ""),
    ("DELETE", "/api/session", Nothing, ""),
];

/// The same of the routes of y-sweet, which has a description of its own.
pub const YSWEET: &[(&str, &str, Need, &str)] = &[
    (
        "POST",
        "/doc/new",
        Document(Edit),
        r#"{"docId":"team/notes"}"#,
    ),
    ("POST", "/doc/{name}/auth", Document(Edit), "{}"),
    (
        "POST",
        "/doc/{name}/auth",
        Document(Read),
        r#"{"authorization":"read-only"}"#,
    ),
    ("GET", "/d/{name}/as-update", Document(Read), ""),
    // It is none.
    ("POST", "/d/{name}/update", Document(Edit), "x"),
    ("POST", "/check_store", Known, ""),
];

/// How the server does.
pub const HEALTH: &[(&str, &str, Need, &str)] = &[
    ("GET", "/healthz", Nothing, ""),
    ("GET", "/readyz", Nothing, ""),
    ("GET", "/ready", Nothing, ""),
    ("GET", "/metrics", Admin, ""),
];

/// Who may come in there, `frames` says.
const SOCKETS: [&str; 6] = [
    "/yjs",
    "/yjs/",
    "/yjs/{*name}",
    "/hocuspocus",
    "/hocuspocus/",
    "/text/{*name}",
];

/// The page itself, which is the same for everybody.
const PAGES: [&str; 10] = [
    "/",
    "/join",
    "/admin",
    "/in/{*folder}",
    "/recent",
    "/shared",
    "/trash",
    "/s",
    "/edit/",
    "/edit/{*name}",
];

/// A source without its tests.
fn code(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap()
}

/// All sources of the server below a folder.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push(code(&fs::read_to_string(path).unwrap()).to_owned());
        }
    }
}

/// What stands between the first parenthesis, which is open, and the one that closes it.
fn inside(rest: &str) -> &str {
    let mut depth = 1;
    let end = rest.find(|char| {
        depth += match char {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    &rest[..end.expect("it is closed")]
}

/// The routes of a source, each with its method.
fn routes(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for rest in source.split(".route(").skip(1) {
        let route = inside(rest);
        let (path, handlers) = route
            .trim_start()
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'))
            .unwrap_or_else(|| panic!("a route has its path in it: {route}"));
        let methods = [
            "any", "get", "put", "post", "patch", "delete", "head", "options",
        ];
        let has = |method: &&str| {
            handlers
                .match_indices(&format!("{method}("))
                .any(|(at, _)| {
                    let before = handlers[..at].chars().next_back();
                    before.is_none_or(|char| !char.is_alphanumeric() && char != '_')
                })
        };
        let methods: Vec<&str> = methods.into_iter().filter(has).collect();
        assert!(
            !methods.is_empty(),
            "a route has its methods in it: {route}"
        );
        let methods = methods.iter().map(|method| method.to_uppercase());
        found.extend(methods.map(|method| (method, path.to_owned())));
    }
    found
}

/// Whether a rule is about a route.
fn is_of(rule: &str, route: &str) -> bool {
    let rule = rule.split('?').next().unwrap();
    match route.split_once("{*") {
        Some((before, _)) => rule
            .strip_prefix(before)
            .is_some_and(|name| !name.is_empty()),
        None => rule == route,
    }
}

#[test]
fn no_route_is_without_a_rule() {
    let mut all = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src"),
        &mut all,
    );
    let mut found = BTreeSet::new();
    for source in &all {
        for other in [".nest(", "nest_service(", "route_service(", "MethodRouter"] {
            assert!(
                !source.contains(other),
                "routes are looked for by `.route(`, and not by {other}"
            );
        }
        found.extend(routes(source));
    }
    let rules = || [RULES, YSWEET, HEALTH].into_iter().flatten();
    let has_rule = |(method, route): &(String, String)| {
        rules().any(|(of, rule, ..)| of == method && is_of(rule, route))
    };
    let open = SOCKETS.map(|path| ("ANY", path)).into_iter();
    let open = open.chain(PAGES.map(|path| ("GET", path)));
    let open: BTreeSet<_> = open
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let (ruled, others): (BTreeSet<_>, BTreeSet<_>) = found.into_iter().partition(has_rule);
    assert_eq!(others, open, "what is not in the matrix is told of here");
    for (method, rule, ..) in rules() {
        let has_route = ruled
            .iter()
            .any(|(of, route)| of == method && is_of(rule, route));
        assert!(has_route, "{method} {rule}");
    }
}

#[test]
fn routes_are_found_in_the_source() {
    let source = r#"Router::new()
        .route("/a", get(budget))
        .route(
            "/b/{*c}",
            post(one).delete(get_all).layer(Limit::max(size(1))),
        )
        .merge(other(get(x)))"#;
    let pair = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    let expected = [
        pair("GET", "/a"),
        pair("POST", "/b/{*c}"),
        pair("DELETE", "/b/{*c}"),
    ];
    assert_eq!(routes(source), expected);
}
