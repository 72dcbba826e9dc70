//! Editing traces of real people: the files of josephg/editing-traces, in the folder that the
//! environment variable `ROPEWALK_TRACES` names.

use serde::Deserialize;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// One change at a place, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Patch(pub u32, pub u32, pub String);

/// What an author does in one go, on top of the text that `parents` make.
#[derive(Debug, Clone, Deserialize)]
pub struct Turn {
    /// Earlier turns, by their number; everything that they build on belongs to them.
    #[serde(default)]
    pub parents: Vec<usize>,
    #[serde(default)]
    pub agent: usize,
    pub patches: Vec<Patch>,
}

#[derive(Deserialize)]
struct Trace {
    txns: Vec<Turn>,
}

/// The turns of a trace; None without the variable. Characters are taken for UTF-16 code units.
pub fn read(name: &str) -> Option<Vec<Turn>> {
    let folder = std::env::var_os("ROPEWALK_TRACES")?;
    let path = Path::new(&folder).join(format!("{name}.json.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = BufReader::new(flate2::read::GzDecoder::new(file));
    let trace: Trace = serde_json::from_reader(BufReader::new(bytes)).unwrap();
    let mut patches = trace.txns.iter().flat_map(|turn| &turn.patches);
    assert!(
        patches.all(|Patch(_, _, text)| text.chars().all(|char| char.len_utf16() == 1)),
        "{name} has characters beyond U+FFFF"
    );
    Some(trace.txns)
}
