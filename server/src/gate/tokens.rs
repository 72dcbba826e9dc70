//! Document tokens: a JWT says what its bearer may do, and is signed by this server or by an application that embeds it.

use std::collections::HashSet;
use std::iter;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation, decode, decode_header,
    encode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::known::Known;
use super::remote::Remote;
use crate::access::{Access, Claims, Hash, LinkId, SessionId, TokenId, Who};
use crate::called;

/// Longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// Longest name, in characters.
const MAX_NAME: usize = called::MAX_SHOWN;
/// Keys at most.
const MAX_KEYS: usize = 64;
/// How far clocks may be apart, in seconds.
const LEEWAY_S: u64 = 5;
/// The identifier of this server's own key.
const OWN: &str = "ropewalk";

/// What is in a token.
#[derive(Debug, Deserialize, Serialize)]
struct Payload {
    /// The name that others see.
    name: String,
    /// Which documents: `team/notes`, `team/*` or `*`.
    doc: String,
    /// `read`, `comment` or `edit`.
    access: String,
    /// Until when, in seconds since the Unix epoch.
    exp: u64,
    /// Who vouches for it, in the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<By>,
}

/// With what somebody was here who asked for a token.
#[derive(Debug, Default, Deserialize, Serialize)]
struct By {
    session: Option<i64>,
    token: Option<i64>,
    link: Option<i64>,
}

/// Keys of those who may sign.
pub struct Keys {
    keys: Vec<Key>,
    remote: Vec<Arc<Remote>>,
    own: EncodingKey,
    known: Known,
}

/// A key that checks what somebody has signed.
pub struct Key {
    id: Option<String>,
    /// Names whose it is: the set that it is of, and which of that.
    issuer: Hash,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("keys", &self.keys.len())
            .field("remote", &self.remote.len())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// The server's own key, and those of JSON Web Key Sets, in files and at URLs, which are not asked yet. `Err` is one line that says what
    /// is wrong with a file.
    pub fn new(own: &[u8], sets: &[String]) -> Result<Self, String> {
        let (urls, files): (Vec<_>, Vec<_>) = sets.iter().partition(|set| is_url(set));
        let mut keys = vec![Key {
            id: Some(OWN.to_owned()),
            issuer: issuer("", Some(OWN)),
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(own),
        }];
        for file in files {
            let wrong = |why: String| format!("{file}: {why}");
            let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
            keys.extend(read(&text, file).map_err(wrong)?);
        }
        Ok(Self {
            keys,
            remote: urls
                .into_iter()
                .map(|url| Arc::new(Remote::new(url)))
                .collect(),
            own: EncodingKey::from_secret(own),
            known: Known::new(own)?,
        })
    }

    /// Browsers that people were signed in with.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// What a token says, if somebody whose key is here has signed it and it still counts.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        if !is_token(token) {
            return None;
        }
        let header = decode_header(token).ok()?;
        let remote: Vec<_> = self.remote.iter().map(|set| set.keys()).collect();
        let all = self
            .keys
            .iter()
            .chain(remote.iter().flat_map(|keys| keys.iter()));
        let (key, payload) = all
            .filter(|key| key.fits(&header))
            .find_map(|key| Some((key, key.verify(token)?)))?;
        payload.claims.claims(key.issuer)
    }

    /// Sets at URLs that may have a key which a token needs and which is not known; none if it is, or if it is no such token.
    pub fn lacking(&self, token: &str) -> impl Iterator<Item = (&Arc<Remote>, Header)> {
        let header = (!self.remote.is_empty() && is_token(token))
            .then(|| decode_header(token).ok())
            .flatten();
        // Keys that are shared are at no URL.
        let header = header.filter(|header| header.alg != Algorithm::HS256);
        let header = header.filter(|header| !self.keys.iter().any(|key| key.fits(header)));
        let header = header.filter(|header| !self.remote.iter().any(|set| set.has(header)));
        let all = self.remote.iter();
        all.zip(iter::repeat(header))
            .filter_map(|(remote, header)| Some((remote, header?)))
    }

    /// Sets of keys at URLs.
    pub fn remote(&self) -> &[Arc<Remote>] {
        &self.remote
    }

    /// A token of this server's own.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let header = Header {
            kid: Some(OWN.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let payload = Payload {
            name: claims.name.clone(),
            doc: claims.target.to_string(),
            access: claims.access.to_string(),
            exp: u64::try_from(claims.expires_at_ms / 1000).ok()?,
            by: claims.by.as_ref().map(|by| By {
                session: by.session.map(|id| id.0),
                token: by.token.map(|id| id.0),
                link: by.link.map(|id| id.0),
            }),
        };
        encode(&header, &payload, &self.own).ok()
    }
}

