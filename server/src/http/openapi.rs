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

    #[test]
    fn every_part_of_a_document_and_nothing_else_is_described() {
        let mut expected = BTreeSet::new();
        let mut expect = |method: &str, path: &str| {
            expected.insert((format!("/api/{path}"), method.to_owned()));
        };
        expect("GET", "openapi.json");
        expect("GET", "documents");
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
        assert_eq!(described(), expected);
    }

    #[test]
    fn every_route_of_the_api_is_described() {
        let paths: BTreeSet<String> = described().into_iter().map(|(path, _)| path).collect();
        let routes = include_str!("../http.rs").split("\"/api/").skip(1);
        let routes: Vec<&str> = routes.map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(routes.len(), 3);
        for route in routes {
            let path = format!("/api/{}", route.replace("{*name}", "{name}"));
            assert!(paths.contains(&path), "{path}");
        }
    }
}
