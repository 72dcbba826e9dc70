//! Browsers that somebody was signed in with before. A cookie says so, and is good for tries of a password that no guesser elsewhere can use
//! up, and for nothing else. Nothing is kept of it here.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::crypto::{sign, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::access::PersonId;
use crate::accounts::random;

/// What the key of the accounts is for here: what it signs elsewhere counts not.
const LABEL: &[u8] = b"a browser that somebody was signed in with";
/// Random bytes that tell one from another.
const BYTES: usize = 16;
/// Longest cookie, in bytes.
const MAX: usize = 128;

/// A browser of somebody.
pub type Device = [u8; BYTES];

/// Signs such cookies.
pub struct Known {
    sign: EncodingKey,
    verify: DecodingKey,
}

impl Known {
    /// With a key of its own, made of that of the accounts.
    pub(super) fn new(own: &[u8]) -> Result<Self, String> {
        let key = sign(LABEL, &EncodingKey::from_secret(own), Algorithm::HS256);
        let key = key.map_err(|error| error.to_string())?;
        Ok(Self {
            sign: EncodingKey::from_secret(key.as_bytes()),
            verify: DecodingKey::from_secret(key.as_bytes()),
        })
    }

    /// The cookie of a browser that somebody has just signed in with.
    pub fn cookie(&self, person: PersonId) -> Option<String> {
        let device: Device = random().ok()?;
        let said = format!("{}.{}", person.0, BASE64URL_NOPAD.encode(&device));
        let signature = sign(said.as_bytes(), &self.sign, Algorithm::HS256).ok()?;
        Some(format!("{said}.{signature}"))
    }

    /// Whose browser brings this along, and which.
    pub fn device(&self, cookie: &str) -> Option<(PersonId, Device)> {
        if cookie.len() > MAX {
            return None;
        }
        let (said, signature) = cookie.rsplit_once('.')?;
        let is_ours = verify(signature, said.as_bytes(), &self.verify, Algorithm::HS256);
        if !is_ours.unwrap_or(false) {
            return None;
        }
        let (person, device) = said.split_once('.')?;
        let device = BASE64URL_NOPAD.decode(device.as_bytes()).ok()?;
        Some((PersonId(person.parse().ok()?), device.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cookie_is_of_one_browser_and_nobody_makes_one_up() {
        let known = Known::new(&[7; 32]).unwrap();
        let cookie = known.cookie(PersonId(5)).unwrap();
        let (person, device) = known.device(&cookie).unwrap();
        assert_eq!(person, PersonId(5));
        let other = known.cookie(PersonId(5)).unwrap();
        assert_ne!(known.device(&other).unwrap().1, device);
        let (said, signature) = cookie.rsplit_once('.').unwrap();
        let raw = sign(
            said.as_bytes(),
            &EncodingKey::from_secret(&[7; 32]),
            Algorithm::HS256,
        );
        for bad in [
            String::new(),
            said.to_owned(),
            format!("{said}."),
            format!("6{}", &cookie[1..]),
            format!("{}.{signature}", said.replacen('.', ".A", 1)),
            format!("{cookie}A"),
            format!("{said}.{}", raw.unwrap()),
            Known::new(&[8; 32]).unwrap().cookie(PersonId(5)).unwrap(),
            "x".repeat(MAX + 1),
        ] {
            assert_eq!(known.device(&bad), None, "{bad}");
        }
    }
}
