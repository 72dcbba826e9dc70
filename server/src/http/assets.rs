//! The page: files of `web/dist`, embedded and compressed when the server is built.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// A file of the page.
struct Asset {
    /// Where it is found, from the root.
    path: &'static str,
    /// Its media type.
    media_type: &'static str,
    /// Changes with its content.
    tag: &'static str,
    /// As it is.
    plain: &'static [u8],
    /// Compressed, where that makes it smaller.
    gzip: Option<&'static [u8]>,
    /// Compressed better, for browsers that ask over a safe line.
    brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The one page there is: it looks at its own URL.
pub async fn page(headers: HeaderMap) -> Response {
    answer("/index.html", &headers)
}

/// A file by its path. Who asks for a page where there is none gets the one that says so.
pub async fn file(method: Method, uri: Uri, mut headers: HeaderMap) -> Response {
    let found = answer(uri.path(), &headers);
    let reads = method == Method::GET || method == Method::HEAD;
    let html = text(&headers, &header::ACCEPT).contains("text/html");
    if found.status() != StatusCode::NOT_FOUND || !reads || !html || uri.path().starts_with("/api/")
    {
        return found;
    }
    // The browser may have the page already, but not as an answer to this.
    headers.remove(header::IF_NONE_MATCH);
    let mut page = answer("/index.html", &headers);
    *page.status_mut() = StatusCode::NOT_FOUND;
    page
}

/// The script of the page, which has another name with every change.
pub fn script() -> Option<&'static str> {
    let page = ASSETS.iter().find(|asset| asset.path == "/index.html")?;
    let (_, from) = std::str::from_utf8(page.plain)
        .ok()?
        .split_once("src=\"/assets/")?;
    Some(from.split_once('"')?.0)
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    let Ok(found) = ASSETS.binary_search_by(|asset| asset.path.cmp(path)) else {
        return ApiError::NOT_FOUND.into_response();
    };
    let asset = &ASSETS[found];
    // Hashed names never change their content.
    let caching = if path.starts_with("/assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let head = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, caching),
        (header::ETAG, asset.tag),
        (header::VARY, "accept-encoding"),
    ];
    if text(headers, &header::IF_NONE_MATCH) == asset.tag {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    let accepted = text(headers, &header::ACCEPT_ENCODING);
    let accepts = |coding: &str| {
        accepted.split(',').any(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next() == Some(coding) && parts.next() != Some("q=0")
        })
    };
    let (coding, body) = match (asset.brotli, asset.gzip) {
        (Some(body), _) if accepts("br") => (Some("br"), body),
        (_, Some(body)) if accepts("gzip") => (Some("gzip"), body),
        _ => (None, asset.plain),
    };
    let mut response = (head, body).into_response();
    if let Some(coding) = coding {
        let value = header::HeaderValue::from_static(coding);
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, value);
    }
    response
}
