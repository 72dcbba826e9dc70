//! One history in every way in which it can arrive.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::chance::Chance;
use crate::oracle::{Oracle, Yjs};
use crate::ours::Ours;
use crate::told::{Account, Bytes, Told};
use crate::yrs;

/// Something differs.
#[derive(Debug)]
pub struct Failure {
    /// In which way of arriving.
    pub how: &'static str,
    pub what: String,
}

/// What Yjs has to confirm.
pub struct Claim {
    how: &'static str,
    pub updates: Vec<Bytes>,
}

impl Claim {
    /// Whether what Yjs has read is what was told.
    pub fn holds(&self, is: &Result<Account, String>, told: &Told) -> Result<(), Failure> {
        let what = match is {
            Ok(account) => account.is(&told.account),
            Err(error) => Err(error.clone()),
        };
        what.map_err(|what| Failure {
            how: self.how,
            what: format!("Yjs reads it otherwise: {what}"),
        })
    }
}

/// Lists of updates that Yjs has to read as it reads the history.
pub type Claims = Vec<Vec<Bytes>>;

type Way = fn(&Told, Chance, &mut Claims) -> Result<(), String>;

const WAYS: [(&str, Way); 12] = [
    ("in order", in_order),
    ("shuffled", shuffled),
    ("shuffled, some twice", some_twice),
    ("shuffled, each refused first", refused_first),
    ("merged by us", merged_by_us),
    ("merged by Yjs", merged_by_yjs),
    ("opened again in the middle", opened_again),
    ("a part, then our diff", our_diff),
    ("a part, then what came since", since),
    ("a part, then the diff of Yjs", their_diff),
    ("whole states", whole_states),
    ("yrs", yrs::agrees),
];

/// Claims that Yjs confirms of one history.
const CLAIMS: usize = 2;

/// Tries the first way, and each other one by chance: more histories say more than more ways of one. What Yjs has to
/// confirm is claimed.
pub fn check(told: &Told, seed: u64) -> Result<Vec<Claim>, Failure> {
    let mut claims: Vec<Claim> = Vec::new();
    let chosen = |how| how == WAYS[0].0 || Chance(seed).below(2, how) == 0;
    for (how, way) in WAYS.into_iter().filter(|(how, _)| chosen(how)) {
        let mut made = Vec::new();
        let fail = |what| Failure { how, what };
        catch_unwind(AssertUnwindSafe(|| way(told, Chance(seed), &mut made)))
            .unwrap_or_else(|panic| Err(format!("panicked: {}", said(&*panic))))
            .map_err(fail)?;
        for updates in made {
            if claims.iter().all(|claim| claim.updates != updates) {
                claims.push(Claim { how, updates });
            }
        }
    }
    Ok(claims)
}

/// Some of the claims, by chance: Yjs has to read all of a history for each.
pub fn some(mut claims: Vec<Claim>, seed: u64) -> Vec<Claim> {
    while claims.len() > CLAIMS {
        claims.swap_remove(Chance(seed).below(claims.len(), "claims"));
    }
    claims
}

/// As [`check`], and asks Yjs at once.
pub fn check_now(oracle: &mut Oracle, told: &Told, seed: u64, by: Yjs) -> Result<(), Failure> {
    let claims = check(told, seed)?;
    oracle.ask_accounts(claims.iter().map(|claim| &claim.updates[..]), by);
    let accounts = oracle.accounts();
    let mut both = claims.iter().zip(&accounts);
    both.try_for_each(|(claim, is)| claim.holds(is, told))
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("?")
}

fn in_order(told: &Told, _: Chance, claims: &mut Claims) -> Result<(), String> {
    let mut document = Ours::new();
    for (at, update) in told.updates.iter().enumerate() {
        if document.apply(update)?.held {
            return Err(format!(
                "update {at} waits, though all it depends on has come"
            ));
        }
    }
    document.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}

