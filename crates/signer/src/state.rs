//! What the signer knows: the fold of its records.

use std::collections::BTreeMap;

use bitcoin::consensus::encode;
use primitives::{DeploymentId, Outpoint, Txid};
use signer_protocol::TreeHead;

use crate::{
    clock::Moment,
    convert,
    descriptor::Keychain,
    governor::Levels,
    record::{Head, Record, Reservation},
    settings::Settings,
};

mod pins;
mod registry;

pub(crate) use pins::Pins;
pub(crate) use registry::Registry;

/// Where the records of one transaction are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// The number of its [`Record::Reserved`].
    pub(crate) reserved: u64,
    /// The number of its [`Record::Signed`], unless a crash came between the two.
    pub(crate) signed: Option<u64>,
}

/// From where the gap of each keychain counts.
#[derive(Debug, Clone, Copy, Default)]
struct Highest {
    /// The highest index of a deposit's coin that was reserved for spending.
    external: Option<u32>,
    /// The highest index of change that was reserved, and paid for.
    internal: Option<u32>,
}

/// The fold of all records, and of the head.
#[derive(Debug, Default)]
pub(crate) struct State {
    deployment: Option<DeploymentId>,
    /// How many records there are.
    records: u64,
    transactions: BTreeMap<Txid, Entry>,
    highest: Highest,
    /// What the buckets held after the last reservation, and when in running time that was.
    levels: Option<(Levels, u64)>,
    halted: Option<String>,
    moment: Moment,
    /// How many records there were when the wall clock was last accepted; an older head's wall
    /// clock no longer counts.
    wall_accepted: u64,
    witnessed: BTreeMap<u16, TreeHead>,
    pub(crate) pins: Pins,
    pub(crate) registry: Registry,
}

