//! A disk that has lost its power: what was written and not synced may be there, or in part, or not.

use std::collections::BTreeMap;
use std::path::Path;

/// What a server did to a file. See `preload.c`.
pub struct Act {
    /// Bytes of the recording up to its end.
    pub end: u64,
    pub kind: u8,
    pub name: String,
    offset: u64,
    data: Vec<u8>,
}

/// Reads a recording; what a kill cut off at its end is left out.
pub fn read(recording: &[u8]) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut at = 0;
    while let Some(head) = recording.get(at..at + 15) {
        let name_end = at + 15 + usize::from(u16::from_le_bytes([head[1], head[2]]));
        let size = u32::from_le_bytes(head[11..15].try_into().unwrap()) as usize;
        let Some(data) = recording.get(name_end..name_end + size) else {
            break;
        };
        let name = String::from_utf8(recording[at + 15..name_end].to_vec()).unwrap();
        at = name_end + size;
        acts.push(Act {
            end: at as u64,
            kind: head[0],
            name,
            offset: u64::from_le_bytes(head[3..11].try_into().unwrap()),
            data: data.to_vec(),
        });
    }
    acts
}

/// What of the changes since the last sync of a file is on the disk.
pub enum Left<'r> {
    Nothing,
    All,
    /// Each change, or a part of it in sectors, or nothing of it, as these numbers say.
    Some(&'r mut dyn FnMut() -> u64),
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    /// Where, and what is written there; nothing where the file is cut.
    changes: Vec<(u64, Option<Vec<u8>>)>,
}

/// Bytes that a disk writes whole.
const SECTOR: usize = 512;

fn change(bytes: &mut Vec<u8>, offset: u64, data: Option<&[u8]>) {
    let offset = offset as usize;
    let Some(data) = data else {
        return bytes.resize(offset, 0);
    };
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

/// The files of a folder. Names come and go at once, as a file system with a journal orders them.
#[derive(Clone, Default)]
pub struct Disk(BTreeMap<String, File>);

impl Disk {
    pub fn act(&mut self, act: &Act) {
        let Act {
            kind,
            name,
            offset,
            data,
            ..
        } = act;
        let mut file = self.0.remove(name).unwrap_or_default();
        match kind {
            b'W' => file.changes.push((*offset, Some(data.clone()))),
            b'T' => file.changes.push((*offset, None)),
            b'S' => {
                for (offset, data) in file.changes.drain(..) {
                    change(&mut file.synced, offset, data.as_deref());
                }
            }
            // The system holds for clean what it could not write: nothing but another write brings it to the disk.
            b'F' => file.changes.clear(),
            b'A' => {}
            b'U' => return,
            b'R' => {
                let name = String::from_utf8(data.clone()).unwrap();
                self.0.insert(name, file);
                return;
            }
            other => panic!("a record of kind {other}"),
        }
        self.0.insert(name.clone(), file);
    }

    /// Writes what is left into a folder.
    pub fn write(&self, folder: &Path, mut left: Left<'_>) {
        for (name, file) in &self.0 {
            let mut bytes = file.synced.clone();
            for (offset, data) in &file.changes {
                let mut data = data.as_deref();
                match &mut left {
                    Left::Nothing => continue,
                    Left::All => {}
                    Left::Some(random) => match (random() % 4, data) {
                        (0, _) => continue,
                        (1, Some(whole)) => {
                            let sectors = 1 + random() as usize % whole.len().div_ceil(SECTOR);
                            data = Some(&whole[..whole.len().min(sectors * SECTOR)]);
                        }
                        _ => {}
                    },
                }
                change(&mut bytes, *offset, data);
            }
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
}
