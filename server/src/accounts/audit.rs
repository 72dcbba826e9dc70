//! The log of who did what: it is only added to, in the transaction of what it tells of.

use std::io::{self, Write};

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params};
use serde::Serialize;

use super::rows::{all, execute, exists, first, limit};
use super::text::{MAX_ADDRESS_BYTES, cut};
use super::{Accounts, AccountsError, PAGE, Refusal, Still};
use crate::access::PersonId;

/// Bytes that are kept of what an entry is about.
const MAX_ABOUT_BYTES: usize = 1024;
/// Entries that are looked at for one page.
const LOOKED_AT: i64 = 20_000;
/// Stands where the login of a person would: no login has these brackets.
const COMMAND_LINE: &str = "(cli)";
/// Who did it. Older entries of the command line have a word that is a login, too, but no person.
const WHO: &str = "iif(person_id IS NULL AND login = 'cli', '(cli)', login)";

/// Where the wanted login stands in what an entry is about.
const ABOUT: &str = "instr(' ' || ifnull(about, '') || ' ', ' ' || ?3 || ' ')";

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What was done. The words are stable: people search for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

actions! {
    /// A session of a person was begun.
    SignedIn = "signed_in",
    /// A login and a password did not belong together.
    SignInFailed = "sign_in_failed",
    /// A session was ended.
    SignedOut = "signed_out",
    /// There is one person more.
    UserAdded = "user_added",
    /// The name, the colour or the identity of a person is another.
    UserChanged = "user_changed",
    /// A person can sign in as who they are elsewhere.
    Linked = "linked",
    /// A person cannot do that any more.
    Unlinked = "unlinked",
    /// A person may do nothing any more.
    UserDisabled = "user_disabled",
    /// A person who was disabled may do what they might before.
    UserEnabled = "user_enabled",
    /// A person looks after the accounts from now on.
    AdminMade = "admin_made",
    /// A person looks after the accounts no more.
    AdminUnmade = "admin_unmade",
    /// A person has another password.
    PasswordChanged = "password_changed",
    /// An invitation was made.
    Invited = "invited",
    /// An API token was made.
    TokenCreated = "token_created",
    /// A group was made.
    GroupCreated = "group_created",
    /// A group has another name.
    GroupRenamed = "group_renamed",
    /// A group was deleted.
    GroupDeleted = "group_deleted",
    /// A person was put into a group.
    MemberAdded = "member_added",
    /// A person was taken out of a group.
    MemberRemoved = "member_removed",
    /// Access was given, or a link or a document token made.
    Shared = "shared",
    /// A browser followed a link that it had not.
    LinkFollowed = "link_followed",
    /// A link was followed with a wrong password.
    LinkFailed = "link_failed",
    /// Access, a link, a token or an invitation was taken back.
    Revoked = "revoked",
    /// A document belongs to somebody else now.
    HandedOver = "handed_over",
    /// A document was deleted.
    Deleted = "deleted",
    /// What was set aside of a document was deleted.
    StrayDeleted = "stray_deleted",
    /// A document was taken back from the trash.
    TakenBack = "taken_back",
    /// A document was removed from the trash for good.
    Erased = "erased",
    /// Documents were exported.
    Exported = "exported",
    /// Documents were imported.
    Imported = "imported",
    /// A backup took the place of all documents.
    Restored = "restored",
}

/// Who does something.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    who: Doer,
    address: Option<String>,
    /// They do it because they look after the accounts, and have to when it is done.
    is_admin: bool,
    still: Option<Still>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doer {
    #[default]
    Nobody,
    Person(PersonId),
    CommandLine,
}

impl Actor {
    /// A person who is signed in.
    pub fn person(id: PersonId) -> Self {
        Self {
            who: Doer::Person(id),
            ..Self::default()
        }
    }

    /// Whoever may write to the data folder.
    pub fn command_line() -> Self {
        Self {
            who: Doer::CommandLine,
            ..Self::default()
        }
    }

    /// Somebody who is not signed in, or the server itself.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// From this address.
    pub fn at(self, address: impl Into<String>) -> Self {
        Self {
            address: Some(address.into()),
            ..self
        }
    }

    /// As somebody who looks after the accounts.
    pub fn as_admin(self) -> Self {
        Self {
            is_admin: true,
            ..self
        }
    }

    /// As somebody who has to be allowed it when it is done.
    pub fn if_still(self, still: Still) -> Self {
        Self {
            still: Some(still),
            ..self
        }
    }

    /// The person, if it is one.
    pub fn id(&self) -> Option<PersonId> {
        match self.who {
            Doer::Person(id) => Some(id),
            Doer::Nobody | Doer::CommandLine => None,
        }
    }

    /// Where they are.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

/// What the log says of one deed; one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number; later ones are higher.
    pub id: i64,
    /// When.
    pub at_ms: i64,
    /// Who, if it was a person.
    pub person: Option<i64>,
    /// Their login at that time, or `(cli)`.
    pub who: Option<String>,
    /// What: the words of [`Action`].
    pub action: String,
    /// With whom or what.
    pub about: Option<String>,
    /// From where.
    pub address: Option<String>,
}

/// Which entries somebody looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Older than this one.
    pub before: Option<i64>,
    /// Of whoever had this login, or of `(cli)`; and about it: where it stands among the words of that.
    pub who: Option<String>,
    /// Where this was done.
    pub action: Option<String>,
    /// Not before, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Before, in the same.
    pub to_ms: Option<i64>,
}

