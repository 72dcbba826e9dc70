//! What a person has of a document, in one of two engines.

use ropewalk_crdt::{Document, Edit, ROOT, Unit, VersionVector};
use yrs::updates::decoder::Decode as _;
use yrs::updates::encoder::Encode as _;
use yrs::{Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _};
use yrs::{Transact as _, Update};

use crate::ranges::Said;
use Engine::{Ropewalk, Yjs};

pub struct Replica {
    client: u64,
    engine: Engine,
}

enum Engine {
    Ropewalk(Box<Document>),
    Yjs(Doc),
}

impl Replica {
    pub fn new(client: u64, yjs: bool) -> Self {
        if !yjs {
            let engine = Ropewalk(Box::new(Document::new(client)));
            return Self { client, engine };
        }
        let doc = Doc::with_options(Options {
            client_id: yrs::block::ClientID::new(client),
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        });
        doc.get_or_insert_text(ROOT);
        let engine = Yjs(doc);
        Self { client, engine }
    }

    pub fn client(&self) -> u64 {
        self.client
    }

    pub fn apply(&mut self, update: &[u8]) -> Result<(), String> {
        match &mut self.engine {
            Ropewalk(document) => {
                let applied = document.apply(update);
                applied.map(drop).map_err(|error| error.to_string())
            }
            Yjs(doc) => {
                let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
                let applied = doc.transact_mut().apply_update(update);
                applied.map_err(|error| error.to_string())
            }
        }
    }

    pub fn vector(&self) -> VersionVector {
        match &self.engine {
            Ropewalk(document) => document.version().vector.clone(),
            Yjs(doc) => {
                let vector = doc.transact().state_vector().encode_v1();
                VersionVector::decode(&vector).expect("yrs writes vectors")
            }
        }
    }

    pub fn diff(&mut self, since: &VersionVector) -> Vec<u8> {
        match &mut self.engine {
            Ropewalk(document) => document.diff(since),
            Yjs(doc) => {
                let since = StateVector::decode_v1(&since.encode()).expect("a vector");
                doc.transact().encode_diff_v1(&since)
            }
        }
    }

    pub fn state(&mut self) -> Vec<u8> {
        self.diff(&VersionVector::new())
    }

    pub fn said(&mut self) -> Said {
        Said::of(&self.state()).expect("a replica writes updates")
    }

    /// What waits for something that has not come.
    pub fn waiting(&self) -> Said {
        let updates = match &self.engine {
            Ropewalk(document) => document.waiting(),
            Yjs(doc) => {
                let transaction = doc.transact();
                let store = transaction.store();
                let update = store.pending_update();
                let update = update.map(|pending| pending.update.encode_v1());
                let deletes = store.pending_ds();
                let deletes = deletes.map(|set| [vec![0], set.encode_v1()].concat());
                update.into_iter().chain(deletes).collect()
            }
        };
        let mut waiting = Said::default();
        for update in updates {
            waiting.add(&update).expect("a replica writes updates");
        }
        waiting
    }

    pub fn text(&self) -> String {
        match &self.engine {
            Ropewalk(document) => document.text(ROOT).to_string(),
            Yjs(doc) => {
                let text = doc.get_or_insert_text(ROOT);
                text.get_string(&doc.transact())
            }
        }
    }

    /// Replaces `remove` UTF-16 units at `at`; returns the update that says so.
    pub fn edit(&mut self, at: u32, remove: u32, insert: &str) -> Vec<u8> {
        match &mut self.engine {
            Ropewalk(document) => {
                let base = document.version().clone();
                let edit = Edit {
                    from: at.into(),
                    to: (at + remove).into(),
                    insert: insert.to_owned(),
                };
                let edited = document.edit(&base, ROOT, Unit::Utf16, &[edit]);
                edited.expect("a place in the text")
            }
            Yjs(doc) => {
                let text = doc.get_or_insert_text(ROOT);
                let mut transaction = doc.transact_mut();
                if remove > 0 {
                    text.remove_range(&mut transaction, at, remove);
                }
                if !insert.is_empty() {
                    text.insert(&mut transaction, at, insert);
                }
                transaction.encode_update_v1()
            }
        }
    }
}