/// Others hear of each only what is to be passed on.
fn shuffled(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let (mut document, mut peer) = (Ours::new(), Ours::new());
    let mut passed = Vec::new();
    let order = chance.shuffled(&told.updates, "shuffled");
    for update in &order {
        if let Some(update) = document.apply(update)?.passed_on {
            if peer.apply(&update)?.held {
                return Err("what was passed on waits".into());
            }
            passed.push(update);
        }
    }
    document.is(told)?;
    for update in &order {
        let outcome = document.apply(update)?;
        if outcome.changed || outcome.held || outcome.passed_on.is_some() {
            return Err("the second time, an update is news".into());
        }
    }
    document.is(told)?;
    peer.is(told).map_err(|what| format!("a peer: {what}"))?;
    claims.push(vec![document.encode()]);
    claims.push(passed);
    Ok(())
}

fn some_twice(told: &Told, chance: Chance, _: &mut Claims) -> Result<(), String> {
    let mut order = chance.shuffled(&told.updates, "some twice");
    for again in chance.shuffled(&told.updates, "again") {
        order.insert(chance.below(order.len() + 1, "where"), again);
    }
    Ours::of(&order)?.is(told)
}

/// What is refused leaves nothing behind.
fn refused_first(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let mut document = Ours::new();
    for update in chance.shuffled(&told.updates, "refused first") {
        document.refuse(&update)?;
        document.apply(&update)?;
    }
    document.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}

fn merged_by_us(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let mut document = Ours::new();
    let mut left = &told.updates[..];
    let mut parcels = Vec::new();
    while !left.is_empty() {
        let (parcel, rest) = left.split_at(1 + chance.below(left.len().min(8), "parcel"));
        left = rest;
        let parts: Vec<&[u8]> = parcel.iter().map(Vec::as_slice).collect();
        let merged = ropewalk_crdt::merge(&parts).ok_or("updates in order do not merge")?;
        document.apply(&merged)?;
        parcels.push(merged);
    }
    document.is(told)?;
    claims.push(parcels);
    let shuffled = chance.shuffled(&told.updates, "merged by us");
    let parts: Vec<&[u8]> = shuffled.iter().map(Vec::as_slice).collect();
    let merged = ropewalk_crdt::merge(&parts).ok_or("all updates do not merge")?;
    Ours::of(&[merged])?.is(told)
}

fn merged_by_yjs(told: &Told, _: Chance, claims: &mut Claims) -> Result<(), String> {
    let mut document = Ours::of(&told.parcels)?;
    document.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}

fn opened_again(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let (before, after) = chance.parted(&told.updates, "opened again");
    let mut document = Ours::of(&before)?.opened_again()?;
    for update in after {
        document.apply(&update)?;
    }
    document.is(told)?;
    document.opened_again()?.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}

fn our_diff(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let (known, _) = chance.parted(&told.updates, "our diff");
    let mut document = Ours::of(&known)?;
    let mut whole = Ours::of(std::slice::from_ref(&told.whole))?;
    whole.is(told)?;
    let diff = whole.diff(&document.version().vector);
    let before = document.encode();
    document.apply(&diff)?;
    document.is(told)?;
    // Yjs can get stuck over updates that come out of order, even with all that they need.
    claims.push(vec![before, diff]);
    Ok(())
}

fn since(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    let (known, rest) = chance.parted(&told.updates, "since");
    let (mut document, mut peer) = (Ours::of(&known)?, Ours::of(&known)?);
    let version = document.version();
    for update in rest {
        document.apply(&update)?;
    }
    document.has_changed(&peer, &version)?;
    let diff = document.diff_since(&version);
    let before = peer.encode();
    peer.apply(&diff)?;
    peer.is(told)?;
    claims.push(vec![before, diff]);
    Ok(())
}

fn their_diff(told: &Told, _: Chance, claims: &mut Claims) -> Result<(), String> {
    let mut document = Ours::of(&told.updates[..told.early])?;
    document.apply(&told.missing)?;
    document.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}

fn whole_states(told: &Told, chance: Chance, claims: &mut Claims) -> Result<(), String> {
    if told.states.is_empty() {
        return Ok(());
    }
    // Who is refused because something else waits at the same place comes again, as clients do.
    let mut document = Ours::new();
    let mut left = chance.shuffled(&told.states, "states");
    while !left.is_empty() {
        let before = left.len();
        let mut refused = Err(String::new());
        left.retain(|state| match document.apply(state) {
            Ok(_) => false,
            Err(what) => {
                refused = Err(what);
                true
            }
        });
        if left.len() == before {
            return refused;
        }
    }
    document.is(told)?;
    claims.push(vec![document.encode()]);
    Ok(())
}
