//! What must be true, whatever happens. People tell it what they do, the disk what it holds, and the server's lines what
//! it says.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk::name::DocumentName;
use ropewalk::storage::{Append, DocumentId, Stored};
use ropewalk_crdt::protocol::{self, Message};
use ropewalk_crdt::{Document, Limits};

use crate::ranges::Said;
use crate::token::{self, Token};

/// What somebody did.
#[derive(Debug)]
pub struct Edit {
    pub said: Said,
    pub inserted: Option<Token>,
    pub deleted: Vec<Token>,
}

/// Somebody with a replica of a document.
pub struct Author {
    pub document: DocumentName,
    pub client: u64,
    /// Writes each token behind the last of its own that is left.
    pub goes_on: bool,
    edits: Vec<Edit>,
    /// How many of them the server has said are saved.
    promised: u64,
    /// Closed the page: what was not saved may be lost.
    gone: bool,
}

#[derive(Default)]
pub struct Oracle {
    authors: Vec<Author>,
    connections: BTreeMap<u64, Option<u32>>,
    names: BTreeMap<DocumentId, DocumentName>,
    /// What is on disk, and what of it the server has said is there.
    committed: BTreeMap<DocumentName, Said>,
    promised: BTreeMap<DocumentName, Said>,
    /// What somebody else than its author sent.
    relayed: BTreeMap<DocumentName, Said>,
    /// Documents that are in the trash.
    trash: BTreeSet<DocumentName>,
    /// What was sent before the server said what it has.
    early: BTreeMap<DocumentName, Said>,
}

/// The marker of an author for all edits up to now.
pub fn marker(author: u32, connection: u64, edits: u64) -> Vec<u8> {
    let mut payload = author.to_le_bytes().to_vec();
    payload.extend((connection as u32).to_le_bytes());
    payload.extend(edits.to_le_bytes());
    payload
}

/// The author, connection and number of edits in a marker.
pub fn marked(payload: &[u8]) -> Option<(u32, u64, u64)> {
    let payload: [u8; 16] = payload.try_into().ok()?;
    let (author, rest) = payload.split_first_chunk()?;
    let (connection, edits) = rest.split_first_chunk()?;
    let edits = edits.try_into().ok()?;
    Some((
        u32::from_le_bytes(*author),
        u32::from_le_bytes(*connection).into(),
        u64::from_le_bytes(edits),
    ))
}

impl Oracle {
    /// Somebody opens a document for the first time.
    pub fn author(&mut self, document: DocumentName, client: u64, goes_on: bool) -> u32 {
        self.authors.push(Author {
            document,
            client,
            goes_on,
            edits: Vec::new(),
            promised: 0,
            gone: false,
        });
        (self.authors.len() - 1) as u32
    }

    pub fn connected(&mut self, connection: u64, author: Option<u32>) {
        self.connections.insert(connection, author);
        if let Some(author) = author {
            // What is still on its way over the connection before comes to this one as news of somebody else.
            let Author {
                document, edits, ..
            } = &self.authors[author as usize];
            let relayed = self.relayed.entry(document.clone()).or_default();
            edits.iter().for_each(|edit| relayed.join(&edit.said));
        }
    }

    /// Somebody edits; answers how many edits that makes.
    pub fn edits(&mut self, author: u32, edit: Edit) -> u64 {
        let author = &mut self.authors[author as usize];
        author.edits.push(edit);
        author.edits.len() as u64
    }

    /// Somebody closes the page.
    pub fn leaves(&mut self, author: u32) {
        self.authors[author as usize].gone = true;
    }

    /// Whether nobody who is still there writes under this id: a page was closed, or it was a stranger.
    pub fn is_gone(&self, client: u64) -> bool {
        let mut authors = self.authors.iter();
        !authors.any(|author| author.client == client && !author.gone)
    }

    /// How many units somebody has written.
    pub fn written(&self, client: u64) -> u64 {
        let mut authors = self.authors.iter();
        let author = authors.find(|author| author.client == client);
        let edits = author.iter().flat_map(|author| &author.edits);
        let ends = edits.flat_map(|edit| edit.said.inserted.iter());
        ends.map(|(.., end)| end.into()).max().unwrap_or(0)
    }

