//! Hostile sequences in great number: nothing crashes, hangs or floods, what is refused leaves no trace, what is
//! kept can be kept, and honest text stays.
//!
//! `ROPEWALK_FUZZ_SEQUENCES` makes more of them, `ROPEWALK_FUZZ_SEED` begins at another seed, and
//! `ROPEWALK_FUZZ_TRACE` shows each update before it is applied.

use crate::history::{History, history, kinds};
use crate::hostile::{self, Scene};
use crate::rng::{Rng, Seed, seeds, setting};
use crate::{child, forge, memory};
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Applied, Document, Edit, Error, Limits, ROOT, Speaker, Unit, Version};
use std::sync::Arc;

/// Sequences that a plain test run makes, each of the tests a third.
const SEQUENCES: u64 = 20_000;

/// Sequences in a row that begin with the same honest history: yrs takes longer than what is tested.
const SAME: u64 = 8;

/// Far longer than one sequence takes.
const SECONDS: u64 = 30;

/// Far more memory than one sequence takes.
const BYTES: usize = 64 << 20;

/// The id of the document itself, which no honest client has.
const OWN: u64 = 9_999_999;

/// Works through sequences in a process of their own.
fn each(test: &str, mut sequence: impl FnMut(&mut Trial, &History)) {
    child::run(test, SECONDS, || {
        let mut honest: Option<(u64, History)> = None;
        let sequences = setting("ROPEWALK_FUZZ_SEQUENCES", SEQUENCES);
        for seed in seeds(sequences.div_ceil(3)) {
            let _seed = Seed(seed);
            eprintln!("seed {seed}");
            let (_, honest) = match honest.take() {
                Some(same) if same.0 == seed / SAME => honest.insert(same),
                _ => honest.insert((seed / SAME, some_history(seed / SAME))),
            };
            memory::within(BYTES, || {
                let mut trial = Trial::new(seed);
                sequence(&mut trial, honest);
                trial.end();
            });
        }
    });
}

fn some_history(seed: u64) -> History {
    let mut rng = Rng::new(seed);
    let (replicas, steps) = (1 + rng.below(4), rng.below(16));
    let kinds = kinds(&mut rng);
    history(&mut rng, replicas, steps, &kinds)
}

