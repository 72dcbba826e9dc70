//! What the accounts say at one moment.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Access, Claims, Denied, GrantId, GroupId, Holder, Item, LinkId, PersonId, SessionId, Subject,
    Target, TokenId, Who,
};
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry};

/// SHA-256 of a secret of 256 random bits. The secret itself is kept nowhere.
pub type Hash = [u8; 32];

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What they sign in with.
    pub login: String,
    /// The name that they have.
    pub name: String,
    /// The name that others see: with the login, where they would be taken for another.
    pub shown: String,
    /// The colour of their cursor, as `#rrggbb`, if they chose one.
    pub color: Option<String>,
    /// Administrators own all documents, and look after the accounts.
    pub is_admin: bool,
    /// They may do nothing, and are not forgotten.
    pub is_disabled: bool,
    /// Whether they can sign in with one.
    pub has_password: bool,
    /// What groups they are in.
    pub groups: Vec<GroupId>,
}

/// A browser that somebody is signed in with, or came to by links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Who, if anybody is signed in.
    pub person: Option<PersonId>,
    /// Links that were followed there.
    pub links: Vec<LinkId>,
    /// In milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose.
    pub person: PersonId,
    /// What can be done with it, if its person may.
    pub access: Access,
    /// For what.
    pub target: Target,
    /// In milliseconds since the Unix epoch; forever without.
    pub expires_at_ms: Option<i64>,
}

/// A link that shares something with whoever has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What.
    pub item: Item,
    /// What may be done with it.
    pub access: Access,
    /// In milliseconds since the Unix epoch; forever without.
    pub expires_at_ms: Option<i64>,
    /// It alone is not enough.
    pub has_password: bool,
    /// Who made it, if it was a person.
    pub made_by: Option<PersonId>,
}

/// Access that somebody was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names it.
    pub id: GrantId,
    /// To what.
    pub item: Item,
    /// Who.
    pub subject: Subject,
    /// Which.
    pub access: Access,
}

/// What is known of a document.
#[derive(Clone, Copy, Debug)]
pub struct Known<'d> {
    /// What it is called.
    pub name: &'d DocumentName,
    /// Its identity, once it is stored.
    pub id: Option<DocumentId>,
    /// Whose it is, if that is somebody with an account: who began it, or was handed it.
    pub owner: Option<PersonId>,
}

impl<'d> From<&'d Entry> for Known<'d> {
    fn from(entry: &'d Entry) -> Self {
        Self {
            name: &entry.name,
            id: Some(entry.id()),
            owner: entry.owner,
        }
    }
}

impl<'d> Known<'d> {
    /// A document that nobody has begun.
    pub fn absent(name: &'d DocumentName) -> Self {
        Self {
            name,
            id: None,
            owner: None,
        }
    }
}

/// What somebody goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called<'r> {
    /// Nobody knows better.
    AsTheySay,
    /// They are this.
    Person(&'r Person),
    /// Whoever sent them says so.
    Name(String),
    /// They came by a link, and say so.
    Guest,
}

/// See the module. What is revoked is not in it.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// There are no accounts, and whoever reaches the server may do everything.
    pub is_open: bool,
    /// Which change of the accounts they are of.
    pub changes: u64,
    /// Rows of the accounts that cannot be read and are not in here.
    pub unreadable: usize,
    /// Some of them gave access, and it is not known to what.
    pub lacks_targets: bool,
    /// All accounts.
    pub people: HashMap<PersonId, Person>,
    /// Sessions by the hash of their secret; a session that has just got another one has two.
    pub sessions: HashMap<Hash, SessionId>,
    /// Hashes of secrets that sessions have got and that nobody has used yet.
    pub unused: HashSet<Hash>,
    /// Sessions.
    pub sessions_by_id: HashMap<SessionId, Session>,
    /// API tokens by the hash of their secret.
    pub tokens: HashMap<Hash, TokenId>,
    /// API tokens.
    pub tokens_by_id: HashMap<TokenId, Token>,
    /// Links by the hash of their secret.
    pub links: HashMap<Hash, LinkId>,
    /// Links.
    pub links_by_id: HashMap<LinkId, Link>,
    /// Grants by what they are for.
    pub grants: BTreeMap<Target, Vec<Grant>>,
}