    /// Client ids of the people of a document.
    pub fn clients(&self, document: &DocumentName) -> Vec<u64> {
        let authors = self.authors.iter();
        let authors = authors.filter(|author| author.document == *document);
        authors.map(|author| author.client).collect()
    }

    /// Somebody sends an edit to a server that may lack what it builds on. It may come back as news, when what it waits
    /// for comes from somebody else.
    pub fn sends_early(&mut self, author: u32, said: &Said) {
        let document = self.authors[author as usize].document.clone();
        self.early.entry(document).or_default().join(said);
    }

    /// Somebody sends all that the server lacks, of others too.
    pub fn relays(&mut self, author: u32, update: &[u8]) {
        let Author {
            document, client, ..
        } = &self.authors[author as usize];
        let Ok(said) = Said::of(update) else {
            return;
        };
        let relayed = self.relayed.entry(document.clone()).or_default();
        for (of, start, end) in said.inserted.iter().filter(|(of, ..)| of != client) {
            relayed.inserted.add(of, start, end);
        }
    }

    /// Whether it was ever said of these units that they are saved.
    pub fn has_promised(&self, document: &DocumentName, client: u64, end: u32) -> bool {
        let promised = self.promised.get(document);
        promised.is_some_and(|promised| promised.inserted.has(client, 0, end))
    }

    /// The disk has taken something.
    pub fn commits(&mut self, append: &Append) {
        if let Some(begin) = &append.create {
            self.names.insert(append.id, begin.name.clone());
        }
        let Some(name) = self.names.get(&append.id) else {
            return;
        };
        let committed = self.committed.entry(name.clone()).or_default();
        for record in &append.updates {
            // An update that cannot be read is found when it is loaded.
            let _ = committed.add(&record.update);
        }
    }

    /// A document has gone into the trash, or come back.
    pub fn moves(&mut self, id: DocumentId, is_trash: bool) {
        if let Some(name) = self.names.get(&id).cloned() {
            match is_trash {
                true => self.trash.insert(name),
                false => self.trash.remove(&name),
            };
        }
    }

    /// The server reads a document: all that it ever said is saved must be in there.
    pub fn loads(&self, name: &DocumentName, stored: Option<&Stored>) -> Result<(), String> {
        let promised = self.promised.get(name);
        let Some(promised) = promised.filter(|said| **said != Said::default()) else {
            return Ok(());
        };
        if self.trash.contains(name) {
            return match stored {
                None => Ok(()),
                Some(_) => Err(format!("{name} is in the trash, and is there")),
            };
        }
        let Some(stored) = stored else {
            return Err(format!("{name} was saved and is not there"));
        };
        let error = |error: ropewalk_crdt::Error| format!("{name} cannot be loaded: {error}");
        let mut document = match &stored.snapshot {
            Some(snapshot) => {
                Document::open_with_limits(0, snapshot, Limits::NONE).map_err(error)?
            }
            None => Document::with_limits(0, Limits::NONE),
        };
        for update in &stored.updates {
            document.replay(update).map_err(error)?;
        }
        document.replayed();
        self.hangs_together(name, &document)
            .map_err(|what| format!("{name} has {what}"))?;
        let mut held = Said::of(&document.encode()).map_err(error)?;
        for waiting in document.waiting() {
            held.add(&waiting).map_err(error)?;
        }
        match held.lacks(promised) {
            Some(missing) => Err(format!("{name} was saved and lacks {missing}")),
            None => Ok(()),
        }
    }

    /// What is written in order is on disk in order: nobody's unit is there without the one before, but what was sent
    /// too early.
    fn hangs_together(&self, name: &DocumentName, document: &Document) -> Result<(), String> {
        let clients = self.clients(name);
        let nothing = Said::default();
        let early = self.early.get(name).unwrap_or(&nothing);
        let mut waiting = Said::default();
        for update in document.waiting() {
            waiting.add(&update).map_err(|error| error.to_string())?;
        }
        let known = &document.version().vector;
        for (client, start, end) in waiting.inserted.iter() {
            let torn = u64::from(start) > known.get(client);
            if torn && clients.contains(&client) && !early.inserted.has(client, start, end) {
                return Err(format!(
                    "{start}..{end} of {client} without what came before"
                ));
            }
        }
        Ok(())
    }