impl Key {
    fn fits(&self, header: &Header) -> bool {
        self.algorithm == header.alg && (header.kid.is_none() || self.id == header.kid)
    }

    fn verify(&self, token: &str) -> Option<TokenData<Payload>> {
        // What the token says of its algorithm counts only if that is the key's own.
        let mut validation = Validation::new(self.algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.required_spec_claims = HashSet::from(["exp".to_owned()]);
        decode(token, &self.key, &validation).ok()
    }
}

impl Remote {
    /// Whether a key is known that a token may have been signed with.
    pub fn has(&self, header: &Header) -> bool {
        self.keys().iter().any(|key| key.fits(header))
    }
}

/// Whether a set of keys is at a URL, and no file.
pub fn is_url(set: &str) -> bool {
    set.contains("://")
}

fn is_token(text: &str) -> bool {
    text.len() <= MAX_TOKEN && text.split('.').count() == 3
}

impl Payload {
    fn claims(self, issuer: Hash) -> Option<Claims> {
        let access: Access = self.access.parse().ok()?;
        let is_name = !self.name.is_empty()
            && self.name.chars().count() <= MAX_NAME
            && !self.name.chars().any(char::is_control);
        // Nobody comes by a document in this way.
        (access <= Access::Edit && is_name).then_some(Claims {
            name: self.name,
            target: self.doc.parse().ok()?,
            access,
            expires_at_ms: i64::try_from(self.exp).ok()?.checked_mul(1000)?,
            by: self.by.map(|by| Who {
                session: by.session.map(SessionId),
                token: by.token.map(TokenId),
                link: by.link.map(LinkId),
                claims: None,
            }),
            issuer: Some(issuer),
        })
    }
}

/// A digest of what the set of a key is called in the settings, and the key in the set.
fn issuer(set: &str, id: Option<&str>) -> Hash {
    Sha256::digest(format!("{set}\n{}", id.unwrap_or_default())).into()
}

fn read(text: &str, name: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(text)
        .map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("there are at most {MAX_KEYS} keys"));
    }
    set.keys
        .iter()
        .enumerate()
        .map(|(number, jwk)| {
            let which = jwk
                .common
                .key_id
                .clone()
                .unwrap_or_else(|| format!("number {}", number + 1));
            key(jwk, name).map_err(|why| format!("key {which}: {why}"))
        })
        .collect()
}

/// The keys of a set that is published: those that are of no use here are left out, and a key that is shared is none that is published.
pub fn published(text: &[u8], name: &str) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text)
        .map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
    let all = set["keys"]
        .as_array()
        .ok_or("this is no JSON Web Key Set: it has no keys")?;
    if all.len() > MAX_KEYS {
        return Err(format!("there are at most {MAX_KEYS} keys"));
    }
    let keys = all
        .iter()
        .filter(|key| key["kty"] != "oct" && key["use"] != "enc")
        .filter_map(|one| serde_json::from_value(one.clone()).ok())
        .filter_map(|jwk| key(&jwk, name).ok());
    Ok(keys.collect())
}