impl State {
    /// Folds one record.
    ///
    /// # Errors
    ///
    /// What cannot be, where the record cannot follow those before it.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), &'static str> {
        let founding = matches!(record, Record::Founded { .. });
        if founding != (self.records == 0) {
            return Err("exactly the first record founds the memory");
        }
        let number = self.records;
        match record {
            Record::Founded { deployment } => self.deployment = Some(*deployment),
            Record::Reserved(reservation) => self.apply_reserved(number, reservation)?,
            Record::Signed { txid, transaction, at } => {
                self.apply_signed(number, *txid, transaction)?;
                self.advance(*at)?;
            }
            Record::Halted { reason, at } => {
                self.halted = Some(reason.clone());
                self.advance(*at)?;
            }
            Record::Resumed { at } => {
                self.halted = None;
                self.advance(*at)?;
            }
            Record::WallAccepted { at } => {
                self.moment.wall = at.wall;
                self.wall_accepted = number.saturating_add(1);
                self.advance(*at)?;
            }
            Record::KeyAdded { account, key, at } => {
                self.registry.add(*account, *key, at.running_millis)?;
                self.advance(*at)?;
            }
            Record::KeyRemoved { account, key, at } => {
                self.registry.remove(*account, *key)?;
                self.advance(*at)?;
            }
        }
        self.records = number.saturating_add(1);
        Ok(())
    }

    fn apply_reserved(&mut self, number: u64, new: &Reservation) -> Result<(), &'static str> {
        let transaction: bitcoin::Transaction =
            encode::deserialize(&new.unsigned).map_err(|_| "a reservation holds no transaction")?;
        if convert::txid(transaction.compute_txid()) != new.txid {
            return Err("a reservation's transaction has another id");
        }
        let inputs: Vec<Outpoint> = transaction
            .input
            .iter()
            .map(|input| convert::outpoint(input.previous_output))
            .collect();
        if inputs.len() != new.inputs.len() {
            return Err("a reservation does not say what each input spends");
        }
        let spends_pins = new.payments.iter().all(|payment| inputs.contains(&payment.pin));
        if !spends_pins || !inputs.contains(&new.fee_pin) {
            return Err("a reserved transaction leaves out a pin");
        }
        let entry = Entry { reserved: number, signed: None };
        if self.transactions.insert(new.txid, entry).is_some() {
            return Err("a transaction was reserved twice");
        }
        self.pins
            .record(&new.payments, new.fee_pin, new.fee)
            .ok_or("a reservation moves a pin or pays more than exists")?;
        let external = new.inputs.iter().filter(|input| input.keychain == Keychain::External);
        let external = external.map(|input| input.index).max();
        self.highest.external = self.highest.external.max(external);
        self.highest.internal = self.highest.internal.max(new.change);
        self.levels = Some((new.levels, new.at.running_millis));
        self.advance(new.at)
    }

    fn apply_signed(
        &mut self,
        number: u64,
        txid: Txid,
        transaction: &[u8],
    ) -> Result<(), &'static str> {
        let signed: bitcoin::Transaction =
            encode::deserialize(transaction).map_err(|_| "a signature holds no transaction")?;
        if convert::txid(signed.compute_txid()) != txid {
            return Err("a signed transaction has another id");
        }
        let entry =
            self.transactions.get_mut(&txid).ok_or("a transaction was signed unreserved")?;
        if entry.signed.replace(number).is_some() {
            return Err("a transaction was signed twice");
        }
        Ok(())
    }

    /// Time in records never falls; only an accepted wall clock may.
    fn advance(&mut self, at: Moment) -> Result<(), &'static str> {
        if at.running_millis < self.moment.running_millis || at.wall < self.moment.wall {
            return Err("a record is earlier than the one before it");
        }
        self.moment = at;
        Ok(())
    }

    /// Takes up the head that was stored last.
    ///
    /// # Errors
    ///
    /// What cannot be.
    pub(crate) fn apply_head(&mut self, head: &Head) -> Result<(), &'static str> {
        if head.records > self.records {
            return Err("the head was stored after more records than there are");
        }
        self.moment.running_millis = self.moment.running_millis.max(head.moment.running_millis);
        if head.records >= self.wall_accepted {
            self.moment.wall = self.moment.wall.max(head.moment.wall);
        }
        self.witnessed = head.witnessed.iter().map(|head| (head.shard, *head)).collect();
        Ok(())
    }

    /// The head as it should be stored at `moment`, with `newer` in place of its shard's head.
    pub(crate) fn head(&self, moment: Moment, newer: Option<TreeHead>) -> Head {
        let mut witnessed = self.witnessed.clone();
        witnessed.extend(newer.map(|head| (head.shard, head)));
        Head { records: self.records, moment, witnessed: witnessed.into_values().collect() }
    }

    pub(crate) fn witness(&mut self, head: TreeHead) {
        self.witnessed.insert(head.shard, head);
    }

    pub(crate) fn witnessed(&self, shard: u16) -> Option<TreeHead> {
        self.witnessed.get(&shard).copied()
    }

    pub(crate) const fn deployment(&self) -> Option<DeploymentId> {
        self.deployment
    }

    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    pub(crate) fn transaction(&self, txid: &Txid) -> Option<Entry> {
        self.transactions.get(txid).copied()
    }

    pub(crate) fn transactions(&self) -> u64 {
        u64::try_from(self.transactions.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    pub(crate) const fn moment(&self) -> Moment {
        self.moment
    }

    /// What the buckets hold at `moment`.
    pub(crate) fn levels(&self, settings: &Settings, moment: Moment) -> Levels {
        let Some((levels, since)) = self.levels else { return Levels::full(settings) };
        levels.refilled(settings, moment.running_millis.saturating_sub(since))
    }

    /// The first index that is too far on `keychain`: `gap` above the highest that counts.
    pub(crate) fn index_end(&self, keychain: Keychain, gap: u32) -> u32 {
        let highest = match keychain {
            Keychain::External => self.highest.external,
            Keychain::Internal => self.highest.internal,
        };
        highest.map_or(0, |highest| highest.saturating_add(1)).saturating_add(gap)
    }
}
