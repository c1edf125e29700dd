//! What happened, line by line: hashed, so that two runs can be compared, the newest lines kept
//! for a failure, and shown to whoever wants to see them all.

use std::{collections::VecDeque, fmt, rc::Rc};

use sha2::{Digest, Sha256};

/// Lines that a failure shows.
const KEPT: usize = 40;

/// Somebody who reads along.
pub type Reader = Rc<dyn Fn(&str)>;

pub(crate) struct Trace {
    hash: Sha256,
    kept: VecDeque<String>,
    reader: Option<Reader>,
}

impl Trace {
    pub(crate) fn new(reader: Option<Reader>) -> Self {
        Self { hash: Sha256::new(), kept: VecDeque::with_capacity(KEPT), reader }
    }

    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) {
        let full = self.kept.len() >= KEPT;
        let mut line = if full { self.kept.pop_front().unwrap_or_default() } else { String::new() };
        line.clear();
        // Writing to a string cannot fail.
        let _never = fmt::write(&mut line, text);
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        if let Some(reader) = &self.reader {
            reader(&line);
        }
        self.kept.push_back(line);
    }

    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.kept.iter().cloned().collect()
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}
