//! Structs on their way to the engine.

use crate::ClientId;
use crate::update::{Kind, Struct};
use crate::wire::write_var;
use std::collections::HashSet;

/// Clients in one batch for the engine: it recurses over them and scans them per dependency.
const BATCH_CLIENTS: usize = 32;

/// Structs as bytes, cut where the client changes.
#[derive(Default)]
pub(crate) struct Ready {
    spans: Vec<Span>,
    bytes: Vec<u8>,
}

/// How a struct goes to the engine.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As it came.
    Whole,
    /// Without its content, as deleted. Several values under one key are always deleted ones that
    /// have been merged; alive, an engine would show one and delete another at the next loading.
    Hollow,
    /// As forgotten.
    Gone,
}

struct Span {
    client: ClientId,
    clock: u32,
    count: usize,
    start: usize,
    end: usize,
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Number of bytes of all structs.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, block: &Struct<'_>, offset: u32, form: Form) {
        let start = self.bytes.len();
        match form {
            Form::Whole => block.write_from(offset, &mut self.bytes),
            Form::Hollow => block.write_hollow(offset, &mut self.bytes),
            Form::Gone => {
                self.bytes.push(Kind::Gc as u8);
                write_var(&mut self.bytes, u64::from(block.len - offset));
            }
        }
        let end = self.bytes.len();
        match self.spans.last_mut() {
            Some(span) if span.client == block.client => {
                span.count += 1;
                span.end = end;
            }
            _ => self.spans.push(Span {
                client: block.client,
                clock: block.clock + offset,
                count: 1,
                start,
                end,
            }),
        }
    }

    /// Updates to be applied one after the other.
    pub(crate) fn updates(&self) -> Vec<Vec<u8>> {
        let mut updates = Vec::new();
        let mut batch: Vec<&Span> = Vec::new();
        let mut clients = HashSet::new();
        for span in &self.spans {
            if clients.len() == BATCH_CLIENTS && !clients.contains(&span.client) {
                updates.push(self.update(&mut batch));
                clients.clear();
            }
            clients.insert(span.client);
            batch.push(span);
        }
        if !batch.is_empty() {
            updates.push(self.update(&mut batch));
        }
        updates
    }

    fn update(&self, batch: &mut Vec<&Span>) -> Vec<u8> {
        batch.sort_by_key(|span| (std::cmp::Reverse(span.client), span.clock));
        let sections = batch.chunk_by(|a, b| a.client == b.client);
        let mut out = Vec::new();
        write_var(&mut out, sections.clone().count() as u64);
        for section in sections {
            write_var(&mut out, section.iter().map(|span| span.count as u64).sum());
            write_var(&mut out, section[0].client);
            write_var(&mut out, u64::from(section[0].clock));
            for span in section {
                out.extend_from_slice(&self.bytes[span.start..span.end]);
            }
        }
        out.push(0);
        batch.clear();
        out
    }
}
