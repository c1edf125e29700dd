//! The signer's own list of customers' keys. The server cannot write it.

use std::collections::BTreeMap;

use primitives::{AccountId, KeyId, Seconds};

/// Which key belongs to which account, and since when in running time.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    since: BTreeMap<(AccountId, KeyId), u64>,
}

impl Registry {
    /// The most keys of one account.
    pub(crate) const PER_ACCOUNT_MAX: usize = 16;

    pub(crate) fn contains(&self, account: AccountId, key: KeyId) -> bool {
        self.since.contains_key(&(account, key))
    }

    pub(crate) fn keys_of(&self, account: AccountId) -> usize {
        let (first, last) = (KeyId([0; 32]), KeyId([0xff; 32]));
        self.since.range((account, first)..=(account, last)).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.since.len()
    }

    /// Milliseconds that are left of a key's cool-down; `None` for a key that is not listed.
    pub(crate) fn cooling(
        &self,
        account: AccountId,
        key: KeyId,
        cool_down: Seconds,
        running_millis: u64,
    ) -> Option<u64> {
        let since = self.since.get(&(account, key))?;
        let end = since.saturating_add(cool_down.0.saturating_mul(1000));
        Some(end.saturating_sub(running_millis))
    }

    pub(super) fn add(
        &mut self,
        account: AccountId,
        key: KeyId,
        running_millis: u64,
    ) -> Result<(), &'static str> {
        match self.since.insert((account, key), running_millis) {
            None => Ok(()),
            Some(_) => Err("a key was added twice"),
        }
    }

    pub(super) fn remove(&mut self, account: AccountId, key: KeyId) -> Result<(), &'static str> {
        self.since.remove(&(account, key)).map(|_| ()).ok_or("an unlisted key was removed")
    }
}
