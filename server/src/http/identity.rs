//! Who asks, and from where: by the cookie, the header or the parameter that comes along.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use super::attempts::network;
use super::error::ApiError;
use crate::App;
use crate::access::{Hash, PersonId, SessionId, Who};
use crate::accounts::{Accounts, AccountsError, Actor, Begin, Secret, Verified};
use crate::config::Config;
use crate::gate;
use crate::listen::Peer;

/// The cookie of a session.
const COOKIE: &str = "ropewalk";
/// Before its name over TLS: browsers take such a one only if it is secure and of this very host.
const HOST: &str = "__Host-";
/// How long a browser keeps the cookie, in seconds; the session ends before if it is not used.
pub const KEPT_S: u64 = 365 * 24 * 60 * 60;

/// Somebody who sends a request.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who they have shown to be.
    pub who: Arc<Who>,
    /// The hash of what their session is known by, if they have one.
    pub secret: Option<Hash>,
    /// Where they are.
    pub address: IpAddr,
    /// What their browser calls itself.
    pub agent: String,
    /// Whether their browser speaks TLS, with the proxy before us if not with us.
    is_secure: bool,
}

impl Visitor {
    /// Somebody who is not signed in, for the log.
    pub fn nobody(&self) -> Actor {
        Actor::nobody().at(self.address.to_string())
    }

    /// Begins a session of their browser, in the place of the one that it has: somebody's, or nobody's who came by a link.
    pub fn begin_session(
        &self,
        accounts: &Accounts,
        person: Option<PersonId>,
        now_ms: i64,
    ) -> Result<(SessionId, Secret), AccountsError> {
        self.begin(accounts, person, None, now_ms)
    }

    /// The same for somebody whose password was right, if it still is.
    pub fn begin_verified(
        &self,
        accounts: &Accounts,
        verified: &Verified,
        now_ms: i64,
    ) -> Result<(SessionId, Secret), AccountsError> {
        let kept = Some(verified.kept.as_str());
        self.begin(accounts, Some(verified.id), kept, now_ms)
    }

    fn begin(
        &self,
        accounts: &Accounts,
        person: Option<PersonId>,
        password: Option<&str>,
        now_ms: i64,
    ) -> Result<(SessionId, Secret), AccountsError> {
        // Of nobody it only says whose room it takes.
        let address = match person {
            Some(_) => self.address,
            None => network(self.address),
        };
        let begin = Begin {
            person,
            password,
            former: self.who.session,
            agent: &self.agent,
            address: Some(&address.to_string()),
        };
        accounts.begin_session(&begin, now_ms)
    }

    /// The header that makes their browser bring a session's secret along, or forget it.
    pub fn cookie(&self, secret: Option<&str>) -> (header::HeaderName, String) {
        let (value, age) = secret.map_or(("", 0), |secret| (secret, KEPT_S));
        self.named_cookie(COOKIE, value, age)
    }

    /// The same of another cookie, for so many seconds.
    pub fn named_cookie(&self, name: &str, value: &str, age: u64) -> (header::HeaderName, String) {
        let (host, secure) = match self.is_secure {
            true => (HOST, "; Secure"),
            false => ("", ""),
        };
        let cookie =
            format!("{host}{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        (header::SET_COOKIE, cookie)
    }

    /// What their browser has kept in a cookie.
    pub fn kept<'h>(&self, name: &str, headers: &'h HeaderMap) -> Option<&'h str> {
        let host = if self.is_secure { HOST } else { "" };
        let all = headers.get_all(header::COOKIE).iter();
        all.filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(found, value)| (found.strip_prefix(host)? == name).then_some(value))
    }
}

/// Refuses whoever would be signed in on a page of plain HTTP where all are over TLS: their browser would not keep the cookie.
pub fn keeps_cookies(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    match origin.is_some_and(|origin| origin.starts_with(b"http://")) && config.is_over_tls() {
        true => Err(ApiError::other_address(&config.public_url)),
        false => Ok(()),
    }
}

