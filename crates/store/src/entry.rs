//! One entry of the journal and its bytes. The layout is described in `docs/journal-format.md`.

use primitives::Timestamp;
use signer_protocol::merkle::leaf_hash;

/// The longest body, 8 MiB: a guard against a runaway event. The largest real one is a block that
/// is full of our deposits and ends as many payments as the domain names in one event, below 6 MB; a
/// test there holds it to this number.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// Bytes before the body: hash 32, shard 2, sequence number 8, time 8, kind 2, version 2.
pub(crate) const HEADER_BYTES: usize = 54;

/// What the core gives to the journal: one event, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When the core decided it. The core never goes back in time; the journal does not check.
    pub at: Timestamp,
    /// Which event, by its number in the event table.
    pub kind: u16,
    /// Which encoding of that event. A pair of kind and version that was released never changes.
    pub version: u16,
    /// The event in that encoding, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// What the journal holds: a record in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The shard whose journal this is.
    pub shard: u16,
    /// Its place, counted from 1.
    pub seq: u64,
    /// The leaf hash of the entry before; of the first entry, the hash that names the deployment.
    pub previous: [u8; 32],
    /// This entry's leaf hash (RFC 6962, section 2.1).
    pub leaf: [u8; 32],
    /// What was recorded.
    pub record: Record,
}

/// What is wrong with a stored entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Too few bytes for the fixed fields.
    #[error("is damaged: {bytes} bytes are too few for an entry")]
    TooShort {
        /// Its bytes.
        bytes: usize,
    },
    /// Its time is after the year 9999.
    #[error("is damaged: its time is {millis} ms since 1970")]
    Time {
        /// The time in its bytes, in milliseconds since 1970.
        millis: u64,
    },
    /// Its bytes name another shard.
    #[error("belongs to shard {found}, not to shard {wanted}")]
    OtherShard {
        /// The journal's shard.
        wanted: u16,
        /// The shard in its bytes.
        found: u16,
    },
    /// Its bytes name another place: entries were reordered or their numbers changed.
    #[error("is out of place: its bytes say that it is entry {claims}")]
    OutOfPlace {
        /// The sequence number in its bytes.
        claims: u64,
    },
    /// There is no such entry, though later ones are there.
    #[error("is missing, though entry {next} is there")]
    Missing {
        /// The next entry that is there.
        next: u64,
    },
    /// There is no such entry, though the journal held it when it was opened.
    #[error("is missing, though the journal ended at {size}")]
    Gone {
        /// Where the journal ended.
        size: u64,
    },
    /// The entry after it carries the hash of other bytes, and itself fits into the chain.
    #[error("was altered: the entry after it carries the hash of other bytes")]
    Altered,
    /// It does not carry the hash of the entry before it.
    #[error("does not continue the entry before it: the hash that it carries is another one")]
    ChainBroken,
}

/// Appends the bytes of entry `seq` to `bytes`.
pub(crate) fn encode(
    bytes: &mut Vec<u8>,
    (shard, seq): (u16, u64),
    previous: &[u8; 32],
    record: &Record,
) {
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(&shard.to_le_bytes());
    bytes.extend_from_slice(&seq.to_le_bytes());
    bytes.extend_from_slice(&record.at.to_millis().to_le_bytes());
    bytes.extend_from_slice(&record.kind.to_le_bytes());
    bytes.extend_from_slice(&record.version.to_le_bytes());
    bytes.extend_from_slice(&record.body);
}

/// Reads the bytes that are stored as entry `seq` of `shard`. Whether they fit into the chain is
/// the caller's question.
pub(crate) fn decode(shard: u16, seq: u64, bytes: &[u8]) -> Result<Entry, Problem> {
    let fields = Fields::split(bytes).ok_or(Problem::TooShort { bytes: bytes.len() })?;
    if fields.shard != shard {
        return Err(Problem::OtherShard { wanted: shard, found: fields.shard });
    }
    if fields.seq != seq {
        return Err(Problem::OutOfPlace { claims: fields.seq });
    }
    let millis = fields.at;
    let at = Timestamp::parse_millis(millis).map_err(|_| Problem::Time { millis })?;
    let (kind, version, body) = (fields.kind, fields.version, fields.body.to_vec());
    Ok(Entry {
        shard,
        seq,
        previous: fields.previous,
        leaf: leaf_hash(bytes),
        record: Record { at, kind, version, body },
    })
}

struct Fields<'a> {
    previous: [u8; 32],
    shard: u16,
    seq: u64,
    at: u64,
    kind: u16,
    version: u16,
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (previous, rest) = bytes.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (version, body) = rest.split_first_chunk()?;
        Some(Self {
            previous: *previous,
            shard: u16::from_le_bytes(*shard),
            seq: u64::from_le_bytes(*seq),
            at: u64::from_le_bytes(*at),
            kind: u16::from_le_bytes(*kind),
            version: u16::from_le_bytes(*version),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_entry() -> Vec<u8> {
        let at = Timestamp::parse_millis(0x0102_0304_0506).unwrap();
        let record = Record { at, kind: 0x0a0b, version: 0x0c0d, body: b"body".to_vec() };
        let mut bytes = Vec::new();
        encode(&mut bytes, (0x1112, 0x2122_2324_2526_2728), &[0xee; 32], &record);
        bytes
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut expected = vec![0xee; 32];
        expected.extend([0x12, 0x11]);
        expected.extend([0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]);
        expected.extend([0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x00, 0x00]);
        expected.extend([0x0b, 0x0a, 0x0d, 0x0c]);
        assert_eq!(expected.len(), HEADER_BYTES);
        expected.extend(b"body");
        assert_eq!(an_entry(), expected);
    }

    #[test]
    fn an_entry_is_read_back_with_its_leaf_hash() {
        let bytes = an_entry();
        let entry = decode(0x1112, 0x2122_2324_2526_2728, &bytes).unwrap();
        assert_eq!((entry.previous, entry.leaf), ([0xee; 32], leaf_hash(&bytes)));
        assert_eq!((entry.record.kind, entry.record.version), (0x0a0b, 0x0c0d));
        assert_eq!(entry.record.body, b"body");
    }

    #[test]
    fn bytes_that_are_no_entry_of_this_place_are_named() {
        let bytes = an_entry();
        let (shard, seq) = (0x1112, 0x2122_2324_2526_2728);
        assert_eq!(decode(shard, seq, &bytes[..53]), Err(Problem::TooShort { bytes: 53 }));
        assert_eq!(decode(1, seq, &bytes), Err(Problem::OtherShard { wanted: 1, found: shard }));
        assert_eq!(decode(shard, 7, &bytes), Err(Problem::OutOfPlace { claims: seq }));
        let mut late = bytes;
        late[49] = 0xff;
        assert!(matches!(decode(shard, seq, &late), Err(Problem::Time { .. })));
    }
}
