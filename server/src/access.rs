//! Who may do what with which document.
//!
//! [`Rules`] is what the accounts say at one moment; it is asked at the door, and again for everybody who is inside when it
//! changes. Nothing is looked up in a database for that.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::name::{BadName, DocumentName};
use crate::storage::DocumentId;

mod rules;

pub use rules::{Called, Grant, Hash, Known, Link, Person, Rules, Session, Token};

/// What somebody may do with a document. Each includes all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Nothing.
    #[default]
    None,
    /// Read it, and be seen there.
    Read,
    /// Reserved for comments: as long as there are none, this is to read.
    Comment,
    /// Change it.
    Edit,
    /// Delete it, and say who may do what.
    Own,
}

/// This is no access.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("access is read, comment, edit or own")]
pub struct NoAccess;

impl Access {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Comment => "comment",
            Self::Edit => "edit",
            Self::Own => "own",
        }
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Access {
    type Err = NoAccess;

    fn from_str(text: &str) -> Result<Self, NoAccess> {
        Ok(match text {
            "read" => Self::Read,
            "comment" => Self::Comment,
            "edit" => Self::Edit,
            "own" => Self::Own,
            _ => return Err(NoAccess),
        })
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);
    )*};
}

ids! {
    /// Names a person for good.
    PersonId;
    /// Names a group of people.
    GroupId;
    /// Names a session: somebody who is signed in with one browser, or who came there by links.
    SessionId;
    /// Names an API token.
    TokenId;
    /// Names a link that shares a document.
    LinkId;
    /// Names a grant.
    GrantId;
}

/// What access is given to: a document, or all documents below a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// All there are.
    Everything,
    /// Those whose names begin with this and a slash.
    Folder(DocumentName),
    /// The one of this name.
    Document(DocumentName),
}

impl Target {
    /// Whether a document is, or belongs to, this.
    pub fn covers(&self, name: &DocumentName) -> bool {
        match self {
            Self::Everything => true,
            Self::Document(own) => own == name,
            Self::Folder(folder) => name
                .as_str()
                .strip_prefix(folder.as_str())
                .is_some_and(|rest| rest.starts_with('/')),
        }
    }

    /// Whether all documents that another one covers belong to this.
    pub fn includes(&self, other: &Self) -> bool {
        match other {
            Self::Everything => *self == Self::Everything,
            Self::Document(name) => self.covers(name),
            Self::Folder(folder) => {
                self == other || self.covers(folder) && !matches!(self, Self::Document(_))
            }
        }
    }

    /// All that this is in, from the outside in.
    pub fn above(&self) -> Vec<Self> {
        let name = match self {
            Self::Everything => return Vec::new(),
            Self::Folder(name) | Self::Document(name) => name.as_str(),
        };
        let folders = name.match_indices('/').filter_map(|(at, _)| {
            let folder = DocumentName::new(&name[..at]).ok()?;
            Some(Self::Folder(folder))
        });
        std::iter::once(Self::Everything).chain(folders).collect()
    }
}

/// `*`, `team/*` or `team/notes`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Folder(folder) => write!(f, "{folder}/*"),
            // The only name that could be taken for a folder.
            Self::Document(name) => f.write_str(name.as_str()),
        }
    }
}

impl FromStr for Target {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Ok(match text.strip_suffix('*') {
            Some("") => Self::Everything,
            Some(folder) if folder.ends_with('/') => {
                Self::Folder(DocumentName::new(&folder[..folder.len() - 1])?)
            }
            _ => Self::Document(DocumentName::new(text)?),
        })
    }
}

/// What is shared: all of a folder, or one document. Of a document its identity counts beside its name, which another one may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// By name.
    pub target: Target,
    /// Which document of that name.
    pub document: Option<DocumentId>,
}

impl From<Target> for Item {
    /// Whatever has the name.
    fn from(target: Target) -> Self {
        Self {
            target,
            document: None,
        }
    }
}

impl Item {
    /// Whether a document is, or belongs to, this.
    pub fn covers(&self, document: &Known<'_>) -> bool {
        self.target.covers(document.name) && self.is_of(document.id)
    }

    /// Whether it is not for another document than this.
    pub fn is_of(&self, id: Option<DocumentId>) -> bool {
        self.document.is_none() || self.document == id
    }
}

/// Why somebody may not do something with a document.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Denied {
    /// They have not shown who they are, or that does not count any more.
    #[error("sign in first")]
    NotKnown,
    /// They may not even read it.
    #[error("this document is not shared with you")]
    NotAllowed,
    /// They may read it, and no more.
    #[error("you may only read this document")]
    ReadOnly,
    /// They may edit it, but this is for its owner.
    #[error("only the owner of this document may do this")]
    NotOwner,
}

