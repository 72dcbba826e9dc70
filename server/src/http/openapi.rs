//! What the API looks like, for programs: `openapi.json` beside this file, written by hand.

use axum::http::header;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /api/openapi.json`
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn described() -> BTreeSet<(String, String)> {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let each = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            let methods = methods.filter(|key| *key != "parameters");
            methods.map(|method| (path.clone(), method.to_uppercase()))
        });
        each.collect()
    }

    /// The last segments that a source file tells apart.
    fn parts(source: &str) -> Vec<&str> {
        let found = source.split("Some((name, \"").skip(1);
        found.map(|rest| rest.split('"').next().unwrap()).collect()
    }

    /// The sources of everything that comes over HTTP, without their tests.
    fn sources() -> Vec<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut all) = (vec![source.join("http")], vec![source.join("http.rs")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => all.push(path),
                }
            }
        }
        all.retain(|path| path.extension().is_some_and(|kind| kind == "rs"));
        let read = |path| fs::read_to_string(path).unwrap();
        let code = |text: String| text.split("#[cfg(test)]").next().unwrap().to_owned();
        all.into_iter().map(read).map(code).collect()
    }

    #[test]
    fn every_part_of_a_document_and_nothing_else_is_described() {
        let mut expected = BTreeSet::new();
        let mut parted = BTreeSet::new();
        for source in sources() {
            for (path, method) in routes(&source) {
                match path.split_once("/{*") {
                    _ if !path.starts_with("/api/") => false,
                    Some((before, _)) => parted.insert(before.to_owned()),
                    None => expected.insert((path, method)),
                };
            }
        }
        // What of them there is follows.
        assert_eq!(
            parted,
            BTreeSet::from(["/api/documents".to_owned(), "/api/folders".to_owned()])
        );
        let mut expect = |method: &str, path: &str| {
            expected.insert((format!("/api/{path}"), method.to_owned()));
        };
        for method in ["GET", "PUT", "DELETE"] {
            expect(method, "documents/{name}");
        }
        for method in ["GET", "DELETE"] {
            expect(method, "documents/{name}/strays/{id}");
        }
        for part in parts(include_str!("api.rs")) {
            expect("GET", &format!("documents/{{name}}/{part}"));
        }
        for part in parts(include_str!("api/edit.rs")) {
            let method = if part == "append" { "POST" } else { "PATCH" };
            expect(method, &format!("documents/{{name}}/{part}"));
        }
        for shared in ["documents/{name}", "folders/{path}", "folders"] {
            expect("GET", &format!("{shared}/sharing"));
            expect("PUT", &format!("{shared}/sharing"));
            expect("POST", &format!("{shared}/links"));
            expect("DELETE", &format!("{shared}/links/{{id}}"));
        }
        assert_eq!(described(), expected);
    }

    /// The routes that a source file has, each with its methods.
    fn routes(source: &str) -> Vec<(String, String)> {
        let routes = source.split(".route(").skip(1).flat_map(|route| {
            let route = route.split("\n}").next().unwrap();
            let mut strings = route.split('"').skip(1);
            let (path, handlers) = (strings.next().unwrap(), strings.next().unwrap());
            let methods = ["get", "put", "post", "patch", "delete"];
            let has = |method: &&str| {
                let call = format!("{method}(");
                handlers.contains(&format!(" {call}")) || handlers.contains(&format!(".{call}"))
            };
            let methods = methods.into_iter().filter(has);
            methods.map(|method| (path.to_owned(), method.to_uppercase()))
        });
        routes.collect()
    }

    #[test]
    fn whoever_asks_can_find_out_how_to_show_who_they_are() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let schemes = document["components"]["securitySchemes"]
            .as_object()
            .unwrap();
        for asked in document["security"].as_array().unwrap() {
            assert!(
                asked
                    .as_object()
                    .unwrap()
                    .keys()
                    .all(|name| schemes.contains_key(name))
            );
        }
        let text = DOCUMENT.split("\"$ref\": \"#").skip(1);
        for reference in text.map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
