//! The invariants, one function each. Those of one state are checked after every step; those of an
//! act (a credit, a signature, a broadcast) when it happens.

use custody::{Custody, Event, payout::BatchState};
use primitives::BatchId;

use super::{
    failure::{Check, Found},
    observer::Observer,
    worker::held_back,
};

mod books;
mod chain;
mod governor;
mod liveness;
mod payments;

pub(crate) use books::nothing_unaccounted;
pub(crate) use chain::coins_match_chain;
pub(crate) use governor::Governor;
pub(crate) use liveness::why_unpaid;
pub(crate) use payments::Signatures;

/// The names of all invariants, as a [`Failure`](super::Failure) gives them.
pub const INVARIANTS: [&str; 22] = [
    "books-balance",
    "coins-match-books",
    "states-match-books",
    "accounts-match-deposits",
    "shares-match-deposits",
    "holds-match-withdrawals",
    "indexes",
    "coins-match-chain",
    "nothing-unaccounted",
    "credited-deep-enough",
    "never-paid-twice",
    "dissolved-means-unsigned",
    "nothing-without-warrant",
    "loss-bound",
    "fails-closed",
    "acknowledged-survives",
    "replay-equals-live",
    "tamper-evident",
    "history-applies",
    "signer-recovers",
    "signature-counts-once",
    "queued-gets-paid",
];

/// `credited-deep-enough`: a deposit is credited with at least the confirmations that its value
/// needs alone. The domain asks for more: the sum of what one double spend would take back.
pub(crate) fn credited_deep_enough(state: &Custody, event: &Event) -> Check {
    let Event::DepositCredited(credited) = event else { return Ok(()) };
    let (Some(deposit), Some(chain), Ok(params)) =
        (state.deposit(&credited.deposit), state.chain_state(), state.params())
    else {
        return Ok(());
    };
    let height = deposit.state.height();
    let has = height.map_or(0, |height| height.confirmations_at(chain.tip.height).0);
    let needs = params.confirmations.required(deposit.value).0;
    if has >= needs {
        return Ok(());
    }
    let found = format!("{} is credited after {has} blocks, it needs {needs}", credited.deposit);
    Err(Found::new("credited-deep-enough", found))
}

/// `fails-closed`: nothing is broadcast that is not durably signed, or while a stop or a freeze
/// forbids it.
pub(crate) fn may_broadcast(state: &Custody, id: BatchId, bytes: &[u8]) -> Check {
    const NAME: &str = "fails-closed";
    let batch = state.batch(id).map_err(|refusal| Found::new(NAME, refusal.to_string()))?;
    let signed = match batch.state {
        BatchState::Signed
        | BatchState::Broadcast
        | BatchState::Confirmed { .. }
        | BatchState::Final { .. } => batch.transaction == bytes,
        BatchState::Built | BatchState::Dissolved | BatchState::Failed => false,
    };
    if !signed {
        let found = format!("{id} leaves the house while the journal has it {:?}", batch.state);
        return Err(Found::new(NAME, found));
    }
    match held_back(state, batch) {
        Some(reason) => Err(Found::new(NAME, format!("{id} leaves the house: {reason}"))),
        None => Ok(()),
    }
}

impl Observer {
    /// Everything that can be seen between two steps.
    pub(crate) fn check(&mut self, state: &Custody) -> Check {
        state.check_invariants()?;
        nothing_unaccounted(state, self)?;
        coins_match_chain(state, &self.mirror)?;
        self.pins_stay(state)?;
        self.signatures.check(state)
    }
}
