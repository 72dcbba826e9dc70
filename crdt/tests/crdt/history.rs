//! Honest histories: replicas of yrs that edit concurrently and hear of one another by chance.

use crate::rng::Rng;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Array, ArrayPrelim, Doc, GetString, Map, MapPrelim, OffsetKind, Options, ReadTxn, Text,
    Transact, Update, WriteTxn, XmlElementPrelim, XmlFragment,
};

pub struct History {
    /// One update per transaction, in an order in which each comes after what it depends on.
    pub updates: Vec<Vec<u8>>,
    /// The text in the end, by yrs.
    pub text: String,
    /// The state vector and the number of deleted units in the end, by yrs.
    pub clocks: Vec<(u64, u64)>,
    pub deleted: u64,
}

fn replica(client: u64) -> Doc {
    let mut options = Options::with_client_id(yrs::block::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

/// Text of BMP characters: positions in UTF-16 code units are positions in characters.
const WORDS: [&str; 8] = ["a", "bc", "hello ", "\n", "é", "女女", "0123456789", "z"];

/// `steps` transactions of `replicas` replicas. `rich`: also maps, arrays, embeds and XML.
pub fn history(rng: &mut Rng, replicas: usize, steps: usize, rich: bool) -> History {
    let docs: Vec<Doc> = (0..replicas)
        .map(|at| replica(1 + at as u64 * 1000 + rng.below(900) as u64))
        .collect();
    let mut updates: Vec<Vec<u8>> = Vec::new();
    let mut heard = vec![0; replicas];
    for _ in 0..steps {
        let at = rng.below(replicas);
        if rng.chance(3) {
            let until = heard[at] + rng.below(updates.len() - heard[at] + 1);
            let mut txn = docs[at].transact_mut();
            for update in &updates[heard[at]..until] {
                txn.apply_update(Update::decode_v1(update).unwrap())
                    .unwrap();
            }
            heard[at] = until;
        }
        let mut txn = docs[at].transact_mut();
        if rich && rng.chance(3) {
            edit_rich(rng, &mut txn);
        } else {
            edit_text(rng, &mut txn);
        }
        txn.commit();
        updates.push(txn.encode_update_v1());
    }
    let last = replica(9_999_999);
    let mut txn = last.transact_mut();
    for update in &updates {
        txn.apply_update(Update::decode_v1(update).unwrap())
            .unwrap();
    }
    txn.commit();
    let text = txn.get_or_insert_text("text");
    let snapshot = txn.snapshot();
    let mut clocks: Vec<(u64, u64)> = snapshot
        .state_map
        .iter()
        .map(|(client, &clock)| (client.get(), u64::from(clock)))
        .collect();
    clocks.sort_unstable();
    let ranges = snapshot
        .delete_set
        .iter()
        .flat_map(|(_, ranges)| ranges.iter());
    History {
        updates,
        text: text.get_string(&txn),
        clocks,
        deleted: ranges.map(|range| u64::from(range.end - range.start)).sum(),
    }
}

fn edit_text(rng: &mut Rng, txn: &mut yrs::TransactionMut<'_>) {
    let text = txn.get_or_insert_text("text");
    for _ in 0..1 + rng.below(3) {
        let len = text.len(txn);
        if len > 0 && rng.chance(3) {
            let from = rng.below(len as usize) as u32;
            let count = 1 + rng.below(4) as u32;
            text.remove_range(txn, from, count.min(len - from));
        } else {
            let at = rng.below(len as usize + 1) as u32;
            text.insert(txn, at, rng.pick(&WORDS));
        }
    }
}

fn edit_rich(rng: &mut Rng, txn: &mut yrs::TransactionMut<'_>) {
    match rng.below(8) {
        0 => {
            let map = txn.get_or_insert_map("map");
            map.insert(txn, rng.pick(&["a", "b"]), rng.below(100) as i64);
        }
        1 => {
            let map = txn.get_or_insert_map("map");
            map.remove(txn, rng.pick(&["a", "b"]));
        }
        2 => {
            let map = txn.get_or_insert_map("map");
            let inner = MapPrelim::from([("x", Any::from(1)), ("y", Any::from("z"))]);
            map.insert(txn, rng.pick(&["a", "b"]), inner);
        }
        3 => {
            let array = txn.get_or_insert_array("array");
            let at = rng.below(array.len(txn) as usize + 1) as u32;
            array.insert_range(txn, at, [Any::from(1), Any::from("two"), Any::Null]);
        }
        4 => {
            let array = txn.get_or_insert_array("array");
            let at = rng.below(array.len(txn) as usize + 1) as u32;
            array.insert(txn, at, ArrayPrelim::from([1, 2, 3]));
        }
        5 => {
            let array = txn.get_or_insert_array("array");
            let len = array.len(txn);
            if len > 0 {
                array.remove(txn, rng.below(len as usize) as u32);
            }
        }
        6 => {
            let text = txn.get_or_insert_text("rich");
            let at = rng.below(text.len(txn) as usize + 1) as u32;
            text.insert_embed(txn, at, Any::from("embed"));
        }
        _ => {
            let xml = txn.get_or_insert_xml_fragment("xml");
            let len = xml.len(txn);
            if len > 2 && rng.chance(2) {
                xml.remove_range(txn, rng.below(len as usize) as u32, 1);
            } else {
                let at = rng.below(len as usize + 1) as u32;
                let element = xml.insert(txn, at, XmlElementPrelim::empty("p"));
                element.insert(txn, 0, XmlElementPrelim::empty("b"));
            }
        }
    }
}
