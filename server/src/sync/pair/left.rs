//! What was in the place of a new text when its pair has ended: the next pair of the file goes on looking at it, and if none comes,
//! it is kept if somebody has written on in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ropewalk_crdt::{Document, VersionVector};
use tokio::time::Instant;

use super::exchange::{Old, is_as_it_was};
use super::meeting::Emptied;
use super::{LINGER, Pair, text_of};
use crate::link::client_id;
use crate::sync::Problem;
use crate::sync::aside::settle;
use crate::sync::shared::Shared;

/// See the module.
#[derive(Default)]
pub struct Left(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// By the path of the file.
    files: BTreeMap<String, Vec<Old>>,
    /// What no pair goes on with, and when to look at it for the last time.
    alone: Vec<(String, Instant)>,
}

impl Left {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in it can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left of a file, if it is of a document that has all of this.
    fn take(&self, path: &str, known: &VersionVector) -> Vec<Old> {
        let left = self.inner().files.remove(path).unwrap_or_default();
        let is_of_it = |old: &mut Old| {
            let document = Document::open(client_id(), &old.mirror);
            document.is_ok_and(|document| known.covers(&document.version().vector))
        };
        let (mut of_it, mut others): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
        for mut old in left {
            match is_of_it(&mut old) {
                true => of_it.push(old),
                false => others.push(old),
            }
        }
        if !others.is_empty() {
            self.put(path, others);
        }
        of_it
    }

    fn put(&self, path: &str, olds: Vec<Old>) {
        let mut inner = self.inner();
        inner.files.entry(path.to_owned()).or_default().extend(olds);
    }

    /// An earlier process has left this, so long ago.
    pub fn add(&self, aside: String, age: Duration) {
        let until = Instant::now() + LINGER.saturating_sub(age);
        self.inner().alone.push((aside, until));
    }

    /// Looks for the last time at that whose time is over.
    pub fn look(&self, shared: &Shared, now: Instant) -> Result<(), Problem> {
        let (files, alone) = {
            let mut inner = self.inner();
            let mut files = Vec::new();
            for olds in inner.files.values_mut() {
                files.extend(olds.extract_if(.., |old| old.until <= now));
            }
            inner.files.retain(|_, olds| !olds.is_empty());
            let alone = inner.alone.extract_if(.., |(_, until)| *until <= now);
            (files, alone.collect::<Vec<_>>())
        };
        let mut all = Ok(());
        for old in files {
            let had = text_of(&old.mirror).ok();
            let settled = settle(shared, &old.aside, |text| had.as_deref() == Some(text));
            all = all.and(settled);
        }
        for (aside, _) in alone {
            let settled = settle(shared, &aside, |text| is_as_it_was(&aside, text));
            all = all.and(settled);
        }
        all
    }
}

/// What a pair looks at, those first that are due first; it is left to the next one.
pub(super) struct Lingering {
    shared: Arc<Shared>,
    path: String,
    pub(super) olds: Vec<Old>,
    /// The same at the first meeting, if it was empty.
    pub(super) emptied: Option<Emptied>,
}

impl Lingering {
    pub(super) fn new(shared: &Arc<Shared>, path: &str) -> Self {
        Self {
            shared: shared.clone(),
            path: path.to_owned(),
            olds: Vec::new(),
            emptied: None,
        }
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if !self.olds.is_empty() {
            let olds = std::mem::take(&mut self.olds);
            self.shared.left.put(&self.path, olds);
        }
        if let Some(emptied) = self.emptied.take() {
            let mut left = self.shared.left.inner();
            left.alone.push((emptied.aside, emptied.until));
        }
    }
}

impl Pair {
    /// Goes on with what earlier pairs of the file have left.
    pub(super) fn take_over(&mut self) {
        let known = &self.link.document().version().vector;
        let mut left = self.shared.left.take(&self.path, known);
        let olds = &mut self.lingering.olds;
        // A pair that could not begin has left the same.
        left.retain(|left| olds.iter().all(|old| old.aside != left.aside));
        olds.extend(left);
        self.lingering.olds.sort_by_key(|old| old.due);
    }
}
