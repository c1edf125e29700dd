//! The oracle: a journal as a list, hashed word for word as `docs/journal-format.md` says.

use sha2::{Digest, Sha256};
use store::{Entry, Identity, Record};

pub(crate) struct Model {
    identity: Identity,
    pub(crate) entries: Vec<Entry>,
}

impl Model {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, entries: Vec::new() }
    }

    pub(crate) fn append(&mut self, records: &[Record]) {
        for record in records {
            let seq = self.entries.len() as u64 + 1;
            let previous = self.last_leaf();
            let leaf = leaf(&bytes(self.identity.shard, seq, previous, record));
            let shard = self.identity.shard;
            self.entries.push(Entry { shard, seq, previous, leaf, record: record.clone() });
        }
    }

    pub(crate) fn last_leaf(&self) -> [u8; 32] {
        let origin = [b"strongroom/journal/1".as_slice(), &self.identity.deployment.0].concat();
        self.entries.last().map_or_else(|| Sha256::digest(origin).into(), |entry| entry.leaf)
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        let leaves: Vec<_> = self.entries.iter().map(|entry| entry.leaf).collect();
        tree_hash(&leaves)
    }
}

pub(crate) fn bytes(shard: u16, seq: u64, previous: [u8; 32], record: &Record) -> Vec<u8> {
    [
        previous.as_slice(),
        &shard.to_le_bytes(),
        &seq.to_le_bytes(),
        &record.at.to_millis().to_le_bytes(),
        &record.kind.to_le_bytes(),
        &record.version.to_le_bytes(),
        &record.body,
    ]
    .concat()
}

pub(crate) fn leaf(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest([&[0], bytes].concat()).into()
}

fn tree_hash(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let node = [&[1], tree_hash(left).as_slice(), &tree_hash(right)].concat();
            Sha256::digest(node).into()
        }
    }
}
