//! Other lists than that of all documents: a folder, what one has opened lately, and what one was given.
//!
//! Folders are parts of names and nothing else: there is one where there is a document below it that one may read.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::accounts::answer;
use super::api::{Listed, cursor, damaged};
use super::error::ApiError;
use super::known;
use crate::App;
use crate::access::{Access, Target, Who};
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry, Lookup, MAX_VISITS, Position, StorageError, fold};

/// Folders of an answer, at most.
const MAX_FOLDERS: usize = 1000;
/// Documents that somebody was given one by one, at most: those that come first by their names.
const MAX_GIVEN: usize = 1000;

/// Documents below a folder that somebody may read.
#[derive(Default)]
struct Below {
    documents: u64,
    edited_at_ms: i64,
}

impl Below {
    fn add(&mut self, entry: &Entry) {
        self.documents += 1;
        self.edited_at_ms = self.edited_at_ms.max(entry.edited_at_ms);
    }

    fn told(&self, path: &str) -> Value {
        let name = path.rsplit('/').next().unwrap_or_default();
        json!({
            "path": path,
            "name": name,
            "documents": self.documents,
            "edited_at": self.edited_at_ms,
        })
    }
}

/// The newest of many, without holding all of them.
struct Newest {
    wanted: usize,
    after: Option<(i64, i64)>,
    /// The oldest on top.
    heap: BinaryHeap<Aged>,
}

struct Aged(Entry);

fn age(position: &Position) -> (i64, i64) {
    (position.edited_at_ms, position.id.0)
}

impl Ord for Aged {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        age(&other.0.position).cmp(&age(&self.0.position))
    }
}

impl PartialOrd for Aged {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Aged {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Aged {}

impl Newest {
    fn new(after: Option<Position>, wanted: usize) -> Self {
        Self {
            wanted,
            after: after.as_ref().map(age),
            heap: BinaryHeap::new(),
        }
    }

    fn add(&mut self, entry: Entry) {
        if self.after.is_none_or(|after| age(&entry.position) < after) {
            self.heap.push(Aged(entry));
            if self.heap.len() > self.wanted {
                self.heap.pop();
            }
        }
    }

    fn entries(self) -> Vec<Entry> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Aged(entry)| entry).collect()
    }
}

/// A page of documents, and where the next begins.
fn page(app: &App, who: &Who, mut entries: Vec<Entry>, limit: usize) -> (Vec<Value>, Value) {
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more);
    let next = next.map(|last| cursor(last.position));
    let listed = entries
        .iter()
        .map(|entry| json!(Listed::new(app, who, entry)));
    (listed.collect(), next.into())
}

/// What is in a folder; with `q` all below it that has that in its name.
pub async fn folder(
    app: &Arc<App>,
    who: &Arc<Who>,
    folder: Option<DocumentName>,
    q: String,
    after: Option<Position>,
    limit: usize,
) -> Result<Response, ApiError> {
    let may_begin = may_begin(app, who, folder.as_ref());
    let reading = app.machine.blocking({
        let (app, who) = (app.clone(), who.clone());
        move || {
            let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
            let q = fold(&q);
            let begins = folder
                .as_ref()
                .map_or(0, |folder| folder.as_str().len() + 1);
            let mut folders: BTreeMap<String, Below> = BTreeMap::new();
            let mut newest = Newest::new(after, limit + 1);
            app.storage.below(folder.as_ref(), &mut |entry| {
                if rules.access(&who, &known(&entry), now_ms) < Access::Read {
                    return;
                }
                let name = entry.name.as_str();
                if !q.is_empty() {
                    if fold(name).contains(&q) {
                        newest.add(entry);
                    }
                    return;
                }
                match name[begins..].find('/') {
                    None => newest.add(entry),
                    Some(end) => {
                        let path = &name[..begins + end];
                        match folders.get_mut(path) {
                            Some(below) => below.add(&entry),
                            None => folders.entry(path.to_owned()).or_default().add(&entry),
                        }
                    }
                }
            })?;
            Ok::<_, StorageError>((folders, newest.entries()))
        }
    });
    let (folders, entries) = reading.await.ok_or(ApiError::INTERNAL)??;
    let (documents, next) = page(app, who, entries, limit);
    let mut told = json!({ "documents": documents, "next": next });
    let damaged = damaged(app, who);
    if !damaged.is_empty() {
        told["damaged"] = damaged.into();
    }
    if after.is_none() {
        let first = folders.iter().take(MAX_FOLDERS);
        let first: Vec<Value> = first.map(|(path, below)| below.told(path)).collect();
        told["folders"] = first.into();
        told["more_folders"] = (folders.len() > MAX_FOLDERS).into();
        told["may_begin"] = may_begin.into();
    }
    Ok(answer(told))
}

/// Whether somebody may begin a document in a folder, by any name.
fn may_begin(app: &App, who: &Who, folder: Option<&DocumentName>) -> bool {
    let path = folder.map_or(String::new(), |folder| format!("{folder}/"));
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let name = DocumentName::new(&format!("{path}new"));
    name.is_ok_and(|name| rules.may_begin(who, &name, now_ms))
}