/// Who a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One person.
    Person(PersonId),
    /// The people of a group.
    Group(GroupId),
    /// Everybody who has an account and is signed in.
    Everyone,
}

/// Who somebody has shown to be, by what they brought along. Whether that still counts is for the [`Rules`] to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The session of a browser's cookie.
    pub session: Option<SessionId>,
    /// An API token.
    pub token: Option<TokenId>,
    /// A link that needs no password.
    pub link: Option<LinkId>,
    /// What a document token says.
    pub claims: Option<Arc<Claims>>,
}

impl Who {
    /// Who they are by a document token alone, if they have one, and by all else.
    pub fn apart(&self) -> (Option<Self>, Self) {
        let alone = self.claims.as_ref().map(|claims| Self {
            claims: Some(claims.clone()),
            ..Self::default()
        });
        let rest = Self {
            claims: None,
            ..self.clone()
        };
        (alone, rest)
    }
}

/// What a document token says: whoever embeds this server has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The name that its bearer goes by.
    pub name: String,
    /// For which documents.
    pub target: Target,
    /// What may be done with them.
    pub access: Access,
    /// Until when, in milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
    /// Who vouches for its bearer, if this server has signed it: it is worth no more than what they may do now.
    pub by: Option<Who>,
    /// Names whoever has signed it, if it was read.
    pub issuer: Option<Hash>,
}

impl Claims {
    /// Names its bearer: whom the same issuer calls by the same name, for the same voucher, is the same.
    pub fn bearer(&self) -> Hash {
        let mut digest = Sha256::new();
        digest.update(self.issuer.unwrap_or_default());
        let by = self.by.as_ref();
        let session = by.and_then(|by| by.session).map(|id| id.0);
        let token = by.and_then(|by| by.token).map(|id| id.0);
        let link = by.and_then(|by| by.link).map(|id| id.0);
        for id in [session, token, link] {
            digest.update(id.unwrap_or(-1).to_be_bytes());
        }
        digest.update(&self.name);
        digest.finalize().into()
    }
}

/// Whom connections count for: nobody has more than a share of those that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Somebody with an account.
    Person(PersonId),
    /// All to whom somebody with an account has handed on what they may do.
    Guests(PersonId),
    /// Whom a document token names, see [`Claims::bearer`].
    Bearer(Hash),
    /// All that came by a link.
    Link(LinkId),
    /// All that are at one place, and nothing else is known of.
    Network(IpAddr),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_is_written_in_one_way_and_covers_what_it_says() {
        let name = |name| DocumentName::new(name).unwrap();
        for (text, covered, not) in [
            ("*", &["a", "a/b"][..], &[][..]),
            ("a/*", &["a/b", "a/b/c"], &["a", "ab", "ab/c", "b"]),
            ("a", &["a"], &["a/b", "A"]),
            ("a*", &["a*"], &["ab"]),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
            for covered in covered {
                assert!(target.covers(&name(covered)), "{text} {covered}");
            }
            for not in not {
                assert!(!target.covers(&name(not)), "{text} {not}");
            }
        }
        for bad in ["", "/*", "a//*", "../*", "a/"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_is_in_others() {
        let target = |text: &str| text.parse::<Target>().unwrap();
        for (text, above) in [
            ("*", &[][..]),
            ("a", &["*"]),
            ("a/*", &["*"]),
            ("a/b/c", &["*", "a/*", "a/b/*"]),
            ("a/b/*", &["*", "a/*"]),
        ] {
            let inner = target(text);
            let found: Vec<String> = inner.above().iter().map(Target::to_string).collect();
            assert_eq!(found, above);
            assert!(inner.includes(&inner));
            for above in inner.above() {
                assert!(above.includes(&inner) && !inner.includes(&above), "{text}");
            }
        }
        for (one, other) in [("a", "a/*"), ("a/*", "a"), ("a/*", "ab/*"), ("a", "a/b")] {
            assert!(!target(one).includes(&target(other)), "{one} {other}");
        }
    }

    #[test]
    fn access_is_ordered_and_written_as_it_is_read() {
        let all = [Access::Read, Access::Comment, Access::Edit, Access::Own];
        assert!(all.is_sorted() && Access::None < Access::Read);
        for access in all {
            assert_eq!(access.as_str().parse(), Ok(access));
        }
        for bad in ["", "none", "Edit", "write"] {
            assert_eq!(bad.parse::<Access>(), Err(NoAccess), "{bad}");
        }
    }
}
