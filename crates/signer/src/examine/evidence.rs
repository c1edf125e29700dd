//! Whether every output that leaves is exactly one withdrawal that somebody asked for.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Psbt, TxOut};
use ed25519_dalek::{Signature, VerifyingKey};
use primitives::{AccountId, KeyId, Outpoint, Sats, WithdrawalId};
use signer_protocol::{
    ClassEvidence, Evidence, PayoutIntent, RefusalTag,
    intent::{VALIDITY_MAX, hash_bytes},
};

use super::Desk;
use crate::{convert, record::Payment, refusal::Refusal};

/// Evidence beside the output that it is for.
struct Case<'a> {
    evidence: &'a Evidence,
    output: &'a TxOut,
    intent: PayoutIntent,
    amount: Sats,
    hash: [u8; 32],
}

impl Case<'_> {
    fn withdrawal(&self) -> WithdrawalId {
        WithdrawalId::new(self.intent.account, self.hash)
    }

    fn refuse(&self, tag: RefusalTag, what: impl AsRef<str>) -> Refusal {
        let output = self.evidence.output;
        Refusal::new(tag, format!("{} (output {output}): {}", self.withdrawal(), what.as_ref()))
    }
}

pub(super) fn examine(
    desk: Desk<'_>,
    psbt: &Psbt,
    external: &[u32],
    evidence: &[Evidence],
    inputs: &[Outpoint],
) -> Result<Vec<Payment>, Refusal> {
    // Refusals, in the order of their precedence.
    one_to_one(external, evidence)?;
    let cases = evidence.iter().map(|item| case(psbt, item)).collect::<Result<Vec<_>, _>>()?;
    every(&cases, |case| here(desk, case))?;
    every(&cases, same_output)?;
    every(&cases, same_id)?;
    none_twice(&cases)?;
    every(&cases, |case| not_expired(desk, case))?;
    every(&cases, |case| not_too_long(desk, case))?;
    every(&cases, |case| customer_fee(desk, case))?;
    every(&cases, |case| key_listed(desk, case))?;
    every(&cases, |case| key_cooled(desk, case))?;
    every(&cases, signature_verifies)?;
    let pin = |case: &Case<'_>| pinned(desk, case, inputs);
    let pins = cases.iter().map(pin).collect::<Result<Vec<_>, _>>()?;
    // From here on it must succeed.
    let payment = |(case, pin): (Case<'_>, Outpoint)| Payment {
        output: case.evidence.output,
        withdrawal: case.withdrawal(),
        amount: case.amount,
        intent: case.evidence.intent.clone(),
        class: case.evidence.class.clone(),
        pin,
    };
    Ok(cases.into_iter().zip(pins).map(payment).collect())
}

fn every<'a>(
    cases: &[Case<'a>],
    rule: impl Fn(&Case<'a>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    cases.iter().try_for_each(rule)
}

/// Exactly one withdrawal for each external output, and none for anything else.
fn one_to_one(external: &[u32], evidence: &[Evidence]) -> Result<(), Refusal> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for item in evidence {
        let count = counts.entry(item.output).or_default();
        *count = count.saturating_add(1);
    }
    for output in external {
        let found = counts.remove(output).unwrap_or(0);
        if found != 1 {
            let detail =
                format!("output {output} leaves with {found} withdrawals; show exactly one");
            return Err(Refusal::new(RefusalTag::OutputWithoutWithdrawal, detail));
        }
    }
    if let Some(output) = counts.keys().next() {
        let detail = format!("evidence for output {output}, which does not leave; leave it out");
        return Err(Refusal::new(RefusalTag::EvidenceWithoutOutput, detail));
    }
    Ok(())
}

fn case<'a>(psbt: &'a Psbt, evidence: &'a Evidence) -> Result<Case<'a>, Refusal> {
    let unreadable = |what: String| {
        let detail = format!("the intent of output {}: {what}", evidence.output);
        Refusal::new(RefusalTag::IntentUnreadable, detail)
    };
    let number = usize::try_from(evidence.output).ok();
    let output = number
        .and_then(|number| psbt.unsigned_tx.output.get(number))
        .ok_or_else(|| unreadable("there is no such output".to_owned()))?;
    let intent =
        PayoutIntent::parse(&evidence.intent).map_err(|error| unreadable(error.to_string()))?;
    let amount = intent.amount;
    Ok(Case { evidence, output, intent, amount, hash: hash_bytes(&evidence.intent) })
}

fn here(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let (network, deployment) = (desk.settings.network, desk.settings.deployment());
    if case.intent.network != network || case.intent.deployment != deployment {
        let what = format!(
            "the intent is for {} and deployment {}, this is {network} and {deployment}",
            case.intent.network, case.intent.deployment
        );
        return Err(case.refuse(RefusalTag::IntentElsewhere, what));
    }
    Ok(())
}

