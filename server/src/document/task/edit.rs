//! Edits by position.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, ClientId, Edit, Revision, Unit, past};

use super::saving::{Accepted, Answer};
use super::{End, Existence, Task};
use crate::access::Who;
use crate::document::cursor::Selection;
use crate::document::edit::{
    Change, Changes, Edited, Found, Key, MAX_EDITS, OnlyAt, Request, Since,
};
use crate::document::{Refused, Reply, Version};
use crate::storage::Receipt;

/// The longest text that is looked through at once, in UTF-16 units.
const AT_ONCE: u64 = 64 << 10;

/// Edits of a text, of the version that the caller has seen.
struct Made {
    base: Revision,
    unit: Unit,
    edits: Vec<Edit>,
}

impl Task {
    pub(super) async fn edit(
        &mut self,
        request: Request,
        reply: Reply<Edited>,
    ) -> ControlFlow<End> {
        let mut edited = match self.edited(request, &reply.who) {
            Ok(edited) => edited,
            Err(refused) => {
                if refused == Refused::TooLarge {
                    self.app.metrics.refused_too_large.add_one();
                }
                reply.send(Err(refused));
                return ControlFlow::Continue(());
            }
        };
        // A document that begins has no identity before.
        if self.existence != Existence::Stored && self.flush().await.is_break() {
            reply.send(Err(Refused::Storage));
            return ControlFlow::Break(self.storage_failed());
        }
        if !edited.is_repeated {
            edited.version = self.version();
        }
        self.answer_when_durable(Answer::Edited(reply, edited));
        ControlFlow::Continue(())
    }

    /// Makes an edit.
    fn edited(&mut self, request: Request, who: &Who) -> Result<Edited, Refused> {
        let Request {
            root,
            change,
            only_at,
            key,
            digest,
            author,
        } = request;
        let may_begin = match &change {
            Change::Append(_) => true,
            Change::Edits { base, .. } => *base == Some(Version::NOTHING),
            Change::Replace { .. } => false,
        };
        let begins = may_begin && self.existence == Existence::Absent;
        if !begins {
            self.stored()?;
        }
        let person = self.person(who);
        let told = key.as_ref();
        let of = self.of(who);
        let told = told.and_then(|key| self.receipts.told(of, key, digest));
        if let Some(receipt) = told {
            let (before, now) = (receipt.digest, digest);
            if before.is_some() && now.is_some() && before != now {
                return Err(Refused::KeyUsed);
            }
            return Ok(self.repeated(receipt));
        }
        self.is_at(only_at.as_ref())?;
        let before = self.version();
        let Made { base, unit, edits } = self.made(&root, change)?;
        let theirs = self.document.changes(base, &root, unit).map_err(refused)?;
        let from = self.own_end();
        let update = self.document.edit(base, &root, unit, &edits);
        let update = Bytes::from(update.map_err(refused)?);
        let changed = self.document.revision() != before.revision;
        let length = self.document.len_utf16(&root);
        let receipt = key.map(|Key { client, request }| Receipt {
            client: of.own(&client),
            request,
            sequence: self.newest() + 1,
            restores: self.restores,
            revision: self.document.revision(),
            length,
            digest,
        });
        if changed || begins || receipt.is_some() {
            self.whole = None;
            self.begun_by(person);
            let forgotten = match &receipt {
                Some(receipt) => self.receipts.add(receipt.clone()),
                None => Vec::new(),
            };
            // An update that says nothing only takes the place that the receipt names.
            let kept = match changed || begins {
                true => update.clone(),
                false => Bytes::new(),
            };
            let author = self.named(author, who);
            let wrote = self.written_for(person, from);
            self.accepted.push(Accepted {
                author,
                wrote,
                news: changed.then_some(update),
                receipt,
                forgotten,
                ..Accepted::of(kept)
            });
        }
        Ok(Edited {
            before,
            version: before,
            length,
            others: past(&theirs, &edits, unit),
            is_repeated: false,
        })
    }

    /// Whether the document is at a version that something is to be done at.
    pub(super) fn is_at(&self, only_at: Option<&OnlyAt>) -> Result<(), Refused> {
        let now = self.version();
        let is_there = match only_at {
            None => true,
            Some(OnlyAt::Any) => self.existence == Existence::Stored,
            Some(OnlyAt::One(versions)) => versions.iter().any(|at| at.is_state_of(&now)),
        };
        is_there.then_some(()).ok_or(Refused::Moved)
    }