/// Puts who asks into the request. A token that opens nothing is an error, as whoever sends it counts on it; a cookie that does not is
/// none.
pub async fn identify(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if let Some(token) = brought(&request) {
        app.gate.prepare(&token, &app.metrics).await;
    }
    let visitor = match visitor(&app, &request) {
        Ok(visitor) => visitor,
        Err(error) => {
            app.metrics.refused_access.add_one();
            return error.into_response();
        }
    };
    note_use(&app, &visitor.who, visitor.secret);
    request.extensions_mut().insert(visitor.who.clone());
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Lets nobody pass who is nobody.
pub async fn known_only(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
    request: Request,
    next: Next,
) -> Response {
    match gate::knows(&app, &who) {
        Ok(()) => next.run(request).await,
        Err(denied) => ApiError::from(denied).into_response(),
    }
}

/// Has it written down that a session or a token is used; nobody waits for that.
fn note_use(app: &Arc<App>, who: &Arc<Who>, secret: Option<Hash>) {
    let now_ms = app.machine.now_ms();
    if !app.gate.is_used(who, secret, now_ms) {
        return;
    }
    let (app, who) = (app.clone(), who.clone());
    tokio::spawn(async move {
        let noting = {
            let app = app.clone();
            move || app.gate.note_use(&who, secret, now_ms)
        };
        if let Some(Err(error)) = app.machine.blocking(noting).await {
            app.metrics.accounts_failed.add_one();
            tracing::warn!(%error, "it is not written down that a session or a token was used");
        }
    });
}

fn visitor(app: &App, request: &Request) -> Result<Visitor, ApiError> {
    let headers = request.headers();
    let peer = peer(request);
    let agent = headers.get(header::USER_AGENT);
    let agent = agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let mut visitor = Visitor {
        who: Arc::default(),
        secret: None,
        address: address(&app.config, peer, headers),
        agent: agent.to_owned(),
        is_secure: is_secure(&app.config, request),
    };
    if app.gate.rules().is_open {
        return Ok(visitor);
    }
    let mut who = Who::default();
    if let Some(secret) = visitor.kept(COOKIE, headers)
        && is_own(request.method(), headers)
        && let Some(known) = app.gate.with_secret(&who, secret)
    {
        visitor.secret = known
            .session
            .and_then(|_| Secret::parse(secret))
            .map(|(_, hash)| hash);
        who = Who {
            session: known.session,
            ..who
        };
    }
    match (bearer(headers)?, brought(request)) {
        (Some(token), _) => who = with_token(app, &who, token).ok_or(ApiError::BAD_TOKEN)?,
        // A socket is told by its close code: its client could not read an answer.
        (None, Some(token)) => who = with_token(app, &who, &token).unwrap_or(who),
        (None, None) => {}
    }
    visitor.who = Arc::new(who);
    Ok(visitor)
}

fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0)
}

/// Whether whoever sends a request speaks TLS, as the settings say of all, or a proxy that is trusted of them.
pub fn is_secure(config: &Config, request: &Request) -> bool {
    let proto = request.headers().get("x-forwarded-proto");
    let is_https = proto.is_some_and(|proto| proto.as_bytes() == b"https");
    config.is_over_tls() || is_https && is_trusted(config, peer(request))
}

/// The token that a request brings along.
fn brought(request: &Request) -> Option<String> {
    let headers = request.headers();
    let parameter = || {
        let is_socket = headers.contains_key(header::SEC_WEBSOCKET_KEY);
        parameter(request.uri()).filter(|_| is_socket)
    };
    let bearer = bearer(headers).ok()?;
    bearer.map(str::to_owned).or_else(parameter)
}

/// Somebody who brings a token along, too: an API token, or that of a link. Nothing if it opens nothing.
fn with_token(app: &App, who: &Who, token: &str) -> Option<Who> {
    let known = app.gate.with_secret(who, token)?;
    // A session is for cookies: a page's script can send anything else, and must never have one.
    (known.session == who.session).then_some(known)
}

