//! Where a server is, and how a connection to it is made.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::Uri;
use axum::http::header::HeaderValue;
use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::name::DocumentName;

/// A connection, encrypted too, is made in this time or not at all.
const CONNECT: Duration = Duration::from_secs(10);
/// What stands in a segment of a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What the API has of a document, behind its name. A name that ends like this has its slashes encoded there: some proxies do not let
/// them through, and only these names need that.
const PARTS: [&str; 8] = [
    "append", "authors", "changes", "content", "links", "sharing", "strays", "text",
];

/// Why there is no such address.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum BadAddress {
    /// Not `http://…` or `https://…`.
    #[error("`{0}` is not the address of a server: it begins with http:// or https://")]
    NotUrl(String),
    /// It would be sent for everybody to read.
    #[error("a token is only sent to https:// or to this machine, not to {0}")]
    Open(String),
    /// Line breaks, or letters that a header cannot hold.
    #[error("the token is not one line of ASCII")]
    Token,
    /// Nothing to check the server's certificate by.
    #[error("no certificates of authorities can be read on this machine")]
    NoAuthorities,
    /// Encryption.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

/// Why there is no connection, or no answer that can be used.
#[derive(Debug, Error)]
pub enum Unreachable {
    /// The system says so.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// It does not speak as it should.
    #[error("{0}")]
    Protocol(String),
    /// It refuses; a status of HTTP, and what it said.
    #[error("the server answers {0}{1}")]
    Refused(u16, String),
}

impl Unreachable {
    /// Whether asking again is of no use.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused(400..=499, _))
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A server. Cheap to clone.
#[derive(Clone)]
pub struct Address {
    host: String,
    port: u16,
    authority: String,
    prefix: String,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
}

impl Address {
    /// Reads `http(s)://host[:port][/prefix]`. `token` is sent as `Authorization: Bearer`; with a colon in it, it is a
    /// name and a password, as proxies ask for them.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, BadAddress> {
        let bad = || BadAddress::NotUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let (secure, port) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad());
        }
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        if token.is_some() && !secure && !is_loopback(host) {
            return Err(BadAddress::Open(host.to_owned()));
        }
        let authorization = token.map(|token| -> Result<_, BadAddress> {
            let words = match token.contains(':') {
                true => format!("Basic {}", BASE64.encode(token.as_bytes())),
                false => format!("Bearer {token}"),
            };
            let mut value = HeaderValue::from_str(&words).map_err(|_| BadAddress::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls: secure.then(tls).transpose()?,
            authorization: authorization.transpose()?,
        })
    }

    /// The path of a document below `place`, such as `/yjs`.
    pub(super) fn path(&self, place: &str, name: &DocumentName) -> String {
        format!("{}{place}/{}", self.prefix, encoded(name, "/"))
    }

    /// The path of a document in the API.
    pub(super) fn api_path(&self, name: &DocumentName) -> String {
        let mut ends = name.as_str().rsplit('/');
        let (last, before) = (ends.next(), ends.next());
        let is = |end: Option<&str>| end.is_some_and(|end| PARTS.contains(&end));
        let slash = if is(last) || is(before) { "%2F" } else { "/" };
        format!("{}/api/documents/{}", self.prefix, encoded(name, slash))
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    pub(super) fn web_socket(&self, name: &DocumentName) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority, self.path("/yjs", name))
    }

    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, Unreachable> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let Some(tls) = &self.tls else {
                return Ok(Box::new(stream) as Box<dyn Stream>);
            };
            let name = ServerName::try_from(self.host.clone())
                .map_err(|error| Unreachable::Protocol(error.to_string()))?;
            let stream = TlsConnector::from(tls.clone())
                .connect(name, stream)
                .await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        };
        match timeout(CONNECT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Unreachable::Late(CONNECT)),
        }
    }
}

fn encoded(name: &DocumentName, slash: &str) -> String {
    let segments = name.as_str().split('/');
    let segments: Vec<String> = segments
        .map(|segment| utf8_percent_encode(segment, PLAIN).to_string())
        .collect();
    segments.join(slash)
}

/// Checks certificates by what this machine trusts; `SSL_CERT_FILE` names others. They are read once.
fn tls() -> Result<Arc<ClientConfig>, BadAddress> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(BadAddress::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TLS.get_or_init(|| Arc::new(config)).clone())
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_parts_of_a_document_are_known() {
        let api: serde_json::Value =
            serde_json::from_str(include_str!("../http/openapi.json")).unwrap();
        let paths = api["paths"].as_object().unwrap();
        let mut parts: Vec<&str> = paths
            .keys()
            .filter_map(|path| path.strip_prefix("/api/documents/{name}/"))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts, PARTS);
    }

    #[test]
    fn no_name_reads_like_a_part_of_another_document() {
        let address = Address::new("http://localhost/prefix", None).unwrap();
        for (name, path) in [
            ("a/b c", "a/b%20c"),
            ("text", "text"),
            ("a/text", "a%2Ftext"),
            ("b/a/links/7", "b%2Fa%2Flinks%2F7"),
            ("a/text/b/c", "a/text/b/c"),
        ] {
            let name = DocumentName::new(name).unwrap();
            let path = format!("/prefix/api/documents/{path}");
            assert_eq!(address.api_path(&name), path);
        }
    }
}