    fn repeated(&self, receipt: &Receipt) -> Edited {
        let version = Version {
            id: self.id,
            restores: receipt.restores,
            sequence: receipt.sequence,
            revision: receipt.revision,
        };
        Edited {
            before: version,
            version,
            length: receipt.length,
            others: Vec::new(),
            is_repeated: true,
        }
    }

    /// Whether a version is one of this document, and of this database.
    pub(super) fn has(&self, version: &Version) -> bool {
        let is_ours = version.id == self.id && version.restores == self.restores;
        // Everything begins with nothing.
        is_ours || *version == Version::NOTHING
    }

    pub(super) fn changes(
        &mut self,
        since: Option<Version>,
        root: &str,
        unit: Unit,
        last: Option<String>,
        cursors: &[(ClientId, Selection)],
        reply: Reply<Changes>,
    ) {
        if let Err(refused) = self.stored() {
            return reply.send(Err(refused));
        }
        let known = since.filter(|since| self.has(since));
        let is_replaced = since.is_some() && known.is_none();
        let edits = known.map(|since| self.document.changes(since.revision, root, unit));
        let locate = |place| self.document.locate(root, unit, place);
        let cursors = cursors.iter().map(|&(client, (anchor, head))| {
            let found = locate(anchor).zip(locate(head));
            (client, found)
        });
        let changes = Changes {
            last,
            cursors: cursors.collect(),
            version: self.version(),
            is_replaced,
            since: match edits {
                Some(Ok(edits)) => Since::Edits(edits),
                Some(Err(_)) | None => Since::Text(self.document.text(root)),
            },
        };
        self.answer_when_durable(Answer::Changes(reply, changes));
    }

    fn made(&self, root: &str, change: Change) -> Result<Made, Refused> {
        let now = self.document.revision();
        let (base, unit, edits) = match change {
            Change::Edits {
                base: Some(base), ..
            } if !self.has(&base) => return Err(Refused::Replaced),
            Change::Edits { base, unit, edits } => {
                (base.map_or(now, |base| base.revision), unit, edits)
            }
            Change::Append(insert) => {
                let end = self.document.len_utf16(root);
                let edit = Edit {
                    from: end,
                    to: end,
                    insert,
                };
                (now, Unit::Utf16, vec![edit])
            }
            Change::Replace {
                find,
                replace,
                count,
                found,
            } => {
                let found = self.found(root, &find, found)?;
                if count.is_some_and(|count| count != found.count) {
                    let found = found.count;
                    return Err(Refused::Count { found });
                }
                // Before it is written so often.
                let inserted = found.count.saturating_mul(replace.len());
                if found.count > MAX_EDITS || inserted > self.app.config.max_text_bytes {
                    return Err(Refused::TooLarge);
                }
                let edits = found.at.iter().map(|&at| Edit {
                    from: at,
                    to: at + find.len() as u64,
                    insert: replace.clone(),
                });
                (found.base.revision, Unit::Utf8, edits.collect())
            }
        };
        if edits.len() > MAX_EDITS {
            return Err(Refused::TooLarge);
        }
        Ok(Made { base, unit, edits })
    }

    /// Where something is in a text, if it is still where somebody has found it. A long text is not looked through here, as everybody would
    /// have to wait.
    fn found(
        &self,
        root: &str,
        find: &str,
        found: Option<Arc<Found>>,
    ) -> Result<Arc<Found>, Refused> {
        let Some(found) = found else {
            if self.document.len_utf16(root) > AT_ONCE {
                return Err(Refused::Unsearched);
            }
            let text = self.document.text(root);
            return Ok(Arc::new(Found::look(&text, find, self.version())));
        };
        let since = self.document.changes(found.base.revision, root, Unit::Utf8);
        match since {
            Ok(since) if self.has(&found.base) && found.survives(&since, find.len() as u64) => {
                Ok(found)
            }
            _ => Err(Refused::Unsearched),
        }
    }
}

fn refused(error: crdt::Error) -> Refused {
    match error {
        crdt::Error::Stale => Refused::Stale,
        crdt::Error::OutOfRange { offset, length } => Refused::OutOfRange { offset, length },
        crdt::Error::NotBoundary { offset } => Refused::NotBoundary { offset },
        crdt::Error::Unsorted { index } => Refused::Unsorted { index },
        crdt::Error::Unsupported { .. } => Refused::NotText,
        _ => Refused::TooLarge,
    }
}
