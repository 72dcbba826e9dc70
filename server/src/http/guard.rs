//! Who may ask at all, by the headers that browsers set and pages cannot: `Host` and `Origin`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::identity::is_secure;
use crate::App;
use crate::config::Config;

/// Refuses a foreign `Host` on a loopback server (DNS rebinding) and a foreign `Origin` everywhere (cross-site
/// sockets and requests). A client that is not a browser sends no `Origin` and passes. Where pages are over TLS, one of plain HTTP is
/// foreign, too: anybody on the way can have written it.
pub async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if app.stopping.is_cancelled() && request.uri().path().starts_with("/api/") {
        return ApiError::SHUTTING_DOWN.into_response();
    }
    let config = &app.config;
    let refused = if !host_allowed(config, headers, app.gate.rules().is_open) {
        Some(ApiError::HOST)
    } else {
        match origin(config, headers) {
            Origin::Own { is_plain: true } if is_secure(config, &request) => {
                Some(match config.is_over_tls() {
                    true => ApiError::other_address(&config.public_url),
                    false => ApiError::ORIGIN,
                })
            }
            Origin::Own { .. } | Origin::Allowed => None,
            Origin::Foreign => Some(ApiError::ORIGIN),
        }
    };
    match refused {
        None => next.run(request).await,
        Some(error) => {
            app.metrics.refused_origin.add_one();
            error.into_response()
        }
    }
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host: Authority = hosts.next()?.to_str().ok()?.parse().ok()?;
    if host.as_str().contains('@') {
        return None;
    }
    hosts.next().is_none().then_some(host)
}

fn host_allowed(config: &Config, headers: &HeaderMap, is_open: bool) -> bool {
    let Some(host) = host(headers) else {
        return false;
    };
    let name = host.host();
    if config
        .allow_host
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
    {
        return true;
    }
    if !config.listen.ip().is_loopback() {
        // Without accounts nothing but the name keeps a page of another site away.
        return config.allow_host.is_empty() && (!is_open || is_local(name));
    }
    is_loopback(name)
}

/// Whether nobody but who runs the network can make the name lead anywhere: an address, or a name that cannot be registered.
fn is_local(name: &str) -> bool {
    const LOCAL: [&str; 6] = [
        ".local",
        ".lan",
        ".internal",
        ".home.arpa",
        ".localhost",
        ".test",
    ];
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let lower = name.to_ascii_lowercase();
    let lower = lower.trim_end_matches('.');
    !lower.contains('.')
        || bare.parse::<IpAddr>().is_ok()
        || LOCAL.iter().any(|end| lower.ends_with(end))
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let lower = name.to_ascii_lowercase();
    lower == "localhost"
        || lower.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What the page is that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// No page, or one that the settings name.
    Allowed,
    /// One of this server, over plain HTTP or not.
    Own { is_plain: bool },
    /// Any other.
    Foreign,
}

fn origin(config: &Config, headers: &HeaderMap) -> Origin {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Origin::Allowed;
    };
    let origin = origin.to_str().unwrap_or_default();
    if origins.next().is_some() {
        return Origin::Foreign;
    }
    let mut allowed = config.allow_origin.iter();
    if allowed.any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return Origin::Allowed;
    }
    let own = || {
        let origin: Uri = origin.parse().ok()?;
        let (is_plain, default_port) = match origin.scheme_str()? {
            "http" => (true, 80),
            "https" => (false, 443),
            _ => return None,
        };
        let (origin, host) = (origin.authority()?, host(headers)?);
        let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
        let is_own = origin.host().eq_ignore_ascii_case(host.host()) && port(origin) == port(&host);
        is_own.then_some(Origin::Own { is_plain })
    };
    own().unwrap_or(Origin::Foreign)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_loopback_server_answers_to_loopback_names_only() {
        let config = Config::default();
        for name in [
            "localhost",
            "localhost:4880",
            "127.0.0.1:1",
            "[::1]:4880",
            "a.localhost",
            "127.8.8.8",
        ] {
            assert!(
                host_allowed(&config, &headers(&[(header::HOST, name)]), true),
                "{name}"
            );
        }
        for name in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "evil@localhost:4880",
        ] {
            assert!(
                !host_allowed(&config, &headers(&[(header::HOST, name)]), true),
                "{name}"
            );
        }
        assert!(!host_allowed(&config, &headers(&[]), true));
        let twice = headers(&[(header::HOST, "localhost"), (header::HOST, "localhost")]);
        assert!(!host_allowed(&config, &twice, true));
    }

    #[test]
    fn an_open_server_answers_to_names_that_nobody_can_register() {
        let mut config = Config {
            listen: ([0, 0, 0, 0], 80).into(),
            ..Config::default()
        };
        let allowed = |config: &Config, name, is_open| {
            host_allowed(config, &headers(&[(header::HOST, name)]), is_open)
        };
        for name in [
            "10.0.0.1:80",
            "[fe80::1]",
            "nas",
            "NAS.local",
            "a.lan.",
            "localhost",
        ] {
            assert!(allowed(&config, name, true), "{name}");
        }
        for name in [
            "evil.example",
            "10.0.0.1.evil.example",
            "nas.local.evil.example",
            "evil.example.",
        ] {
            assert!(!allowed(&config, name, true), "{name}");
            assert!(allowed(&config, name, false), "accounts keep others away");
        }
        config.allow_host = vec!["write.example.org".into()];
        assert!(allowed(&config, "write.example.org", true) && !allowed(&config, "nas", true));
    }

    #[test]
    fn an_origin_is_the_host_or_configured() {
        let config = Config {
            allow_origin: vec!["https://app.example".into()],
            ..Config::default()
        };
        let of = |name: &str| {
            let pairs = [(header::HOST, "localhost:4880"), (header::ORIGIN, name)];
            origin(&config, &headers(&pairs))
        };
        let own = |is_plain| Origin::Own { is_plain };
        assert_eq!(of("http://localhost:4880"), own(true));
        assert_eq!(of("https://localhost:4880"), own(false));
        assert_eq!(of("https://app.example"), Origin::Allowed);
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:4881",
            "http://localhost",
            "http://localhost:4880.evil.example",
            "http://localhost.evil.example:4880",
            "https://app.example.evil.example",
            "file://localhost:4880",
        ] {
            assert_eq!(of(origin), Origin::Foreign, "{origin}");
        }
        let none = headers(&[(header::HOST, "localhost:4880")]);
        assert_eq!(origin(&config, &none), Origin::Allowed);
    }
}
