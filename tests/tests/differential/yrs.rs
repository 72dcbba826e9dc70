//! The second witness: yrs.

use crate::chance::Chance;
use crate::check::Claims;
use crate::ours::Ours;
use crate::told::{Bytes, Told};
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Limits, VersionVector};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, Transact, WriteTxn};

/// What yrs does not read as Yjs writes it: of a list of JSON values it reads one too many (`while remaining >= 0` in
/// `ItemContent::decode`), and of an XML hook no name (`TypeRef::decode`).
const UNREAD: [&str; 2] = ["json", "hook"];

/// Reads the history, and reads our state; both must come to what was told.
pub fn agrees(told: &Told, _: Chance, _: &mut Claims) -> Result<(), String> {
    if told.kinds.split(',').any(|kind| UNREAD.contains(&kind)) {
        return Ok(());
    }
    reads(&told.updates, told)?;
    let state = Ours::of(&told.updates)?.encode();
    reads(&[state], told).map_err(|what| format!("our state: {what}"))
}

fn reads(updates: &[Bytes], told: &Told) -> Result<(), String> {
    let account = &told.account;
    let mut options = Options::with_client_id(yrs::block::ClientID::new(0));
    options.offset_kind = OffsetKind::Utf16;
    // As readers of Yjs do here, it deletes nothing by itself.
    options.cleanup_formatting = false;
    let doc = Doc::with_options(options);
    let mut txn = doc.transact_mut();
    for update in updates {
        let update = yrs::Update::decode_v1(update).map_err(|error| error.to_string())?;
        txn.apply_update(update)
            .map_err(|error| error.to_string())?;
    }
    txn.commit();
    let vector = VersionVector::decode(&txn.state_vector().encode_v1()).unwrap();
    if vector != VersionVector::decode(&account.vector).unwrap() {
        return Err(format!("vector {vector:?}"));
    }
    // An update without structs.
    let mut deletes = vec![0];
    deletes.extend(txn.snapshot().delete_set.encode_v1());
    let deletes = Update::decode(&deletes, &Limits::NONE).unwrap().deletes();
    let should = Update::decode(&account.deletes, &Limits::NONE)
        .unwrap()
        .deletes();
    if deletes != should {
        return Err(format!(
            "deletes\n  is     {deletes:?}\n  should {should:?}"
        ));
    }
    for (root, should) in [("text", &account.text), ("note", &account.note)] {
        // Only letters: it has nothing for other units.
        let text = txn.get_or_insert_text(root).get_string(&txn);
        let should = should.replace('\u{fffc}', "");
        if text != should {
            return Err(format!("{root}\n  is     {text:?}\n  should {should:?}"));
        }
    }
    Ok(())
}