impl Accounts {
    /// Tells of what was done elsewhere.
    pub fn note(
        &self,
        actor: &Actor,
        action: Action,
        about: &str,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.mark(|transaction| note(transaction, actor, action, about, now_ms))
    }

    /// The newest entries that are wanted, at most so many, and where to go on. Looks at no more than 20,000: there may be more to
    /// find when there is nothing on a page.
    pub fn audit(
        &self,
        wanted: &Wanted,
        most: usize,
    ) -> Result<(Vec<Entry>, Option<i64>), AccountsError> {
        self.read(|transaction| {
            let newest = "SELECT id FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT 1";
            let before = wanted.before.unwrap_or(i64::MAX);
            let newest = first(transaction, newest, [before], |row| Ok(row.get::<_, i64>(0)?))?;
            let Some(newest) = newest else {
                return Ok((Vec::new(), None));
            };
            let lowest = newest.saturating_sub(LOOKED_AT);
            let found = all(
                transaction,
                &format!(
                    "SELECT id, at_ms, person_id, {WHO}, action, about, address FROM audit
                    WHERE id <= ?1 AND id > ?2 AND (?3 IS NULL OR {WHO} = ?3 OR {ABOUT} > 0) AND (?4 IS NULL OR action = ?4)
                        AND at_ms >= ?5 AND at_ms < ?6
                    ORDER BY id DESC LIMIT ?7"
                ),
                params![
                    newest,
                    lowest,
                    wanted.who,
                    wanted.action,
                    wanted.from_ms.unwrap_or(i64::MIN),
                    wanted.to_ms.unwrap_or(i64::MAX),
                    limit(most),
                ],
                entry,
            )?;
            let rest = "SELECT id FROM audit WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
            let next = match found.last().filter(|_| found.len() == most) {
                Some(last) => Some(last.id),
                None => first(transaction, rest, [lowest], |row| Ok(row.get::<_, i64>(0)?))?
                    .map(|id| id + 1),
            };
            Ok((found, next))
        })
    }

    /// All entries after one, oldest first, as they are when each page is reached. It keeps nobody waiting between them.
    pub fn audit_from(&self, after: i64) -> impl Iterator<Item = Result<Entry, AccountsError>> {
        let mut after = after;
        let mut page = Vec::new().into_iter();
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let entry = page.next().map(Ok).or_else(|| match self.later(after) {
                Ok(next) => {
                    page = next.into_iter();
                    page.next().map(Ok)
                }
                Err(error) => Some(Err(error)),
            })?;
            match &entry {
                Ok(entry) => after = entry.id,
                Err(_) => failed = true,
            }
            Some(entry)
        })
    }

    /// Writes the whole log as lines of JSON, oldest first.
    pub fn write_audit(&self, to: &mut impl Write) -> Result<io::Result<()>, AccountsError> {
        for entry in self.audit_from(0) {
            let written = serde_json::to_writer(&mut *to, &entry?)
                .map_err(io::Error::from)
                .and_then(|()| to.write_all(b"\n"));
            if written.is_err() {
                return Ok(written);
            }
        }
        Ok(Ok(()))
    }

    fn later(&self, after: i64) -> Result<Vec<Entry>, AccountsError> {
        self.read(|transaction| {
            all(
                transaction,
                &format!(
                    "SELECT id, at_ms, person_id, {WHO}, action, about, address FROM audit
                    WHERE id > ?1 ORDER BY id LIMIT ?2"
                ),
                params![after, limit(PAGE)],
                entry,
            )
        })
    }
}

/// Whoever acts as an administrator is one now, and whoever has to be allowed something is: they may have waited for longer than they were.
/// Answers them as somebody who was asked, as what they do may be that they are not any more.
pub(super) fn permitted(
    transaction: &Transaction<'_>,
    actor: &Actor,
) -> Result<Actor, AccountsError> {
    let is_one = "SELECT 1 FROM people WHERE id = ?1 AND is_admin AND disabled_at_ms IS NULL";
    let id = actor.id().map(|id| id.0);
    if actor.is_admin && !exists(transaction, is_one, [id])? {
        return Err(Refusal::NotAdmin.into());
    }
    if let Some(still) = &actor.still {
        still.check(transaction)?;
    }
    Ok(Actor {
        is_admin: false,
        still: None,
        ..actor.clone()
    })
}

/// Adds an entry in the transaction of what it tells of, which is refused to whoever may not do it any more.
pub(super) fn note(
    transaction: &Transaction<'_>,
    actor: &Actor,
    action: Action,
    about: &str,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let actor = &permitted(transaction, actor)?;
    let login = match actor.who {
        Doer::Nobody => None,
        Doer::CommandLine => Some(COMMAND_LINE.to_owned()),
        Doer::Person(id) => first(
            transaction,
            "SELECT login FROM people WHERE id = ?1",
            [id.0],
            |row| Ok(row.get(0)?),
        )?,
    };
    let about = match about {
        "" => Value::Null,
        about => cut(about, MAX_ABOUT_BYTES).into(),
    };
    execute(
        transaction,
        "INSERT INTO audit (at_ms, person_id, login, action, about, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            now_ms,
            actor.id().map(|id| id.0),
            login,
            action.as_str(),
            about,
            actor
                .address()
                .map(|address| cut(address, MAX_ADDRESS_BYTES)),
        ],
    )?;
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<Entry, AccountsError> {
    Ok(Entry {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        person: row.get(2)?,
        who: row.get(3)?,
        action: row.get(4)?,
        about: row.get(5)?,
        address: row.get(6)?,
    })
}