fn key(jwk: &Jwk, set: &str) -> Result<Key, String> {
    let algorithm =
        match &jwk.algorithm {
            AlgorithmParameters::OctetKey(secret) => {
                // Four letters of base64 are three bytes.
                if secret.value.len() < 43 {
                    return Err("a shared key has at least 32 bytes".to_owned());
                }
                Algorithm::HS256
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            _ => return Err(
                "its kind is none of oct (HS256), Ed25519 (EdDSA), P-256 (ES256) and RSA (RS256)"
                    .to_owned(),
            ),
        };
    let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
    Ok(Key {
        issuer: issuer(set, jwk.common.key_id.as_deref()),
        id: jwk.common.key_id.clone(),
        algorithm,
        key,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use data_encoding::BASE64URL_NOPAD;
    use jsonwebtoken::get_current_timestamp;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8; 32] = b"a shared secret of thirty-two by";
    /// RFC 8037, appendix A.1.
    const ED_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    const ED_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn file(keys: Value) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{keys}").unwrap();
        file
    }

    fn path(file: &tempfile::NamedTempFile) -> String {
        file.path().to_str().unwrap().to_owned()
    }

    fn shared() -> Value {
        json!({ "kty": "oct", "kid": "app", "k": BASE64URL_NOPAD.encode(SECRET) })
    }

    fn signed(
        algorithm: Algorithm,
        kid: Option<&str>,
        payload: &Value,
        key: &EncodingKey,
    ) -> String {
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        encode(&header, payload, key).unwrap()
    }

    fn payload() -> Value {
        json!({ "name": "Zoe", "doc": "team/*", "access": "edit", "exp": get_current_timestamp() + 60 })
    }

    #[test]
    fn whoever_has_a_key_can_sign() {
        let pair = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": ED_PUBLIC });
        let file = file(json!({ "keys": [shared(), pair] }));
        let keys = Keys::new(&[7; 32], &[path(&file)]).unwrap();
        let secret = EncodingKey::from_secret(SECRET);
        // PKCS #8 around the seed.
        let der = [
            &b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..],
            &BASE64URL_NOPAD.decode(ED_SEED.as_bytes()).unwrap(),
        ]
        .concat();
        let ed = EncodingKey::from_ed_der(&der);
        for token in [
            signed(Algorithm::HS256, Some("app"), &payload(), &secret),
            signed(Algorithm::HS256, None, &payload(), &secret),
            signed(Algorithm::EdDSA, Some("ed"), &payload(), &ed),
        ] {
            let claims = keys.verify(&token).unwrap();
            assert_eq!((claims.name.as_str(), claims.access), ("Zoe", Access::Edit));
            assert_eq!(claims.target, "team/*".parse().unwrap());
        }
        let claims = keys
            .verify(&signed(Algorithm::HS256, None, &payload(), &secret))
            .unwrap();
        let own = keys.sign(&claims).unwrap();
        let again = keys.verify(&own).unwrap();
        assert_ne!(again.bearer(), claims.bearer());
        let issuer = again.issuer;
        assert_eq!(again, Claims { issuer, ..claims });
        assert_eq!(Keys::new(&[8; 32], &[]).unwrap().verify(&own), None);
    }

    #[test]
    fn what_is_not_signed_or_not_true_counts_nothing() {
        let file = file(json!({ "keys": [shared()] }));
        let keys = Keys::new(&[7; 32], &[path(&file)]).unwrap();
        let secret = EncodingKey::from_secret(SECRET);
        let with = |field: &str, value: Value| {
            let mut payload = payload();
            payload[field] = value;
            signed(Algorithm::HS256, Some("app"), &payload, &secret)
        };
        let good = with("name", json!("Zoe"));
        assert!(keys.verify(&good).is_some());
        let now = get_current_timestamp();
        let [head, body, sign] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!()
        };
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        for (what, bad) in [
            ("expired", with("exp", json!(now - 60))),
            ("without an end", with("exp", Value::Null)),
            ("too early", with("nbf", json!(now + 60))),
            ("to own", with("access", json!("own"))),
            ("unknown access", with("access", json!("write"))),
            ("no document", with("doc", json!(""))),
            ("above", with("doc", json!("../x"))),
            ("nameless", with("name", json!(""))),
            ("long", with("name", json!("x".repeat(MAX_NAME + 1)))),
            ("control", with("name", json!("a\nb"))),
            (
                "other key",
                signed(
                    Algorithm::HS256,
                    Some("app"),
                    &payload(),
                    &EncodingKey::from_secret(&[1; 32]),
                ),
            ),
            (
                "other kid",
                signed(Algorithm::HS256, Some("nobody"), &payload(), &secret),
            ),
            (
                "other algorithm",
                signed(Algorithm::HS384, Some("app"), &payload(), &secret),
            ),
            ("unsigned", format!("{none}.{body}.")),
            ("its signature", format!("{none}.{body}.{sign}")),
            ("cut", format!("{head}.{body}")),
            ("huge", format!("{head}.{}.{sign}", "A".repeat(MAX_TOKEN))),
            ("", String::new()),
        ] {
            assert_eq!(keys.verify(&bad), None, "{what}");
        }
    }

    #[test]
    fn of_keys_that_are_published_those_that_are_of_use_are_taken() {
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": ED_PUBLIC });
        let mut enc = ed.clone();
        enc["use"] = json!("enc");
        let other = json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" });
        let set = json!({ "keys": [shared(), enc, other, 7, ed] });
        let keys = published(set.to_string().as_bytes(), "set").unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].id.as_deref(), Some("ed"));
        for bad in [json!({}), json!([]), json!({ "keys": vec![ed; 65] })] {
            assert!(published(bad.to_string().as_bytes(), "set").is_err());
        }
        assert!(published(b"<html>", "set").is_err());
    }

    #[test]
    fn a_file_of_keys_that_is_none_is_refused() {
        for (keys, says) in [
            (json!({}), "no JSON Web Key Set"),
            (
                json!({ "keys": [{ "kty": "oct", "kid": "app", "k": "c2hvcnQ" }] }),
                "key app: a shared key has at least 32 bytes",
            ),
            (
                json!({ "keys": [{ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }] }),
                "key number 1: its kind",
            ),
            (json!({ "keys": vec![shared(); 65] }), "at most 64"),
        ] {
            let file = file(keys);
            let error = Keys::new(&[7; 32], &[path(&file)]).unwrap_err();
            assert!(error.contains(says) && error.starts_with('/'), "{error}");
        }
        assert!(Keys::new(&[7; 32], &["/nowhere".into()]).is_err());
    }
}
