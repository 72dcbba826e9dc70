//! Our documents against real Yjs, and yrs: the same histories, in whatever order, batches and repetitions, end at the
//! same document for all three.
//!
//! A Node process with real Yjs clients makes the histories; see `tests/node/differential`.
//!
//! `ROPEWALK_DIFFERENTIAL_SEEDS` makes more of them, `…_SEED` begins at another seed, `…_KINDS` names the kinds of content, and
//! `…_DUMP` shrinks a history that fails and prints its updates.
#![allow(clippy::unwrap_used, missing_docs)]

mod chance;
mod check;
mod oracle;
mod ours;
mod shrink;
mod told;
mod yrs;

use check::{Claim, Failure, check, some};
use oracle::{Oracle, Yjs};
use shrink::shrink;
use told::{Account, Told};

/// Histories that are tried when nothing else is said, of Yjs 13 alone and of both.
const SEEDS: [u64; 2] = [20_000, 1_000];
/// Histories that are asked for at a time.
const BATCH: u64 = 50;
/// Kinds of content when nothing else is said; all of `tests/node/differential/edits.js` when empty.
const KINDS: &str = "";

#[test]
fn yjs_yrs_and_we_end_at_the_same_document() {
    Wish::new(Yjs::V13, SEEDS[0]).run();
}

/// Half of the replicas are of Yjs 14, and Yjs 14 reads what we write.
#[test]
fn so_does_yjs_14_beside_yjs_13() {
    Wish::new(Yjs::V14, SEEDS[1]).run();
}

/// What is tried, by variables of the environment.
struct Wish {
    yjs: Yjs,
    first: u64,
    seeds: u64,
    kinds: String,
    dump: bool,
}

impl Wish {
    fn new(yjs: Yjs, seeds: u64) -> Self {
        let variable = |name: &str| std::env::var(format!("ROPEWALK_DIFFERENTIAL_{name}")).ok();
        let number = |name| variable(name).map(|text| text.parse().expect("a number"));
        Wish {
            yjs,
            first: number("SEED").unwrap_or(0),
            seeds: number("SEEDS").unwrap_or(seeds),
            kinds: variable("KINDS").unwrap_or_else(|| KINDS.into()),
            dump: variable("DUMP").is_some(),
        }
    }

    fn run(&self) {
        let mut oracle = Oracle::start();
        let last = self.first + self.seeds;
        let ask = |oracle: &mut Oracle, first: u64| {
            let count = BATCH.min(last.saturating_sub(first));
            oracle.ask_histories(first, count, &self.kinds, self.yjs);
        };
        // Node always has the next question while we are busy with an answer.
        let mut unconfirmed = Batch::default();
        ask(&mut oracle, self.first);
        for first in (self.first..last).step_by(BATCH as usize) {
            let mut batch = Batch::new(first, oracle.histories());
            ask(&mut oracle, first + BATCH);
            batch.check(self);
            if first > self.first {
                unconfirmed.confirm(&oracle.accounts(), self);
            }
            let claims = batch.claims.iter();
            oracle.ask_accounts(claims.map(|(_, claim)| &claim.updates[..]), self.yjs);
            unconfirmed = batch;
        }
        oracle.histories();
        unconfirmed.confirm(&oracle.accounts(), self);
    }
}

/// Histories of seeds that follow one another.
#[derive(Default)]
struct Batch {
    histories: Vec<(u64, Told)>,
    /// By the number of the history.
    claims: Vec<(usize, Claim)>,
}

impl Batch {
    fn new(first: u64, histories: Vec<Told>) -> Self {
        Batch {
            histories: (first..).zip(histories).collect(),
            claims: Vec::new(),
        }
    }

    fn check(&mut self, wish: &Wish) {
        for (at, (seed, told)) in self.histories.iter().enumerate() {
            match check(told, *seed) {
                Ok(claims) => {
                    let claims = some(claims, *seed).into_iter();
                    self.claims.extend(claims.map(|claim| (at, claim)));
                }
                Err(failure) => fail(*seed, told, failure, wish),
            }
        }
    }

    fn confirm(&self, accounts: &[Result<Account, String>], wish: &Wish) {
        assert_eq!(accounts.len(), self.claims.len());
        for ((at, claim), account) in self.claims.iter().zip(accounts) {
            let (seed, told) = &self.histories[*at];
            if let Err(failure) = claim.holds(account, told) {
                fail(*seed, told, failure, wish);
            }
        }
    }
}

fn fail(seed: u64, told: &Told, failure: Failure, wish: &Wish) -> ! {
    let Failure { how, what } = failure;
    eprintln!(
        "seed {seed} ({} updates of {}), {how}: {what}\n",
        told.updates.len(),
        told.kinds
    );
    if wish.dump {
        let (updates, Failure { how, what }) = shrink(seed, told, wish.yjs);
        eprintln!("What is left of it, {how}: {what}\n\nits updates:");
        for update in &updates {
            let hex: String = update.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("{hex}");
        }
    }
    panic!(
        "seed {seed}, {how}. Again: ROPEWALK_DIFFERENTIAL_SEED={seed} ROPEWALK_DIFFERENTIAL_SEEDS=1{}, and \
         ROPEWALK_DIFFERENTIAL_DUMP=1 for the least updates that fail",
        match &wish.kinds[..] {
            KINDS => String::new(),
            kinds => format!(" ROPEWALK_DIFFERENTIAL_KINDS={kinds}"),
        }
    );
}
