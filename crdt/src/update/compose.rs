//! Writing updates from the raw bytes of structs.

use super::{Kind, Section, Struct, Update};
use crate::wire::write_var;
use crate::{ClientId, DeleteSet, Limits};
use std::collections::BTreeMap;

/// One update that says all that `updates` say, when the structs of each client join without a
/// gap; None otherwise, and when one of them is malformed.
///
/// It is made of the bytes as they are: structs that are in several updates are written once.
/// O(n log n) in the number of structs, memory a small multiple of the input.
pub fn merge(updates: &[&[u8]]) -> Option<Vec<u8>> {
    let mut composer = Composer::default();
    for update in updates {
        composer.add(&Update::decode(update, &Limits::NONE).ok()?);
    }
    composer.write()
}

/// Structs and deletes to be written as one update.
#[derive(Default)]
struct Composer<'a> {
    /// Runs of structs without a skip, by client and then by first clock.
    runs: BTreeMap<ClientId, Vec<Section<'a>>>,
    deletes: DeleteSet,
}

impl<'a> Composer<'a> {
    fn add(&mut self, update: &Update<'a>) {
        for section in update.sections() {
            self.add_section(section);
        }
        self.deletes.join(&update.deletes());
    }

    /// Adds the structs of a section, cut at its skips.
    fn add_section(&mut self, section: &Section<'a>) {
        let mut structs = section.structs();
        let mut run: Option<(u32, usize, &'a [u8])> = None;
        loop {
            let before = structs.rest();
            let block = structs.next();
            match &block {
                Some(block) if block.content.kind() != Kind::Skip => {
                    run.get_or_insert(before);
                }
                _ => {
                    if let Some((clock, count, rest)) = run.take() {
                        self.runs.entry(section.client).or_default().push(Section {
                            client: section.client,
                            clock,
                            end: before.0,
                            count: count - before.1,
                            raw: &rest[..rest.len() - before.2.len()],
                        });
                    }
                }
            }
            if block.is_none() {
                return;
            }
        }
    }

    /// Writes the update; None when something is missing between two runs of a client.
    fn write(mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.runs
            .retain(|_, runs| runs.iter().any(|run| run.end > run.clock));
        write_var(&mut out, self.runs.len() as u64);
        for (&client, runs) in self.runs.iter_mut().rev() {
            runs.sort_by_key(|run| run.clock);
            let mut pen = Pen::default();
            for block in runs.iter().flat_map(Section::structs) {
                pen.put(&block)?;
            }
            pen.finish(client, &mut out);
        }
        self.deletes.write(&mut out);
        Some(out)
    }
}

/// The section of one client while it is written.
#[derive(Default)]
struct Pen {
    /// Clock of the first struct and the clock after the last, once there is one.
    span: Option<(u32, u32)>,
    count: usize,
    bytes: Vec<u8>,
}

impl Pen {
    /// Appends what of `block` is not yet written. None when there would be a gap.
    fn put(&mut self, block: &Struct<'_>) -> Option<()> {
        let (start, next) = self.span.unwrap_or((block.clock, block.clock));
        if block.end() <= next {
            return Some(());
        }
        if block.clock > next {
            return None;
        }
        block.write_from(next - block.clock, &mut self.bytes);
        self.count += 1;
        self.span = Some((start, block.end()));
        Some(())
    }

    fn finish(self, client: ClientId, out: &mut Vec<u8>) {
        write_var(out, self.count as u64);
        write_var(out, client);
        write_var(out, u64::from(self.span.map_or(0, |(start, _)| start)));
        out.extend_from_slice(&self.bytes);
    }
}