/// What somebody has opened or edited lately.
pub async fn recent(app: &Arc<App>, who: &Arc<Who>, limit: usize) -> Result<Response, ApiError> {
    let reading = app.machine.blocking({
        let (app, who) = (app.clone(), who.clone());
        move || {
            let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
            let Some((person, _)) = rules.person(&who, now_ms) else {
                return Ok(Vec::new());
            };
            // What is not written down yet is newer than what is.
            let waiting: HashMap<DocumentId, i64> = app.visits.of(person).into_iter().collect();
            let ids: Vec<DocumentId> = waiting.keys().copied().collect();
            let newer = app.storage.entries(&ids)?;
            let newer = newer.into_iter().filter_map(|entry| {
                let at_ms = *waiting.get(&entry.id())?;
                Some((entry, at_ms))
            });
            let mut visited: Vec<(Entry, i64)> = newer.collect();
            let older = app.storage.visited(person)?.into_iter();
            visited.extend(older.filter(|(entry, _)| !waiting.contains_key(&entry.id())));
            visited.retain(|(entry, _)| rules.access(&who, &known(entry), now_ms) >= Access::Read);
            visited.sort_by_key(|(entry, at_ms)| std::cmp::Reverse((*at_ms, entry.id())));
            visited.truncate(limit.min(MAX_VISITS));
            Ok::<_, StorageError>(visited)
        }
    });
    let visited = reading.await.ok_or(ApiError::INTERNAL)??;
    let told = |(entry, at_ms): &(Entry, i64)| {
        let mut told = json!(Listed::new(app, who, entry));
        told["visited_at"] = (*at_ms).into();
        told
    };
    let documents: Vec<Value> = visited.iter().map(told).collect();
    Ok(answer(json!({ "documents": documents, "next": null })))
}

/// Documents and folders that somebody was given, or one of their groups.
pub async fn shared(
    app: &Arc<App>,
    who: &Arc<Who>,
    after: Option<Position>,
    limit: usize,
) -> Result<Response, ApiError> {
    let reading = app.machine.blocking({
        let (app, who) = (app.clone(), who.clone());
        move || {
            let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
            let person = rules.person(&who, now_ms).map(|(id, _)| id);
            let mut newest = Newest::new(after, limit + 1);
            let mut folders: BTreeMap<String, (Access, Below)> = BTreeMap::new();
            let mut documents = 0;
            for (item, access) in rules.given(&who, now_ms) {
                match &item.target {
                    Target::Document(name) if documents < MAX_GIVEN => {
                        documents += 1;
                        let found = match app.storage.entry(name) {
                            // It costs only itself, and is told of in the list of all.
                            Err(StorageError::Damaged(_)) => continue,
                            found => found?,
                        };
                        if let Lookup::Found(entry) = found
                            && item.is_of(Some(entry.id()))
                            && entry.owner != person
                        {
                            newest.add(entry);
                        }
                    }
                    Target::Document(_) => {}
                    Target::Folder(_) | Target::Everything if after.is_some() => {}
                    Target::Folder(name) => {
                        folders.insert(name.to_string(), (access, Below::default()));
                    }
                    Target::Everything => {
                        folders.insert(String::new(), (access, Below::default()));
                    }
                }
            }
            let all: Vec<String> = folders.keys().cloned().collect();
            for path in all {
                let folder = DocumentName::new(&path).ok();
                let Some((_, below)) = folders.get_mut(&path) else {
                    continue;
                };
                app.storage.below(folder.as_ref(), &mut |entry| {
                    if rules.access(&who, &known(&entry), now_ms) >= Access::Read {
                        below.add(&entry);
                    }
                })?;
            }
            Ok::<_, StorageError>((folders, newest.entries()))
        }
    });
    let (folders, entries) = reading.await.ok_or(ApiError::INTERNAL)??;
    let (documents, next) = page(app, who, entries, limit);
    let mut told = json!({ "documents": documents, "next": next });
    if after.is_none() {
        let first = folders.iter().take(MAX_FOLDERS);
        let first = first.map(|(path, (access, below))| {
            let mut told = below.told(path);
            told["access"] = json!(access);
            told
        });
        told["folders"] = first.collect();
        told["more_folders"] = (folders.len() > MAX_FOLDERS).into();
    }
    Ok(answer(told))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_are_kept_and_come_in_order() {
        let entry = |edited_at_ms: i64, id: i64| Entry {
            name: DocumentName::new("a").unwrap(),
            owner: None,
            length: 0,
            created_at_ms: 0,
            edited_at_ms,
            sequence: 1,
            position: Position {
                edited_at_ms,
                id: DocumentId(id),
            },
        };
        let ids = |after: Option<Entry>| {
            let mut newest = Newest::new(after.map(|entry| entry.position), 3);
            for (edited_at_ms, id) in [(5, 1), (9, 2), (5, 3), (7, 4), (1, 5)] {
                newest.add(entry(edited_at_ms, id));
            }
            let entries = newest.entries().into_iter();
            entries.map(|entry| entry.id().0).collect::<Vec<_>>()
        };
        assert_eq!(ids(None), [2, 4, 3]);
        assert_eq!(ids(Some(entry(5, 3))), [1, 5]);
        assert_eq!(ids(Some(entry(1, 5))), [0; 0]);
    }
}
