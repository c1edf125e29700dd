//! Whoever watches the house from outside and forgets nothing: what was promised, what was signed,
//! what the chain says. The invariants compare the house with it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bitcoin::ScriptBuf;
use custody::{Custody, Event};
use primitives::{AccountId, Outpoint, Txid, WithdrawalId};

use super::{
    failure::{Check, Found},
    invariants::{Governor, Signatures},
    journal::Dated,
    mirror::Mirror,
    node::Node,
    random::quick_hash,
    server::{Answer, Promise},
    signer_host::News,
};

/// What the observer remembers.
pub(crate) struct Observer {
    /// The sequence number up to which somebody was answered, and the state's digest there.
    acknowledged: (u64, u64),
    /// The digest of what the last turn made, durable or not.
    attempted: (u64, u64),
    promised: BTreeSet<WithdrawalId>,
    /// Events of the journal that were read.
    known_seq: u64,
    /// Scripts of ours that custody has ever watched.
    ours: HashSet<ScriptBuf>,
    pub(crate) mirror: Mirror,
    /// What settlements brought each account, in satoshis.
    pub(crate) transferred: BTreeMap<AccountId, i128>,
    pub(crate) signatures: Signatures,
    governor: Governor,
    reserved: BTreeSet<Txid>,
    /// The pin of each withdrawal as custody first showed it.
    pins: BTreeMap<WithdrawalId, Outpoint>,
}

impl Observer {
    pub(crate) fn new() -> Result<Self, Found> {
        Ok(Self {
            acknowledged: (0, 0),
            attempted: (0, 0),
            promised: BTreeSet::new(),
            known_seq: 0,
            ours: HashSet::new(),
            mirror: Mirror::new(),
            transferred: BTreeMap::new(),
            signatures: Signatures::default(),
            governor: Governor::full()?,
            reserved: BTreeSet::new(),
            pins: BTreeMap::new(),
        })
    }

    /// The house has decided a turn and is about to make it durable.
    pub(crate) fn attempts(&mut self, state: &Custody) -> Check {
        self.attempted = (state.seq(), digest(state)?);
        Ok(())
    }

    /// Somebody was answered: everything up to here must survive.
    pub(crate) fn answered(&mut self, answers: &[Answer]) {
        self.acknowledged = self.attempted;
        self.promised.extend(
            answers.iter().filter_map(|answer| answer.promise).map(|Promise::Withdrawal(id)| id),
        );
    }

    /// The sequence number up to which somebody was answered.
    pub(crate) const fn acknowledged_seq(&self) -> u64 {
        self.acknowledged.0
    }

    /// These events are in the journal; `first` is the number of the first.
    pub(crate) fn durable(&mut self, first: u64, events: &[Dated]) {
        for (seq, (_, event)) in (first..).zip(events) {
            if seq > self.known_seq {
                self.learn(event);
                self.known_seq = seq;
            }
        }
    }

    fn learn(&mut self, event: &Event) {
        let script = |bytes: &Vec<u8>| ScriptBuf::from_bytes(bytes.clone());
        if let Event::Configured(event) = event {
            self.ours.extend(event.lookahead.iter().map(script));
        }
        if let Event::AddressAssigned(event) = event {
            self.ours.insert(script(&event.lookahead));
        }
        if let Event::BatchBuilt(event) = event {
            self.ours.extend(event.change.iter().map(|change| script(&change.script)));
        }
        if let Event::TransfersSettled(event) = event {
            for transfer in &event.transfers {
                let amount = i128::from(transfer.amount.to_sat());
                let from = self.transferred.entry(transfer.from).or_default();
                *from = from.saturating_sub(amount);
                let to = self.transferred.entry(transfer.to).or_default();
                *to = to.saturating_add(amount);
            }
        }
    }

    /// A recovered state is what the live one was at its sequence number. What survived without
    /// being acknowledged counts from now on.
    pub(crate) fn recovered(&mut self, seq: u64, digest: u64) -> Check {
        for (known, expected) in [self.acknowledged, self.attempted] {
            if known == seq && digest != expected {
                let text = format!("at event {seq} the digest differs from that of the live state");
                return Err(Found::new("replay-equals-live", text));
            }
        }
        self.attempted = (seq, digest);
        self.acknowledged = self.attempted;
        Ok(())
    }

    /// A replay has passed what was acknowledged last: it was the same then.
    pub(crate) fn same_history(&self, digest: Option<u64>) -> Check {
        match digest {
            Some(found) if found != self.acknowledged.1 => {
                let text = "the history up to the last answer is not the one that was answered";
                Err(Found::new("replay-equals-live", text))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// `acknowledged-survives`: whatever was answered is there after every recovery.
    pub(crate) fn acknowledged_survives(&self, state: &Custody) -> Check {
        const NAME: &str = "acknowledged-survives";
        let (seq, found) = (self.acknowledged.0, state.seq());
        if found < seq {
            let text = format!("{seq} events were acknowledged, {found} were recovered");
            return Err(Found::new(NAME, text));
        }
        let lost = self.promised.iter().find(|id| state.withdrawal(**id).is_err());
        match lost {
            Some(id) => Err(Found::new(NAME, format!("{id} was acknowledged and is gone"))),
            None => Ok(()),
        }
    }

    pub(crate) fn follow_chain(&mut self, node: &Node, state: &Custody) -> Check {
        let Some(chain) = state.chain_state() else { return Ok(()) };
        self.mirror.follow(node, &self.ours, chain.tip)
    }

    /// What the signer has durably done since it was last asked.
    pub(crate) fn signer_did(&mut self, news: News) -> Check {
        for (reservation, running_millis) in news.reserved {
            if self.reserved.insert(reservation.txid) {
                self.governor.charge(&reservation, running_millis)?;
            }
        }
        news.signed.into_iter().try_for_each(|bytes| self.signatures.add(bytes))
    }

    /// Of `never-paid-twice`: the pin never moves.
    pub(crate) fn pins_stay(&mut self, state: &Custody) -> Check {
        for (id, withdrawal) in state.withdrawals() {
            match (self.pins.get(id), withdrawal.pin) {
                (None, Some(pin)) => {
                    self.pins.insert(*id, pin);
                }
                (Some(pin), now) if now != Some(*pin) => {
                    let found = format!("{id} was pinned to {pin}, now to {now:?}");
                    return Err(Found::new("never-paid-twice", found));
                }
                (None | Some(_), _) => {}
            }
        }
        Ok(())
    }
}

/// Equal for equal states: a hash of the canonical bytes.
pub(crate) fn digest(state: &Custody) -> Result<u64, Found> {
    let bytes = state.to_bytes().map_err(|error| Found::simulator(error.to_string()))?;
    Ok(quick_hash(&bytes))
}
