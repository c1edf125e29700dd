//! `queued-gets-paid`: after quiet hours with honest blocks every withdrawal is paid or ended, or
//! there is a reason that an operator can see.

use std::collections::BTreeSet;

use custody::{Custody, Withdrawal, WithdrawalState};
use primitives::{BatchId, Outpoint, Sats, Timestamp, WithdrawalId};
use signer_protocol::EvidenceClass;

use crate::simulator::{
    failure::{Check, Found},
    installation::{CUSTOMERS, UNLISTED, customer_key, house, key_id},
    worker::held_back,
};

/// Why this withdrawal is not ended: a visible reason, or the broken invariant.
pub(crate) fn why_unpaid(
    state: &Custody,
    now: Timestamp,
    id: WithdrawalId,
    withdrawal: &Withdrawal,
) -> Check {
    let reason = match &withdrawal.state {
        WithdrawalState::Settled { .. }
        | WithdrawalState::Refused { .. }
        | WithdrawalState::Rejected { .. }
        | WithdrawalState::Cancelled
        | WithdrawalState::Failed { .. } => Some("it has ended"),
        WithdrawalState::InReview { .. } => Some("people have not decided"),
        WithdrawalState::CoolingDown { until } => {
            account_reason(state, withdrawal).or((*until > now).then_some("it cools down"))
        }
        WithdrawalState::Queued { releases_at } => account_reason(state, withdrawal)
            .or((*releases_at > now).then_some("its window is open"))
            .or_else(|| why_queued(state, now, withdrawal)),
        WithdrawalState::Batched { batch }
        | WithdrawalState::Signed { batch }
        | WithdrawalState::Broadcast { batch } => {
            why_never_signed(withdrawal).or_else(|| why_batched(state, *batch))
        }
        WithdrawalState::Confirmed { .. } => None,
    };
    if reason.is_some() {
        return Ok(());
    }
    let name = withdrawal.state.name();
    let (amount, pin) = (withdrawal.amount, withdrawal.pin);
    let found = format!("{id} ({amount}, pin {pin:?}) is still {name} and nothing says why");
    Err(Found::new("queued-gets-paid", found))
}

fn account_reason(state: &Custody, withdrawal: &Withdrawal) -> Option<&'static str> {
    let account = state.account(withdrawal.account).ok()?;
    if account.frozen {
        return Some("its account is frozen");
    }
    (account.adrift > 0).then_some("its account has a deposit adrift")
}

/// Why the signer never signs it, however long one waits.
fn why_never_signed(withdrawal: &Withdrawal) -> Option<&'static str> {
    let limits = &house().ok()?.settings.limits;
    let listed = (1..=CUSTOMERS).filter(|customer| *customer != UNLISTED);
    let listed = listed.map(|customer| key_id(customer_key(customer)));
    if withdrawal.signature.is_some() && !listed.into_iter().any(|key| withdrawal.key == Some(key))
    {
        return Some("the signer does not list the customer's key");
    }
    let class = match withdrawal.signature {
        Some(_) => EvidenceClass::CustomerSigned,
        None => EvidenceClass::ServerVouched,
    };
    // Room for the largest network fee of the run.
    let room = |capacity: Sats| capacity.saturating_sub(FEE_ROOM);
    if withdrawal.amount > limits.classes.get(class).capacity
        || withdrawal.amount > room(limits.outer.capacity)
    {
        return Some("it is larger than the signer ever releases");
    }
    None
}

fn why_queued(state: &Custody, now: Timestamp, withdrawal: &Withdrawal) -> Option<&'static str> {
    if withdrawal.pin.is_some() && withdrawal.not_after <= now {
        return Some("its intent has ended; it fails once a later batch has spent its pin");
    }
    // What one batch paid shares a pin: another of them may be in a batch that waits.
    if let Some(batch) = withdrawal.pin.and_then(|pin| state.coins().reserved_by(&pin)) {
        return why_batched(state, batch);
    }
    if let Some(reason) = why_never_signed(withdrawal) {
        return Some(reason);
    }
    let params = state.params().ok()?;
    if withdrawal.pin.is_some_and(|pin| state.coins().get(&pin).is_none()) {
        return Some("its pin is not in the chain");
    }
    let tip = state.chain_state()?.tip.height;
    let most = usize::try_from(params.batch_inputs_max).ok()?;
    // The pins of others are kept for them.
    let kept: BTreeSet<Outpoint> = state
        .withdrawals()
        .filter(|(_, other)| other.state.holds_money() && other.pin != withdrawal.pin)
        .filter_map(|(_, other)| other.pin)
        .collect();
    let free = state.coins().free().filter(|(outpoint, _)| !kept.contains(outpoint));
    let spendable = free.filter(|(_, coin)| coin.is_spendable(tip, params.final_confirmations));
    // A pin takes one of the places.
    let places = if withdrawal.pin.is_some() { most.saturating_sub(1) } else { most };
    let purse = Sats::checked_sum(spendable.take(places).map(|(_, coin)| coin.value))?;
    (purse < withdrawal.amount.checked_add(FEE_ROOM)?).then_some("the hot coins do not suffice")
}

/// No batch of a run pays more to the network: 4 sat per weight unit for five inputs and outputs.
const FEE_ROOM: Sats = match Sats::parse(12_000) {
    Ok(sats) => sats,
    Err(_) => Sats::ZERO,
};

fn why_batched(state: &Custody, id: BatchId) -> Option<&'static str> {
    let batch = state.batch(id).ok()?;
    if held_back(state, batch).is_some() {
        return Some("its batch is held back");
    }
    let gone = batch.inputs.iter().any(|input| state.coins().get(input).is_none());
    gone.then_some("a coin of its batch is not in the chain")
}
