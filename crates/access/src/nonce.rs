//! Nonces, and the memory that lets each be spent once.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use primitives::{KeyId, Timestamp};
use sha2::{Digest, Sha256};

use crate::{Authenticated, Refusal, RequestParts, Verified};

#[cfg(test)]
mod tests;

/// A number used once by one key: 16 to 64 characters of base64url (`A-Z a-z 0-9 - _`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Reads a nonce.
    ///
    /// # Errors
    ///
    /// [`Refusal::ParameterMalformed`] for another length or another character.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (16..=64).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        let expected = "a string of 16 to 64 characters of base64url";
        Err(Refusal::ParameterMalformed { parameter: "nonce", expected })
    }

    /// The nonce made of these random bytes, in 22 characters.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is remembered of a spent nonce: SHA-256 over the key and the nonce. One length for all,
/// so that the memory's size is known beforehand.
pub(crate) type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(key: &KeyId, nonce: &Nonce) -> Fingerprint {
    // The key has a fixed length: no two pairs run into one.
    Sha256::new().chain_update(key.0).chain_update(nonce.as_str()).finalize().into()
}

/// The nonces that were spent and could still be replayed. Bounded: when it is full it refuses,
/// and never forgets a nonce that still counts.
///
/// **Exact under concurrency** by `&mut self`: the caller wraps it in one mutex, holds that for
/// the call only (some microseconds; the expensive signature was verified before, outside), and
/// sees each nonce spent once. To shard, choose the memory by the key, never by the nonce or the
/// connection. Two processes that share no memory must not serve the same key.
///
/// **Exact against the clock**: its time is the latest `now` that it was ever given. A request is
/// refused as expired by that time, and forgotten by that same time, so that no gap lies between.
/// If the clock goes back nothing is forgotten twice; if it was far ahead, requests are refused
/// until it catches up or the process restarts.
///
/// A customer who signs many requests fills what all customers share: limit the rate by key in
/// front of it, and choose the capacity as requests per second times the longest lifetime plus
/// the clock skew. An entry takes about 200 bytes. All its work is logarithmic in the capacity.
///
/// It has ordered trees and no hash tables: a hash table would need randomness against chosen
/// nonces, and this floor draws none.
#[derive(Debug)]
pub struct NonceMemory {
    capacity: usize,
    latest: Timestamp,
    spent: BTreeMap<Fingerprint, Timestamp>,
    /// The same entries by the moment at which they may be forgotten.
    by_expiry: BTreeSet<(Timestamp, Fingerprint)>,
}

/// How many expired entries are forgotten with one call, so that no call takes long, even the
/// first after a quiet hour. More than one, so that forgetting is faster than remembering.
const FORGOTTEN_AT_ONCE: usize = 32;

impl NonceMemory {
    /// An empty memory for at most `capacity` nonces at a time.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            latest: Timestamp::EPOCH,
            spent: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
        }
    }

    /// Spends the nonce of `verified` and so authenticates its request.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`] if time ran out since it was verified, [`Refusal::NonceReused`] if
    /// the key has spent this nonce, [`Refusal::NonceMemoryFull`] if it cannot be remembered.
    /// Nothing is spent then.
    pub fn spend<'a>(
        &mut self,
        verified: Verified<'a>,
        now: Timestamp,
    ) -> Result<Authenticated<RequestParts<'a>>, Refusal> {
        self.latest = self.latest.max(now);
        self.forget_some_expired();
        let Verified { expires, spent_as, key, .. } = verified;
        let earlier = self.spent.get(&spent_as).copied();
        // Refusals, cheapest first.
        if expires <= self.latest {
            return Err(Refusal::Expired { expires, now: self.latest });
        }
        if earlier.is_some_and(|earlier| earlier > self.latest) {
            return Err(Refusal::NonceReused { key: key.id });
        }
        if self.spent.len() >= self.capacity {
            return Err(Refusal::NonceMemoryFull { capacity: self.capacity });
        }
        // From here on it must succeed.
        if let Some(expired) = self.spent.insert(spent_as, expires) {
            self.by_expiry.remove(&(expired, spent_as));
        }
        self.by_expiry.insert((expires, spent_as));
        Ok(Authenticated::after_spending(verified))
    }

    /// How many nonces are remembered, among them some that have expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spent.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spent.is_empty()
    }

    fn forget_some_expired(&mut self) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some(&(expires, spent_as)) = self.by_expiry.first() else { return };
            if expires > self.latest {
                return;
            }
            self.by_expiry.pop_first();
            self.spent.remove(&spent_as);
        }
    }
}
