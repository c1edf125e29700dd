//! Asking twice is asking once, for requests that have no id of their own.

use std::collections::{BTreeMap, VecDeque};

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{Seconds, Timestamp};

use crate::Refusal;

/// How long a key stays in memory; later the edge consults the table of older ones.
pub const IN_MEMORY: Seconds = Seconds(35 * 86_400);

/// A request's idempotency key and what it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct Idempotency {
    /// SHA-256 of who asked and the key that they chose.
    pub key: [u8; 32],
    /// SHA-256 of what they asked.
    pub fingerprint: [u8; 32],
}

/// What a request with an idempotency key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct Remembered {
    /// What it asked.
    pub fingerprint: [u8; 32],
    /// The number of the account or the index of the address that it made.
    pub made: u64,
}

impl Remembered {
    /// What this request made, which uses the same key.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyKeyReused`] where it asks something else.
    pub fn answer(&self, asked: &Idempotency) -> Result<u64, Refusal> {
        if self.fingerprint == asked.fingerprint {
            Ok(self.made)
        } else {
            Err(Refusal::IdempotencyKeyReused)
        }
    }
}

/// The keys of the last [`IN_MEMORY`].
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IdempotencyKeys {
    made: BTreeMap<[u8; 32], Remembered>,
    by_age: VecDeque<(Timestamp, [u8; 32])>,
}

impl IdempotencyKeys {
    /// What this request made before, if it was asked before.
    ///
    /// # Errors
    ///
    /// [`Refusal::IdempotencyKeyReused`] where the key was used for another request.
    pub fn look_up(&self, asked: Option<&Idempotency>) -> Result<Option<u64>, Refusal> {
        let Some(asked) = asked else { return Ok(None) };
        self.made.get(&asked.key).map(|before| before.answer(asked)).transpose()
    }

    pub(crate) fn remember(&mut self, at: Timestamp, asked: Option<&Idempotency>, made: u64) {
        let Some(asked) = asked else { return };
        let remembered = Remembered { fingerprint: asked.fingerprint, made };
        self.made.insert(asked.key, remembered);
        self.by_age.push_back((at, asked.key));
    }

    /// Forgets what is older than [`IN_MEMORY`] at `now`.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.by_age.front().copied() {
            if at.saturating_add(IN_MEMORY) >= now {
                return;
            }
            self.made.remove(&key);
            self.by_age.pop_front();
        }
    }
}