    /// The server says something on a connection.
    pub fn hears(&mut self, connection: u64, frame: &[u8]) -> Result<(), String> {
        if is_slow(frame) {
            return Ok(());
        }
        match protocol::decode(frame) {
            Ok(Message::Saved(payload)) => self.promises(payload),
            Ok(Message::Update(update)) => self.echoes(connection, update),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the server sends what is no frame: {error}")),
        }
    }

    fn promises(&mut self, payload: &[u8]) -> Result<(), String> {
        let Some((author, _, edits)) = marked(payload) else {
            return Ok(());
        };
        let Some(author) = self.authors.get_mut(author as usize) else {
            return Ok(());
        };
        let committed = self.committed.entry(author.document.clone()).or_default();
        let promised = self.promised.entry(author.document.clone()).or_default();
        while author.promised < edits {
            let edit = &author.edits[author.promised as usize];
            if let Some(missing) = committed.lacks(&edit.said) {
                return Err(format!(
                    "edit {edits} is acknowledged, and {missing} is not on disk"
                ));
            }
            promised.join(&edit.said);
            author.promised += 1;
        }
        Ok(())
    }

    /// A client that knows no markers takes its own update for saved when it comes back.
    fn echoes(&self, connection: u64, update: &[u8]) -> Result<(), String> {
        let Some(Some(author)) = self.connections.get(&connection) else {
            return Ok(());
        };
        let Author {
            document, client, ..
        } = &self.authors[*author as usize];
        let said = Said::of(update).map_err(|error| format!("no update is sent: {error}"))?;
        let nothing = Said::default();
        let relayed = self.relayed.get(document).unwrap_or(&nothing);
        let early = self.early.get(document).unwrap_or(&nothing);
        let committed = self.committed.get(document).unwrap_or(&nothing);
        for (of, start, end) in said.inserted.iter().filter(|(of, ..)| of == client) {
            let said = [relayed, early, committed];
            if !said.iter().any(|said| said.inserted.has(of, start, end)) {
                return Err(format!(
                    "{of} gets {start}..{end} back, which is not on disk"
                ));
            }
        }
        Ok(())
    }

    /// At rest: how a text must look.
    pub fn check(&self, document: &DocumentName, text: &str) -> Result<(), String> {
        let places = token::read(text)?;
        let tokens: Vec<Token> = places.iter().map(|place| place.token).collect();
        let present: BTreeSet<Token> = tokens.iter().copied().collect();
        if present.len() < tokens.len() {
            return Err(format!("something is there twice in {text}"));
        }
        let authors = || {
            self.authors
                .iter()
                .filter(|author| author.document == *document)
        };
        let mut known: BTreeSet<Token> = BTreeSet::new();
        let (mut surely, mut perhaps) = (known.clone(), known.clone());
        for author in authors() {
            for (at, edit) in author.edits.iter().enumerate() {
                known.extend(edit.inserted);
                perhaps.extend(&edit.deleted);
                if !author.gone || at < author.promised as usize {
                    surely.extend(&edit.deleted);
                }
            }
        }
        if let Some(strange) = present.difference(&known).next() {
            return Err(format!("nobody wrote {strange}"));
        }
        if let Some(risen) = present.intersection(&surely).next() {
            return Err(format!("{risen} was deleted and is back"));
        }
        for author in authors() {
            for (at, edit) in author.edits.iter().enumerate() {
                let kept = !author.gone || at < author.promised as usize;
                if let Some(token) = edit.inserted.filter(|token| !present.contains(token))
                    && kept
                    && !perhaps.contains(&token)
                {
                    return Err(format!("{token} is lost"));
                }
            }
        }
        self.in_order(&tokens)
    }

    fn in_order(&self, tokens: &[Token]) -> Result<(), String> {
        let mut last: BTreeMap<u32, Token> = BTreeMap::new();
        for token in tokens {
            let goes_on = self.authors[token.author as usize].goes_on;
            let before = last.insert(token.author, *token);
            if let Some(before) = before.filter(|before| goes_on && before > token) {
                return Err(format!("{before} stands before {token}"));
            }
        }
        Ok(())
    }
}

/// Whether it says that saving is slow, which no client says.
pub fn is_slow(frame: &[u8]) -> bool {
    frame.first() == Some(&103)
}