/// A document that somebody hostile speaks to, and a peer that hears what comes of it.
struct Trial {
    seed: u64,
    rng: Rng,
    scene: Scene,
    document: Document,
    peer: Document,
    saved: Vec<u8>,
    /// What somebody saw who has heard nothing since: version, text and state.
    seen: (Version, String, Arc<[u8]>),
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut document = Document::new(OWN);
        let saved = document.save();
        Trial {
            seed,
            rng: Rng::new(seed),
            scene: Scene::default(),
            seen: (Version::default(), String::new(), document.encode()),
            document,
            peer: Document::with_limits(2, Limits::NONE),
            saved,
        }
    }

    fn say(&mut self, update: &[u8], speaker: Speaker) -> Result<Applied, Error> {
        // A crash of the process shows the last line: it must be out before the work begins.
        if std::env::var("ROPEWALK_FUZZ_TRACE").is_ok() {
            eprintln!("seed {}: {}", self.seed, hex(update));
        }
        let before = self.document.version().clone();
        let anew = written_anew(&mut self.document);
        if self.rng.chance(8) {
            let text = self.document.text(ROOT).to_string();
            self.seen = (before.clone(), text, self.document.encode());
        }
        let done = self.document.apply_from(update, speaker);
        self.document.check();
        let saved = self.document.save();
        let heard = match &done {
            Ok(applied) => applied.integrated.bytes(update),
            Err(_) => None,
        };
        match heard {
            Some(heard) => {
                let heard = self.peer.apply(heard).unwrap();
                assert!(!heard.held, "peers hear nothing that waits");
                assert_eq!(self.peer.version().vector, self.document.version().vector);
            }
            None => {
                assert_eq!(*self.document.version(), before);
                assert_same(&written_anew(&mut self.document), &anew, "as it was");
            }
        }
        match &done {
            Ok(applied) if applied.changed => self.saved = saved,
            _ => assert_same(&saved, &self.saved, "it leaves no trace"),
        }
        done
    }

    /// Edits as a client without a CRDT would, under the name of the document itself.
    fn edit(&mut self) {
        let len = self.document.text(ROOT).len_chars();
        let from = self.rng.below(len + 1);
        let edit = Edit {
            from: from as u64,
            to: (from + self.rng.below(4)).min(len) as u64,
            insert: self.rng.pick(&["", "x", "é😀", "some words"]).to_owned(),
        };
        let version = self.document.version().clone();
        let done = self.document.edit(&version, ROOT, Unit::Char, &[edit]);
        self.document.check();
        let saved = self.document.save();
        let Ok(update) = done else {
            return assert_same(&saved, &self.saved, "it leaves no trace");
        };
        self.saved = saved;
        assert!(!self.peer.apply(&update).unwrap().held);
        // It may have freed what waited.
        let lacks = self.document.diff(&self.peer.version().vector);
        assert!(!self.peer.apply(&lacks).unwrap().held);
        // Not the deleted units: whose value of a key stays may depend on the order, see `end`.
        let known = &self.document.version().vector;
        assert_eq!(self.peer.version().vector, *known);
    }

    fn stranger(&mut self) -> Speaker {
        self.rng.pick(&[Speaker::Live(2), Speaker::Relay(2)])
    }

    /// Says an honest update, which has to be taken in.
    fn say_honestly(&mut self, update: &[u8]) {
        self.say(update, Speaker::Relay(1)).unwrap();
        self.scene.learn(&forge::Update::read(update));
    }

    /// All that must hold of a document whatever it was told.
    fn end(&mut self) {
        let text = self.document.text(ROOT);
        let units = self.document.len_utf16(ROOT);
        assert!(text.len_utf16_cu() as u64 <= units);
        let version = self.document.version().clone();
        let state = self.document.encode();
        let update = Update::decode(&state, &Limits::NONE).unwrap();
        assert_eq!(update.deletes().units(), version.deleted);
        let mut opened = Document::open(4, &self.saved).unwrap();
        opened.check();
        assert_eq!(*opened.version(), version, "opened");
        assert_eq!(opened.text(ROOT), text, "opened");
        assert_same(&opened.save(), &self.saved, "saved again");
        let (seen, old, known) = &self.seen;
        if let Ok(edits) = self.document.changes(seen, ROOT, Unit::Char) {
            assert_eq!(edited(old, &edits), text.to_string(), "what has changed");
        }
        let mut behind = Document::with_limits(5, Limits::NONE);
        behind.apply(known).unwrap();
        behind.apply(&self.document.diff_since(seen)).unwrap();
        let mut loaded = Document::with_limits(3, Limits::NONE);
        assert!(!loaded.apply(&state).unwrap().held, "a state without gaps");
        // Where the letters of a forger stand, and whose value of a key it is that stays, depends on the order.
        for (other, how) in [
            (&loaded, "loaded"),
            (&self.peer, "by a peer"),
            (&behind, "by what was lacking"),
        ] {
            other.check();
            assert_eq!(other.version().vector, version.vector, "{how}");
            let all = |document: &Document| sorted(&document.text(ROOT).to_string());
            assert_eq!(all(other), all(&self.document), "{how}");
        }
    }
}

/// A text after edits that count characters.
fn edited(text: &str, edits: &[Edit]) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut last) = (String::new(), 0);
    for edit in edits {
        out.extend(&chars[last..edit.from as usize]);
        out.push_str(&edit.insert);
        last = edit.to as usize;
    }
    out.extend(&chars[last..]);
    out
}

/// The state, though it was encoded before: to save it again would not show what has become of it.
fn written_anew(document: &mut Document) -> Vec<u8> {
    document.diff(&[(u64::from(u32::MAX), 1)].into_iter().collect())
}

fn assert_same(left: &[u8], right: &[u8], how: &str) {
    assert!(left == right, "{how}: {} {}", hex(left), hex(right));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The units of a text. Somebody may cut a character of two units, and the halves are replacement characters then.
fn units(text: &str) -> Vec<u16> {
    let units = text.encode_utf16();
    let halved = units.map(|unit| match unit {
        0xd800..0xe000 => 0xfffd,
        unit => unit,
    });
    halved.collect()
}

fn sorted(text: &str) -> Vec<u16> {
    let mut units = units(text);
    units.sort_unstable();
    units
}

/// Whether `whole` has all of `part` in its order.
fn is_within(part: &[u16], whole: &[u16]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|unit| whole.any(|other| other == unit))
}