fn same_output(case: &Case<'_>) -> Result<(), Refusal> {
    let amount = convert::sats(case.output.value);
    if case.intent.script != case.output.script_pubkey.as_bytes() || amount != Some(case.amount) {
        let what = format!(
            "the intent pays {} to {}, the output {} sat to {}",
            case.amount,
            primitives::to_hex(&case.intent.script),
            case.output.value.to_sat(),
            case.output.script_pubkey.to_hex_string()
        );
        return Err(case.refuse(RefusalTag::IntentOutput, what));
    }
    Ok(())
}

fn same_id(case: &Case<'_>) -> Result<(), Refusal> {
    if case.evidence.withdrawal == case.withdrawal() {
        return Ok(());
    }
    let what = format!("the request calls it {}", case.evidence.withdrawal);
    Err(case.refuse(RefusalTag::WithdrawalId, what))
}

fn none_twice(cases: &[Case<'_>]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for case in cases {
        if !seen.insert(case.withdrawal()) {
            return Err(case.refuse(RefusalTag::WithdrawalTwice, "paid twice by this transaction"));
        }
    }
    Ok(())
}

fn not_expired(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let (now, not_after) = (desk.moment.wall, case.intent.not_after);
    if now.to_millis() <= not_after.saturating_mul(1000) {
        return Ok(());
    }
    let what = format!(
        "valid until {not_after} s since 1970, it is {now}; ask the customer for a new intent"
    );
    Err(case.refuse(RefusalTag::IntentExpired, what))
}

fn not_too_long(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let latest = desk.moment.wall.saturating_add(VALIDITY_MAX).to_seconds();
    if case.intent.not_after <= latest {
        return Ok(());
    }
    let what = format!(
        "valid until {} s since 1970, the latest that is accepted now is {latest}",
        case.intent.not_after
    );
    Err(case.refuse(RefusalTag::IntentTooLong, what))
}

fn customer_fee(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let max = desk.settings.limits.customer_fee_max;
    if case.intent.fee <= max {
        return Ok(());
    }
    let what = format!("takes a fee of {} from the customer, at most {max}", case.intent.fee);
    Err(case.refuse(RefusalTag::IntentFee, what))
}

fn customer_key(case: &Case<'_>) -> Option<(AccountId, KeyId)> {
    match &case.evidence.class {
        ClassEvidence::CustomerSigned { key, .. } => Some((case.intent.account, *key)),
        ClassEvidence::ServerVouched => None,
    }
}

fn key_listed(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let Some((account, key)) = customer_key(case) else { return Ok(()) };
    if desk.state.registry.contains(account, key) {
        return Ok(());
    }
    let what = format!("{key} is not in this signer's list for {account}");
    Err(case.refuse(RefusalTag::EvidenceKey, what))
}

fn key_cooled(desk: Desk<'_>, case: &Case<'_>) -> Result<(), Refusal> {
    let Some((account, key)) = customer_key(case) else { return Ok(()) };
    let (cool_down, running) = (desk.settings.limits.key_cool_down, desk.moment.running_millis);
    match desk.state.registry.cooling(account, key, cool_down, running) {
        Some(0) => Ok(()),
        left => {
            let left = left.map_or(cool_down.0, |millis| millis.div_ceil(1000));
            let what = format!("{key} cools down for {left} s more of running time");
            Err(case.refuse(RefusalTag::EvidenceKeyCooling, what))
        }
    }
}

/// RFC 8032 without its loopholes: no small-order keys, no second encoding of a signature.
fn signature_verifies(case: &Case<'_>) -> Result<(), Refusal> {
    let ClassEvidence::CustomerSigned { key, signature } = &case.evidence.class else {
        return Ok(());
    };
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(&key.0)
        .and_then(|verifier| verifier.verify_strict(&case.hash, &signature))
        .map_err(|_| {
            let what = format!("the signature of {key} does not verify over the intent's hash");
            case.refuse(RefusalTag::EvidenceSignature, what)
        })
}

/// The pin: that of the first signature for ever, for a new withdrawal the first input.
fn pinned(desk: Desk<'_>, case: &Case<'_>, inputs: &[Outpoint]) -> Result<Outpoint, Refusal> {
    let known = desk.state.pins.pin(&case.withdrawal());
    let pin = known.or_else(|| inputs.first().copied());
    pin.filter(|pin| inputs.contains(pin)).ok_or_else(|| {
        let pin = pin.map_or("nothing".to_owned(), |pin| pin.to_string());
        let what = format!("signed before; every transaction that names it must spend {pin}");
        case.refuse(RefusalTag::PinMissing, what)
    })
}