/// The same on a connection that was there before; that the token is used is written down.
pub fn with_token_used(app: &Arc<App>, who: &Who, token: &str) -> Option<Arc<Who>> {
    let known = Arc::new(with_token(app, who, token)?);
    note_use(app, &known, None);
    Some(known)
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| ApiError::BAD_TOKEN)?;
    let (scheme, token) = value.split_once(' ').ok_or(ApiError::BAD_TOKEN)?;
    // Basic is what a proxy before us may have asked for.
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()))
}

fn parameter(uri: &Uri) -> Option<String> {
    let mut pairs = uri.query()?.split('&');
    let token = pairs.find_map(|pair| pair.strip_prefix("token="))?;
    Some(percent_decode_str(token).decode_utf8().ok()?.into_owned())
}

/// Whether a request that changes something comes from a page of ours: browsers add their cookies to those of other pages, too. The origin
/// itself has been looked at before.
fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    match site {
        Some(site) => matches!(site, b"same-origin" | b"none"),
        None => headers.contains_key(header::ORIGIN),
    }
}

fn is_trusted(config: &Config, address: IpAddr) -> bool {
    let mut networks = config.trust_proxy.iter();
    networks.any(|network| network.contains(&address))
}

/// Where a request comes from: what the last proxy that is not trusted, or nobody's, said is not believed.
fn address(config: &Config, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut at = peer;
    let all: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .collect();
    for before in all.into_iter().rev() {
        if !is_trusted(config, at) {
            break;
        }
        match before.trim().parse::<IpAddr>() {
            Ok(before) => at = before.to_canonical(),
            Err(_) => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_trusted_proxies_say_where_somebody_is() {
        let config = Config {
            trust_proxy: vec![
                "127.0.0.1/32".parse().unwrap(),
                "10.0.0.0/8".parse().unwrap(),
            ],
            ..Config::default()
        };
        for (peer, forwarded, expected) in [
            ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.1.1.1", "1.2.3.4"),
            ("127.0.0.1", "1.2.3.4, x", "127.0.0.1"),
            ("127.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
            ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
            ("127.0.0.1", "", "127.0.0.1"),
        ] {
            let headers = headers(&[("x-forwarded-for", forwarded)]);
            let found = address(&config, peer.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded}");
        }
    }

    #[test]
    fn a_cookie_counts_for_pages_of_ours() {
        let own = |method: Method, pairs: &[(&'static str, &str)]| is_own(&method, &headers(pairs));
        assert!(own(Method::GET, &[]));
        assert!(!own(Method::POST, &[]));
        assert!(own(Method::POST, &[("origin", "http://a")]));
        assert!(own(Method::PUT, &[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            let pairs = [("origin", "http://a"), ("sec-fetch-site", site)];
            assert!(!own(Method::DELETE, &pairs), "{site}");
        }
    }

    #[test]
    fn a_cookie_over_tls_has_another_name() {
        let visitor = |is_secure| Visitor {
            who: Arc::default(),
            secret: None,
            address: [127, 0, 0, 1].into(),
            agent: String::new(),
            is_secure,
        };
        let both = headers(&[
            ("cookie", "a=b; ropewalk=one"),
            ("cookie", "__Host-ropewalk=two"),
        ]);
        assert_eq!(visitor(false).kept(COOKIE, &both), Some("one"));
        assert_eq!(visitor(true).kept(COOKIE, &both), Some("two"));
        let (_, cookie) = visitor(true).cookie(Some("x"));
        assert!(cookie.starts_with("__Host-ropewalk=x; Path=/;") && cookie.ends_with("; Secure"));
        let (_, cookie) = visitor(false).cookie(None);
        assert!(cookie.starts_with("ropewalk=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"));
        assert!(!cookie.contains("Secure"));
    }

    #[test]
    fn a_token_in_a_url_is_decoded() {
        let token = |uri: &str| parameter(&uri.parse().unwrap());
        assert_eq!(token("/a?b=c&token=d%2Be"), Some("d+e".into()));
        assert_eq!(token("/a?mytoken=x"), None);
        assert_eq!(token("/a"), None);
    }
}
