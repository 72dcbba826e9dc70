//! Taking apart what honest peers have written.

use super::{Block, Content, Id, KEY, ORIGIN, Parent, RIGHT, Section, Update};

impl Update {
    /// Takes apart what an honest peer has written.
    pub fn read(bytes: &[u8]) -> Self {
        let mut wire = Wire { bytes, at: 0 };
        let sections = (0..wire.var())
            .map(|_| {
                let count = wire.var();
                let (client, clock) = (wire.var(), wire.var());
                let blocks = (0..count).map(|_| wire.block()).collect();
                Section {
                    client,
                    clock,
                    blocks,
                }
            })
            .collect();
        let deletes = (0..wire.var()).map(|_| {
            let client = wire.var();
            let ranges = (0..wire.var()).map(|_| wire.id()).collect();
            (client, ranges)
        });
        let deletes = deletes.collect();
        assert_eq!(wire.at, bytes.len(), "an update and no more");
        Update { sections, deletes }
    }
}

/// Reads what is known to be right.
struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Wire<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn var(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn id(&mut self) -> Id {
        (self.var(), self.var())
    }

    fn buf(&mut self) -> Vec<u8> {
        let len = self.var() as usize;
        self.at += len;
        self.bytes[self.at - len..self.at].to_vec()
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.buf()).unwrap()
    }

    fn block(&mut self) -> Block {
        let info = self.byte();
        match info {
            0 => return Block::new(Content::Gc(self.var())),
            10 => return Block::new(Content::Skip(self.var())),
            _ => {}
        }
        let mut block = Block::new(Content::Gc(0));
        block.flags = info & (ORIGIN | RIGHT | KEY);
        if info & ORIGIN != 0 {
            block.origin = self.id();
        }
        if info & RIGHT != 0 {
            block.right = self.id();
        }
        if info & (ORIGIN | RIGHT) == 0 {
            block.parent = match self.var() {
                1 => Parent::Root(self.string()),
                _ => Parent::Item(self.id()),
            };
            if info & KEY != 0 {
                block.key = self.string();
            }
        }
        block.content = self.content(info & 0x0f);
        block
    }

    fn content(&mut self, kind: u8) -> Content {
        match kind {
            1 => Content::Deleted(self.var()),
            2 => Content::Json((0..self.var()).map(|_| self.string()).collect()),
            3 => Content::Binary(self.buf()),
            4 => Content::String(self.string()),
            5 => Content::Embed(self.string()),
            6 => Content::Format(self.string(), self.string()),
            7 => match self.var() {
                kind @ (3 | 5) => Content::Type(kind, self.string()),
                kind => Content::Type(kind, String::new()),
            },
            8 => Content::Any((0..self.var()).map(|_| self.any()).collect()),
            9 => {
                let guid = self.string();
                assert_eq!(self.byte(), 118, "options are an object");
                let options = (0..self.var()).map(|_| (self.string(), self.any()));
                Content::Doc(guid, options.collect())
            }
            kind => panic!("content of kind {kind}"),
        }
    }

    fn any(&mut self) -> Vec<u8> {
        let start = self.at;
        match self.byte() {
            125 => while self.byte() >= 0x80 {},
            124 => self.at += 4,
            122 | 123 => self.at += 8,
            116 | 119 => drop(self.buf()),
            117 => (0..self.var()).for_each(|_| drop(self.any())),
            118 => (0..self.var()).for_each(|_| drop((self.string(), self.any()))),
            _ => {}
        }
        self.bytes[start..self.at].to_vec()
    }
}
