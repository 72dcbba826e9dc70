//! Secrets that are shown once: 256 random bits, and a prefix that says what they open.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

use super::AccountsError;
use crate::access::Hash;

/// Random bytes of a secret.
const BYTES: usize = 32;
/// Characters before them.
const PREFIX: usize = 4;
/// Characters that [`BYTES`] are written with.
const WRITTEN: usize = 43;

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// A session: `rws_…`.
    Session,
    /// The API: `rwt_…`.
    Token,
    /// What a link shares: `rwl_…`.
    Link,
    /// An account: `rwi_…`.
    Invitation,
}

impl SecretKind {
    const ALL: [Self; 4] = [Self::Session, Self::Token, Self::Link, Self::Invitation];

    /// What secrets of this kind begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Session => "rws_",
            Self::Token => "rwt_",
            Self::Link => "rwl_",
            Self::Invitation => "rwi_",
        }
    }
}

/// A secret in clear. It is not kept anywhere.
pub struct Secret(String);

impl Secret {
    /// A new one, and what is kept of it.
    pub(super) fn new(kind: SecretKind) -> Result<(Self, Hash), AccountsError> {
        let bytes: [u8; BYTES] = random()?;
        let text = format!("{}{}", kind.prefix(), BASE64URL_NOPAD.encode(&bytes));
        let hash = hash(&text);
        Ok((Self(text), hash))
    }

    /// To be shown to whoever it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What a secret that somebody brings along is for, and its hash. `None`: it is none, or not whole.
    pub fn parse(text: &str) -> Option<(SecretKind, Hash)> {
        if text.len() != PREFIX + WRITTEN {
            return None;
        }
        let kind = SecretKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))?;
        let bytes = BASE64URL_NOPAD.decode(&text.as_bytes()[PREFIX..]).ok()?;
        (bytes.len() == BYTES).then(|| (kind, hash(text)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}…)", &self.0[..PREFIX])
    }
}

/// Of the whole text: a secret of one kind is none of another.
fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], AccountsError> {
    let mut bytes = [0; N];
    let filled = SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|error| AccountsError::Failed(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_tells_its_kind_and_is_never_the_same() {
        let mut seen = std::collections::HashSet::new();
        for kind in SecretKind::ALL {
            for _ in 0..100 {
                let (secret, hash) = Secret::new(kind).unwrap();
                assert_eq!(Secret::parse(secret.expose()), Some((kind, hash)));
                assert!(seen.insert(hash) && secret.expose().is_ascii());
                assert_eq!(format!("{secret:?}"), format!("Secret({}…)", kind.prefix()));
            }
        }
    }

    #[test]
    fn what_is_not_a_whole_secret_is_none() {
        let (secret, hash) = Secret::new(SecretKind::Token).unwrap();
        let text = secret.expose();
        let other = text.replacen("rwt_", "rws_", 1);
        assert_ne!(Secret::parse(&other).unwrap().1, hash);
        let body = &text[PREFIX..];
        for bad in [
            String::new(),
            "rwt_".to_owned(),
            body.to_owned(),
            format!("{text}A"),
            format!("{text}="),
            text[..text.len() - 1].to_owned(),
            format!("rwx_{body}"),
            format!("RWT_{body}"),
            format!("rwt_{}", "A".repeat(42) + "/"),
            format!("rwt_{}", "A".repeat(42) + "B"),
            format!("rwt_{}", "ä".repeat(21) + "A"),
            format!("rw€{}", "A".repeat(42)),
        ] {
            assert_eq!(Secret::parse(&bad), None, "{bad}");
        }
    }
}
