//! What the transaction pays the network, in exact integers.

use primitives::Sats;
use signer_protocol::RefusalTag;

use super::Desk;
use crate::refusal::Refusal;

/// The fee, within both caps. `weight_units` is the most that the signed transaction can weigh.
pub(super) fn examine(
    desk: Desk<'_>,
    inputs: Sats,
    outputs: Option<Sats>,
    weight_units: u64,
) -> Result<Sats, Refusal> {
    let limits = &desk.settings.limits;
    let fee = outputs.and_then(|outputs| inputs.checked_sub(outputs)).ok_or_else(|| {
        let outputs = outputs.map_or("more than will ever exist".to_owned(), |sum| sum.to_string());
        let detail = format!("inputs hold {inputs}, outputs {outputs}; add inputs");
        Refusal::new(RefusalTag::FeeNegative, detail)
    })?;
    if fee > limits.fee_max {
        let detail = format!(
            "a fee of {fee}, at most {} is signed; lower the fee or fees.network_sat_max is too low",
            limits.fee_max
        );
        return Err(Refusal::new(RefusalTag::FeeAboveCap, detail));
    }
    // Where the cap is beyond all bitcoin, every fee is below it.
    let cap = limits.fee_rate_max.fee_for_weight(weight_units).unwrap_or(Sats::MAX);
    if fee > cap {
        let detail = format!(
            "a fee of {fee} for at most {weight_units} weight units, {} allows {cap}; lower the fee",
            limits.fee_rate_max
        );
        return Err(Refusal::new(RefusalTag::FeeRateAboveCap, detail));
    }
    Ok(fee)
}
