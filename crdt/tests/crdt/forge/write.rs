//! Putting together, whatever it says.

use super::{Block, Content, Id, KEY, ORIGIN, Parent, RIGHT, Update, var};

impl Update {
    pub fn write(&self) -> Vec<u8> {
        self.write_lying(None)
    }

    /// Writes another number in place of the `lie.0`-th.
    pub fn write_lying(&self, lie: Option<(usize, u64)>) -> Vec<u8> {
        let (out, numbers) = (Vec::new(), 0);
        let mut pen = Pen { out, numbers, lie };
        pen.var(self.sections.len() as u64);
        for section in &self.sections {
            pen.var(section.blocks.len() as u64);
            pen.id((section.client, section.clock));
            for block in &section.blocks {
                pen.block(block);
            }
        }
        pen.var(self.deletes.len() as u64);
        for (client, ranges) in &self.deletes {
            pen.var(*client);
            pen.var(ranges.len() as u64);
            for &range in ranges {
                pen.id(range);
            }
        }
        pen.out
    }

    /// How many numbers [`Update::write_lying`] can lie about.
    pub fn numbers(&self) -> usize {
        let blocks = self.sections.iter().map(|section| section.blocks.len());
        2 + 3 * self.sections.len() + 3 * blocks.sum::<usize>() + 3 * self.deletes.len()
    }
}

struct Pen {
    out: Vec<u8>,
    numbers: usize,
    lie: Option<(usize, u64)>,
}

impl Pen {
    fn var(&mut self, value: u64) {
        let value = match self.lie {
            Some((at, lie)) if at == self.numbers => lie,
            _ => value,
        };
        self.numbers += 1;
        var(&mut self.out, value);
    }

    fn id(&mut self, (client, clock): Id) {
        self.var(client);
        self.var(clock);
    }

    fn string(&mut self, text: &str) {
        self.buf(text.as_bytes());
    }

    fn buf(&mut self, bytes: &[u8]) {
        self.var(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn block(&mut self, block: &Block) {
        let kind = match &block.content {
            Content::Gc(len) => {
                self.out.push(0);
                return self.var(*len);
            }
            Content::Skip(len) => {
                self.out.push(10);
                return self.var(*len);
            }
            Content::Deleted(_) => 1,
            Content::Json(_) => 2,
            Content::Binary(_) => 3,
            Content::String(_) => 4,
            Content::Embed(_) => 5,
            Content::Format(..) => 6,
            Content::Type(..) => 7,
            Content::Any(_) => 8,
            Content::Doc(..) => 9,
            Content::Other(kind, _) => *kind,
        };
        self.out.push(block.flags | kind);
        if block.flags & ORIGIN != 0 {
            self.id(block.origin);
        }
        if block.flags & RIGHT != 0 {
            self.id(block.right);
        }
        if block.flags & (ORIGIN | RIGHT) == 0 {
            match &block.parent {
                Parent::Root(name) => {
                    self.var(1);
                    self.string(name);
                }
                Parent::Item(id) => {
                    self.var(0);
                    self.id(*id);
                }
            }
            if block.flags & KEY != 0 {
                self.string(&block.key);
            }
        }
        self.content(&block.content);
    }

    fn content(&mut self, content: &Content) {
        match content {
            Content::Gc(len) | Content::Skip(len) | Content::Deleted(len) => self.var(*len),
            Content::Json(values) => {
                self.var(values.len() as u64);
                values.iter().for_each(|value| self.string(value));
            }
            Content::Binary(bytes) => self.buf(bytes),
            Content::String(text) | Content::Embed(text) => self.string(text),
            Content::Format(key, value) => {
                self.string(key);
                self.string(value);
            }
            Content::Type(kind, name) => {
                self.var(*kind);
                if matches!(kind, 3 | 5) {
                    self.string(name);
                }
            }
            Content::Any(values) => {
                self.var(values.len() as u64);
                values
                    .iter()
                    .for_each(|value| self.out.extend_from_slice(value));
            }
            Content::Doc(guid, options) => {
                self.string(guid);
                self.out.push(118);
                self.var(options.len() as u64);
                for (name, value) in options {
                    self.string(name);
                    self.out.extend_from_slice(value);
                }
            }
            Content::Other(_, bytes) => self.out.extend_from_slice(bytes),
        }
    }
}
