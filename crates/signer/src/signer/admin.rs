//! What is done on the signer's own host: halt, resume, the list of customers' keys. None of it
//! can be asked through the server.

use ed25519_dalek::VerifyingKey;
use primitives::{AccountId, KeyId};
use signer_protocol::Description;

use super::Signer;
use crate::{
    clock::{Moment, Now},
    fault::Fault,
    memory::Memory,
    record::Record,
    state::Registry,
};

/// The longest reason of a halt, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// Why an act on the signer's host was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No reason, or not a line of text.
    #[error("a halt needs a reason: one line of 1 to {REASON_CHARS_MAX} characters")]
    Reason,
    /// The key is no Ed25519 key, or one whose signatures anybody can make.
    #[error("{key} is no usable Ed25519 key: ask the customer for another one")]
    Key {
        /// The key.
        key: KeyId,
    },
    /// An account has as many keys as it may have.
    #[error("{account} has {max} keys, the most that is kept: remove one first")]
    KeysTooMany {
        /// The account.
        account: AccountId,
        /// The most keys.
        max: usize,
    },
    /// The wall clock can be accepted only while nothing is signed.
    #[error("the wall clock is accepted only during a halt: halt first, then look at the clock")]
    NotHalted,
}

/// Why an act on the signer's host failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// It was refused.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something broke: the process must stop.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How the signer stands, for whoever runs its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What the server may know as well.
    pub description: Description,
    /// The signer's own time.
    pub moment: Moment,
    /// Records in the memory.
    pub records: u64,
    /// Withdrawals ever signed.
    pub withdrawals: usize,
    /// Customers' keys in the list.
    pub keys: usize,
}

impl<M: Memory> Signer<M> {
    /// Stops all signing at once, durably. A second halt adds its reason.
    ///
    /// # Errors
    ///
    /// [`Denied::Reason`], or a [`Fault`].
    pub fn halt(&mut self, reason: &str, now: Now) -> Result<(), AdminError> {
        let at = self.admit(now)?;
        let length = reason.chars().count();
        if length == 0 || length > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
            return Err(Denied::Reason.into());
        }
        self.act(&Record::Halted { reason: reason.to_owned(), at })
    }

    /// Ends a halt. Without one nothing happens.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    pub fn resume(&mut self, now: Now) -> Result<(), AdminError> {
        let at = self.admit(now)?;
        if self.state.halted().is_none() {
            return Ok(());
        }
        self.act(&Record::Resumed { at })
    }

    /// Takes the wall clock as it is, even where it is earlier than the latest that was seen: the
    /// way out after a clock was once set years ahead, when every intent seems to have expired.
    /// Whoever does this vouches for the clock: intents that expired since may be signed again.
    ///
    /// # Errors
    ///
    /// [`Denied::NotHalted`], or a [`Fault`].
    pub fn accept_wall_clock(&mut self, now: Now) -> Result<(), AdminError> {
        self.intact()?;
        if self.state.halted().is_none() {
            return Err(Denied::NotHalted.into());
        }
        let at = self.clock.accept_wall(now);
        self.act(&Record::WallAccepted { at })
    }

    /// Puts a customer's key into the list; its cool-down begins now. Says whether it is new.
    ///
    /// # Errors
    ///
    /// [`Denied::Key`], [`Denied::KeysTooMany`], or a [`Fault`].
    pub fn add_key(
        &mut self,
        account: AccountId,
        key: KeyId,
        now: Now,
    ) -> Result<bool, AdminError> {
        let at = self.admit(now)?;
        if self.state.registry.contains(account, key) {
            return Ok(false);
        }
        let usable = VerifyingKey::from_bytes(&key.0).is_ok_and(|key| !key.is_weak());
        if !usable {
            return Err(Denied::Key { key }.into());
        }
        if self.state.registry.keys_of(account) >= Registry::PER_ACCOUNT_MAX {
            return Err(Denied::KeysTooMany { account, max: Registry::PER_ACCOUNT_MAX }.into());
        }
        self.act(&Record::KeyAdded { account, key, at })?;
        Ok(true)
    }

    /// Takes a customer's key out of the list, at once. Says whether it was there.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    pub fn remove_key(
        &mut self,
        account: AccountId,
        key: KeyId,
        now: Now,
    ) -> Result<bool, AdminError> {
        let at = self.admit(now)?;
        if !self.state.registry.contains(account, key) {
            return Ok(false);
        }
        self.act(&Record::KeyRemoved { account, key, at })?;
        Ok(true)
    }

    /// Stores how long the signer has run, so that a crash forgets little of it. The shell calls
    /// this now and then, and before it ends.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    pub fn checkpoint(&mut self, now: Now) -> Result<(), Fault> {
        let stored = self.intact().and_then(|()| {
            let moment = self.clock.observe(now);
            self.memory.store_head(&self.state.head(moment, None))
        });
        stored.inspect_err(|fault| {
            self.fail(fault);
        })
    }

    /// How the signer stands.
    pub fn status(&mut self, now: Now) -> Status {
        let moment = self.clock.observe(now);
        Status {
            description: self.description(moment),
            moment,
            records: self.state.records(),
            withdrawals: self.state.pins.withdrawals(),
            keys: self.state.registry.len(),
        }
    }

    fn admit(&mut self, now: Now) -> Result<Moment, Fault> {
        self.intact()?;
        Ok(self.clock.observe(now))
    }

    fn act(&mut self, record: &Record) -> Result<(), AdminError> {
        self.append(record).map_err(|fault| {
            self.fail(&fault);
            fault.into()
        })
    }
}