/// Updates from nothing and from honest ones, of clients of their own that point everywhere but delete nothing,
/// while honest ones come.
#[test]
fn foreign_structs_leave_honest_text() {
    each(
        "mutations::foreign_structs_leave_honest_text",
        |trial, honest| {
            let all = honest.updates.len();
            let first = match trial.rng.chance(2) {
                true => all,
                false => trial.rng.below(all + 1),
            };
            for update in &honest.updates[..first] {
                trial.say_honestly(update);
            }
            let mut left = honest.updates[first..].iter();
            let own = [5_000_000_005, 70_000_070, (1 << 53) - 2, 8_000_000_008];
            trial.scene.clocks = own.map(|client| (client, 0)).into();
            for _ in 0..trial.rng.below(30) {
                let update = match left.next() {
                    Some(update) if trial.rng.chance(3) => {
                        trial.say_honestly(update);
                        continue;
                    }
                    _ => foreign(trial, honest, &own),
                };
                let speaker = match trial.rng.chance(8) {
                    true => Speaker::Trusted,
                    false => trial.stranger(),
                };
                if trial.say(&update.write(), speaker).is_ok() {
                    trial.scene.learn(&update);
                }
            }
            for update in &honest.updates {
                trial.say_honestly(update);
            }
            for &(client, clock) in &honest.clocks {
                assert_eq!(trial.document.version().vector.get(client), clock);
            }
            let text = trial.document.text(ROOT).to_string();
            // Who forges neighbours may change the order of what comes later, but not take anything away.
            let (part, whole) = match first == all {
                true => (units(&honest.text), units(&text)),
                false => (sorted(&honest.text), sorted(&text)),
            };
            assert!(is_within(&part, &whole), "{:?} {text:?}", honest.text);
        },
    );
}

/// An update of some of the clients `own` alone.
fn foreign(trial: &mut Trial, honest: &History, own: &[u64]) -> forge::Update {
    let Trial { rng, scene, .. } = trial;
    // An honest section under another name, bent.
    if rng.chance(2) && !honest.updates.is_empty() {
        let update = &honest.updates[rng.below(honest.updates.len())];
        let mut update = forge::Update::read(update);
        update.deletes.clear();
        update.sections.truncate(1);
        for section in &mut update.sections {
            section.client = rng.pick(own);
            section.clock = scene.clock(section.client);
            hostile::bend_blocks(rng, scene, section);
        }
        return update;
    }
    hostile::update(rng, scene, own, false)
}

/// As before, with deletes, in the names of the honest clients too.
#[test]
fn hostile_structs_and_deletes_do_not_crash() {
    each(
        "mutations::hostile_structs_and_deletes_do_not_crash",
        |trial, honest| {
            let own = [OWN, 70_000, (1 << 53) - 1];
            let clients = honest.clocks.iter().map(|&(client, _)| client);
            let clients: Vec<u64> = clients.chain(own).collect();
            trial.scene.clocks = clients.iter().map(|&client| (client, 0)).collect();
            let mut left = honest.updates.iter();
            for _ in 0..trial.rng.below(40) {
                if trial.rng.chance(8) {
                    trial.edit();
                }
                let update = match (trial.rng.below(4), left.next()) {
                    (0, Some(update)) => forge::Update::read(update),
                    (1 | 2, Some(update)) => {
                        let mut update = forge::Update::read(update);
                        hostile::bend(&mut trial.rng, &trial.scene, &mut update);
                        update
                    }
                    _ => hostile::update(&mut trial.rng, &trial.scene, &clients, true),
                };
                let speaker = match trial.rng.chance(8) {
                    true => Speaker::Trusted,
                    false => trial.stranger(),
                };
                if trial.say(&update.write(), speaker).is_ok() {
                    trial.scene.learn(&update);
                }
            }
        },
    );
}

/// Honest updates, and the same with bent bytes, numbers and structs, in any order.
#[test]
fn bent_updates_do_not_crash() {
    each("mutations::bent_updates_do_not_crash", |trial, honest| {
        trial.scene.clocks.push((7, 0));
        let mut updates = honest.updates.clone();
        for update in &honest.updates {
            let mut update = forge::Update::read(update);
            trial.scene.learn(&update);
            if trial.rng.chance(2) {
                hostile::bend(&mut trial.rng, &trial.scene, &mut update);
            }
            updates.push(hostile::bent(&mut trial.rng, &update));
        }
        trial.rng.shuffle(&mut updates);
        for update in &updates {
            let speaker = trial.stranger();
            let _ = trial.say(update, speaker);
        }
    });
}
