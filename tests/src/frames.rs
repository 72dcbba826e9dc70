//! The y-websocket frames, written and read byte by byte.

/// A frame that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A state vector: what the server has.
    Step1(&'a [u8]),
    /// The answer to our state vector: an update.
    Step2(&'a [u8]),
    /// An update.
    Update(&'a [u8]),
    /// Awareness entries; none in a keep-alive.
    Awareness(Vec<Entry<'a>>),
    /// What a client marked, once everything before it is saved.
    Saved(&'a [u8]),
    /// For how many milliseconds the oldest edit has waited for the disk; 0 when that is over.
    Slow(u64),
    /// Whether we may edit from now on.
    Access(bool),
    /// Why something that we did is not done.
    Denied(&'a str),
}

/// One client's state in an awareness frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose state.
    pub client: u64,
    /// Counts its states.
    pub clock: u64,
    /// JSON, or `null` when the client is gone.
    pub json: &'a str,
}

/// The empty awareness frame that keeps a silent connection alive.
pub const KEEP_ALIVE: [u8; 3] = [1, 1, 0];

/// Appends a varUint.
pub fn put_uint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Appends a buffer with its length in front.
pub fn put_buf(to: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn sync(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, kind];
    put_buf(&mut frame, body);
    frame
}

/// Asks for everything that the state vector lacks.
pub fn step1(state_vector: &[u8]) -> Vec<u8> {
    sync(0, state_vector)
}

/// Answers a state vector with an update.
pub fn step2(update: &[u8]) -> Vec<u8> {
    sync(1, update)
}

/// A live update.
pub fn update(update: &[u8]) -> Vec<u8> {
    sync(2, update)
}

/// Awareness states: client, clock, JSON.
pub fn awareness(entries: &[(u64, u64, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_uint(&mut body, entries.len() as u64);
    for (client, clock, json) in entries {
        put_uint(&mut body, *client);
        put_uint(&mut body, *clock);
        put_buf(&mut body, json.as_bytes());
    }
    let mut frame = vec![1];
    put_buf(&mut frame, &body);
    frame
}

/// Asks to be told when everything sent so far is saved.
pub fn saved(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![102];
    put_buf(&mut frame, payload);
    frame
}

/// Reads a frame to its last byte.
pub fn read(frame: &[u8]) -> Result<Frame<'_>, String> {
    let mut rest = Reader(frame);
    let message = match rest.uint()? {
        0 => match rest.uint()? {
            0 => Frame::Step1(rest.buf()?),
            1 => Frame::Step2(rest.buf()?),
            2 => Frame::Update(rest.buf()?),
            other => return Err(format!("sync message {other}")),
        },
        1 => {
            let mut body = Reader(rest.buf()?);
            let mut entries = Vec::new();
            for _ in 0..body.uint()? {
                let (client, clock) = (body.uint()?, body.uint()?);
                let json = std::str::from_utf8(body.buf()?).map_err(|e| e.to_string())?;
                entries.push(Entry {
                    client,
                    clock,
                    json,
                });
            }
            body.end()?;
            Frame::Awareness(entries)
        }
        2 => match rest.uint()? {
            0 => Frame::Denied(std::str::from_utf8(rest.buf()?).map_err(|e| e.to_string())?),
            other => return Err(format!("auth message {other}")),
        },
        102 => Frame::Saved(rest.buf()?),
        103 => {
            let mut body = Reader(rest.buf()?);
            let waited = body.uint()?;
            body.end()?;
            Frame::Slow(waited)
        }
        104 => match rest.buf()? {
            [0] => Frame::Access(false),
            [1] => Frame::Access(true),
            other => return Err(format!("access {other:?}")),
        },
        other => return Err(format!("message type {other}")),
    };
    rest.end()?;
    Ok(message)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn uint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..56).step_by(7) {
            let (&byte, rest) = self
                .0
                .split_first()
                .ok_or("the frame ends within a number")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of more than 8 bytes".into())
    }

    fn buf(&mut self) -> Result<&'a [u8], String> {
        let length = self.uint()? as usize;
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| format!("{length} bytes announced, {} there", self.0.len()))?;
        self.0 = rest;
        Ok(head)
    }

    fn end(&self) -> Result<(), String> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(format!("{} bytes too many", self.0.len()))
        }
    }
}