impl Rules {
    /// Everybody may do everything.
    pub fn open() -> Self {
        Self {
            is_open: true,
            ..Self::default()
        }
    }

    /// Whether nobody may do anything.
    pub fn is_closed(&self) -> bool {
        !self.is_open && self.people.is_empty() && self.sessions.is_empty()
    }

    /// The person that somebody is, if they are signed in or have a token of theirs. `now_ms`: milliseconds since the Unix epoch.
    pub fn person(&self, who: &Who, now_ms: i64) -> Option<(PersonId, &Person)> {
        let token = || self.token(who, now_ms).map(|token| token.person);
        let id = self.signed_in(who, now_ms).or_else(token)?;
        let person = self.people.get(&id)?;
        (!person.is_disabled).then_some((id, person))
    }

    /// What somebody is called, if that is not theirs to say: the name and the colour that others see. Guests say it, and are marked.
    pub fn called(&self, who: &Who, now_ms: i64) -> Called<'_> {
        if self.is_open {
            return Called::AsTheySay;
        }
        match (self.person(who, now_ms), &who.claims) {
            (Some((_, person)), _) => Called::Person(person),
            (None, Some(claims)) => Called::Name(claims.name.clone()),
            (None, None) => Called::Guest,
        }
    }

    /// What the document token says that somebody brought along. Before there is anybody it says nothing.
    fn claims<'w>(&self, who: &'w Who, now_ms: i64) -> Option<&'w Claims> {
        let claims = who.claims.as_deref()?;
        (claims.expires_at_ms > now_ms && !self.people.is_empty()).then_some(claims)
    }

    /// Whose session it is that somebody brought along. A browser that came by links has one, too, and nobody is signed in there.
    pub fn signed_in(&self, who: &Who, now_ms: i64) -> Option<PersonId> {
        let id = self.session(who, now_ms)?.person?;
        let person = self.people.get(&id)?;
        (!person.is_disabled).then_some(id)
    }

    /// Whether somebody acts as the person that they are, and not with a token that is for less than all this person may.
    pub fn is_whole(&self, who: &Who, now_ms: i64) -> bool {
        let is_whole =
            |token: &Token| token.access == Access::Own && token.target == Target::Everything;
        self.signed_in(who, now_ms).is_some() || self.token(who, now_ms).is_some_and(is_whole)
    }

    /// Whether somebody looks after the accounts. A token does so only if it is for everything and to own it.
    pub fn is_admin(&self, who: &Who, now_ms: i64) -> bool {
        let person = self.person(who, now_ms);
        self.is_whole(who, now_ms) && person.is_some_and(|(_, person)| person.is_admin)
    }

    fn session(&self, who: &Who, now_ms: i64) -> Option<&Session> {
        let session = self.sessions_by_id.get(&who.session?)?;
        (session.expires_at_ms > now_ms).then_some(session)
    }

    fn token(&self, who: &Who, now_ms: i64) -> Option<&Token> {
        let token = self.tokens_by_id.get(&who.token?)?;
        is_before(now_ms, token.expires_at_ms).then_some(token)
    }

    /// Whether anything that somebody brought along counts.
    pub fn is_known(&self, who: &Who, now_ms: i64) -> bool {
        let is_valid = |id: &LinkId| {
            let link = self.links_by_id.get(id);
            link.is_some_and(|link| {
                is_before(now_ms, link.expires_at_ms)
                    && self.is_backed(link.made_by, &link.item.target, None)
            })
        };
        let followed = self.session(who, now_ms).map(|session| &session.links);
        self.is_open
            || self.person(who, now_ms).is_some()
            || self.open_link(who).is_some_and(|id| is_valid(&id))
            || followed.is_some_and(|links| links.iter().any(is_valid))
            || self.claims(who, now_ms).is_some_and(|claims| {
                let by = claims.by.as_ref();
                by.is_none_or(|by| self.is_known(by, now_ms))
            })
    }

    /// Whom the connections of somebody count for, if they can be told from others by what they brought along.
    pub fn holder(&self, who: &Who, now_ms: i64) -> Option<Holder> {
        if let Some((id, _)) = self.person(who, now_ms) {
            return Some(Holder::Person(id));
        }
        let claims = who.claims.as_ref();
        if let Some(claims) = claims.filter(|claims| claims.expires_at_ms > now_ms) {
            // Who hands on what they may do gains no room by it; administrators do that for an application.
            let by = claims.by.as_ref().filter(|by| !self.is_admin(by, now_ms));
            return match by {
                None => Some(Holder::Bearer(claims.bearer())),
                Some(by) => match self.holder(by, now_ms)? {
                    Holder::Person(id) => Some(Holder::Guests(id)),
                    other => Some(other),
                },
            };
        }
        // Of several that were followed there, always the same.
        let session = self.session(who, now_ms);
        let followed = session.and_then(|session| session.links.iter().max().copied());
        self.open_link(who).or(followed).map(Holder::Link)
    }

    /// A link that somebody brought along and that needs no password.
    fn open_link(&self, who: &Who) -> Option<LinkId> {
        let id = who.link?;
        let link = self.links_by_id.get(&id)?;
        (!link.has_password).then_some(id)
    }

    /// What somebody may do with a document; the best of all that they brought along.
    pub fn access(&self, who: &Who, document: &Known<'_>, now_ms: i64) -> Access {
        if self.is_open {
            return Access::Own;
        }
        let name = document.name;
        let mut best = Access::None;
        let session = self.session(who, now_ms);
        if let Some(session) = session {
            if let Some(person) = session.person {
                best = best.max(self.of_person(person, document));
            }
            for link in &session.links {
                best = best.max(self.of_link(*link, document, now_ms));
            }
        }
        if let Some(token) = self.token(who, now_ms)
            && token.target.covers(name)
        {
            best = best.max(token.access.min(self.of_person(token.person, document)));
        }
        if let Some(link) = self.open_link(who) {
            best = best.max(self.of_link(link, document, now_ms));
        }
        if let Some(claims) = self.claims(who, now_ms)
            && claims.target.covers(name)
        {
            let most = claims
                .by
                .as_ref()
                .map_or(Access::Own, |by| self.access(by, document, now_ms));
            best = best.max(claims.access.min(most));
        }
        best
    }

    /// Why somebody who has `access` to a document may not do what needs more.
    pub fn denies(&self, who: &Who, access: Access, need: Access, now_ms: i64) -> Option<Denied> {
        if access >= need {
            return None;
        }
        Some(match access {
            Access::None if !self.is_known(who, now_ms) => Denied::NotKnown,
            Access::None => Denied::NotAllowed,
            Access::Read | Access::Comment if need == Access::Edit => Denied::ReadOnly,
            _ => Denied::NotOwner,
        })
    }

    fn of_person(&self, id: PersonId, document: &Known<'_>) -> Access {
        let Some(person) = self.people.get(&id).filter(|person| !person.is_disabled) else {
            return Access::None;
        };
        if person.is_admin || document.owner == Some(id) {
            return Access::Own;
        }
        self.granted(&Target::Document(document.name.clone()))
            .filter(|grant| grant.item.is_of(document.id) && is_for(grant, id, person))
            .map(|grant| grant.access)
            .max()
            .unwrap_or_default()
    }

    /// What somebody was given for themselves or with a group of theirs, and everyone else was not with it; the best of each.
    pub fn given(&self, who: &Who, now_ms: i64) -> Vec<(&Item, Access)> {
        let Some((id, person)) = self.person(who, now_ms) else {
            return Vec::new();
        };
        let is_signed_in = self.signed_in(who, now_ms).is_some();
        let token = self.token(who, now_ms);
        let most = |target: &Target| match token {
            _ if is_signed_in => Access::Own,
            Some(token) if token.target.includes(target) => token.access,
            _ => Access::None,
        };
        let mut given: Vec<(&Item, Access)> = Vec::new();
        for grants in self.grants.values() {
            let first = given.len();
            let theirs = grants
                .iter()
                .filter(|grant| grant.subject != Subject::Everyone && is_for(grant, id, person));
            for grant in theirs {
                let access = grant.access.min(most(&grant.item.target));
                let mut known = given[first..].iter_mut();
                match known.find(|(item, _)| **item == grant.item) {
                    Some((_, best)) => *best = access.max(*best),
                    None => given.push((&grant.item, access)),
                }
            }
        }
        given.retain(|(_, access)| *access >= Access::Read);
        given
    }

    /// All grants that are about a target.
    fn granted(&self, target: &Target) -> impl Iterator<Item = &Grant> {
        let all = target.above().into_iter().chain([target.clone()]);
        all.filter_map(|target| self.grants.get(&target)).flatten()
    }

    /// Whether somebody owns all documents of a target, also those to come: administrators, and whoever was given that.
    pub fn owns_all(&self, who: &Who, target: &Target, now_ms: i64) -> bool {
        let token = self.token(who, now_ms);
        let token = token
            .filter(|token| token.access == Access::Own && token.target.includes(target))
            .map(|token| token.person);
        let signed_in = self.signed_in(who, now_ms);
        let mut all = signed_in.into_iter().chain(token);
        self.is_open || all.any(|id| self.person_owns_all(id, target))
    }

    /// Whether somebody who owns a document may make it another's: who began it or was handed it, and administrators.
    pub fn may_hand_over(&self, who: &Who, owner: Option<PersonId>, now_ms: i64) -> bool {
        let person = self.person(who, now_ms);
        person.is_some_and(|(id, person)| person.is_admin || owner == Some(id))
    }

    fn person_owns_all(&self, id: PersonId, target: &Target) -> bool {
        let person = self.people.get(&id).filter(|person| !person.is_disabled);
        person.is_some_and(|person| {
            let is_own = |grant: &Grant| grant.access == Access::Own && is_for(grant, id, person);
            person.is_admin || self.granted(target).any(is_own)
        })
    }

    /// What a link lets its bearer do with a document.
    pub fn of_link(&self, id: LinkId, document: &Known<'_>, now_ms: i64) -> Access {
        let counts = |link: &&Link| {
            is_before(now_ms, link.expires_at_ms)
                && link.item.covers(document)
                && self.is_backed(link.made_by, &link.item.target, Some(document))
        };
        let link = self.links_by_id.get(&id).filter(counts);
        link.map(|link| link.access).unwrap_or_default()
    }

    /// Whether who made a link may still share what it is to: as long as they may not, it leads nowhere. What nobody with an account
    /// made counts. Of a document that is not looked at it is asked only whether its maker may do anything.
    pub fn is_backed(
        &self,
        maker: Option<PersonId>,
        target: &Target,
        document: Option<&Known<'_>>,
    ) -> bool {
        let Some(id) = maker else {
            return true;
        };
        match (target, document) {
            (Target::Document(_), Some(document)) => self.of_person(id, document) >= Access::Own,
            (Target::Document(_), None) => {
                let person = self.people.get(&id);
                person.is_some_and(|person| !person.is_disabled)
            }
            (folder, _) => self.person_owns_all(id, folder),
        }
    }

    /// Whether somebody may begin a document of this name, if there is none. Where a folder was given to anybody, only those may who can
    /// edit there; everywhere else whoever has an account.
    pub fn may_begin(&self, who: &Who, name: &DocumentName, now_ms: i64) -> bool {
        let nobodys = Known::absent(name);
        if self.access(who, &nobodys, now_ms) >= Access::Edit {
            return true;
        }
        let token = self.token(who, now_ms);
        let is_limited = self.signed_in(who, now_ms).is_none()
            && !token
                .is_some_and(|token| token.access >= Access::Edit && token.target.covers(name));
        let is_given = self.lacks_targets
            || self
                .granted(&Target::Document(name.clone()))
                .any(|grant| matches!(grant.item.target, Target::Folder(_)));
        !is_limited && !is_given && self.person(who, now_ms).is_some()
    }

    /// When the next of what counts now will not count any more, in milliseconds since the Unix epoch.
    pub fn next_end_ms(&self, now_ms: i64) -> Option<i64> {
        let sessions = self
            .sessions_by_id
            .values()
            .map(|session| session.expires_at_ms);
        let tokens = self
            .tokens_by_id
            .values()
            .filter_map(|token| token.expires_at_ms);
        let links = self
            .links_by_id
            .values()
            .filter_map(|link| link.expires_at_ms);
        sessions
            .chain(tokens)
            .chain(links)
            .filter(|&end| end > now_ms)
            .min()
    }
}

fn is_for(grant: &Grant, id: PersonId, person: &Person) -> bool {
    match grant.subject {
        Subject::Everyone => true,
        Subject::Person(other) => other == id,
        Subject::Group(group) => person.groups.contains(&group),
    }
}

fn is_before(now_ms: i64, end_ms: Option<i64>) -> bool {
    end_ms.is_none_or(|end| now_ms < end)
}

#[cfg(test)]
mod tests;
