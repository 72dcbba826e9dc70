//! A Node process that tells honest histories and says what Yjs makes of them.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::told::{Account, Bytes, Told};
use ropewalk_tests::frames::{put_buf, put_uint};

const HISTORIES: u8 = 0;
const TOLD: u8 = 1;
const ACCOUNTS: u8 = 2;

/// Which Yjs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yjs {
    V13,
    V14,
}

/// The process. Answers come in the order of the questions.
pub struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<Bytes>,
}

impl Oracle {
    pub fn start() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(
            tests.join("node_modules/yjs").is_dir(),
            "Yjs is not there: npm ci --prefix tests"
        );
        let mut child = Command::new("node")
            .arg(tests.join("node/differential/main.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let questions = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // Read all the time: Node blocks on a full pipe, and would then not read the next question.
        let (send, answers) = channel();
        std::thread::spawn(move || {
            let mut length = [0; 4];
            while stdout.read_exact(&mut length).is_ok() {
                let mut body = vec![0; u32::from_le_bytes(length) as usize];
                if stdout.read_exact(&mut body).is_err() || send.send(body).is_err() {
                    return;
                }
            }
        });
        Oracle {
            child,
            questions,
            answers,
        }
    }

    /// Asks for the histories of `count` seeds from `first` on; `kinds` with commas between, all when empty. Half of
    /// the replicas are of Yjs `half`, the others of Yjs 13.
    pub fn ask_histories(&mut self, first: u64, count: u64, kinds: &str, half: Yjs) {
        let mut body = vec![HISTORIES];
        put_uint(&mut body, first);
        put_uint(&mut body, count);
        body.push(half as u8);
        put_buf(&mut body, kinds.as_bytes());
        self.ask(&body);
    }

    /// The histories.
    pub fn histories(&mut self) -> Vec<Told> {
        let answer = self.answer();
        let mut from = Answer(&answer);
        (0..from.uint()).map(|_| from.told()).collect()
    }

    /// Some updates as a history.
    pub fn told(&mut self, seed: u64, kinds: &str, updates: &[Bytes]) -> Told {
        let mut body = vec![TOLD];
        put_uint(&mut body, seed);
        put_buf(&mut body, kinds.as_bytes());
        put_list(&mut body, updates);
        self.ask(&body);
        Answer(&self.answer()).told()
    }

    /// Asks what documents say that read some updates each.
    pub fn ask_accounts<'a>(&mut self, of: impl ExactSizeIterator<Item = &'a [Bytes]>, by: Yjs) {
        let mut body = vec![ACCOUNTS, by as u8];
        put_uint(&mut body, of.len() as u64);
        for updates in of {
            put_list(&mut body, updates);
        }
        self.ask(&body);
    }

    /// What they say, or why they could not read.
    pub fn accounts(&mut self) -> Vec<Result<Account, String>> {
        let answer = self.answer();
        let mut from = Answer(&answer);
        (0..from.uint())
            .map(|_| match from.byte() {
                0 => Err(from.string()),
                _ => Ok(from.account()),
            })
            .collect()
    }

    fn ask(&mut self, body: &[u8]) {
        let length = (body.len() as u32).to_le_bytes();
        let asked = self.questions.write_all(&length);
        asked
            .and_then(|()| self.questions.write_all(body))
            .expect("node listens");
    }

    fn answer(&mut self) -> Bytes {
        self.answers.recv().expect("node answers")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put_list(to: &mut Bytes, list: &[Bytes]) {
    put_uint(to, list.len() as u64);
    for bytes in list {
        put_buf(to, bytes);
    }
}

/// What is left of an answer.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }

    fn uint(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn bytes(&mut self) -> Bytes {
        let length = self.uint();
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    fn list(&mut self) -> Vec<Bytes> {
        (0..self.uint()).map(|_| self.bytes()).collect()
    }

    fn account(&mut self) -> Account {
        Account {
            waits: self.byte() == 1,
            vector: self.bytes(),
            deletes: self.bytes(),
            order: self.string(),
            read: self.string(),
            text: self.string(),
            note: self.string(),
        }
    }

    fn told(&mut self) -> Told {
        Told {
            kinds: self.string(),
            updates: self.list(),
            states: self.list(),
            parcels: self.list(),
            whole: self.bytes(),
            early: self.uint(),
            missing: self.bytes(),
            account: self.account(),
        }
    }
}
