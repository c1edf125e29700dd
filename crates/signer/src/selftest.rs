//! The self-test: known answers, one good batch and a few bad ones, before the first request is
//! taken. A machine or a build that computes wrongly must not sign.

use ed25519_dalek::{Signature, VerifyingKey};
use primitives::{Network, from_hex, to_hex};
use signer_protocol::{RefusalTag, Response, intent::hash_bytes};

use crate::{
    clock::Now,
    descriptor::{HotDescriptor, Keychain, ScriptKind},
    keys::SoftKeys,
    sample,
    signer::Signer,
};

/// Which part of the self-test failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "signer-self-test: {part} failed; the program or the machine computes wrongly: do not use it"
)]
pub struct SelfTestFailed {
    /// The part.
    pub part: &'static str,
}

/// Anything but `Some(true)` is a failure.
type Part = fn() -> Option<bool>;

/// Runs every part.
///
/// # Errors
///
/// [`SelfTestFailed`] names the first part that failed.
pub fn selftest() -> Result<(), SelfTestFailed> {
    let parts: [(&str, Part); 4] = [
        ("key derivation", derivation),
        ("customer signatures", customer_signatures),
        ("the payout intent", intent),
        ("examination and signing", signing),
    ];
    for (part, test) in parts {
        if test() != Some(true) {
            return Err(SelfTestFailed { part });
        }
    }
    Ok(())
}

/// Source: BIP-84 and BIP-86, test vectors; both use the seed of BIP-39's words "abandon" (11
/// times) "about".
fn derivation() -> Option<bool> {
    let seed: [u8; 64] = from_hex(concat!(
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1",
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    ))
    .ok()?;
    let script = |kind, keychain| {
        let keys = SoftKeys::from_seed(Network::Mainnet, kind, &seed).ok()?;
        let descriptor = HotDescriptor::parse(keys.descriptor(), Network::Mainnet).ok()?;
        Some(to_hex(descriptor.script(keychain, 0)?.as_bytes()))
    };
    let taproot = script(ScriptKind::Taproot, Keychain::External)?
        == "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c";
    let key_hash = script(ScriptKind::WitnessKeyHash, Keychain::External)?
        == "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2";
    Some(taproot && key_hash)
}

/// Source: RFC 8032, section 7.1, test 2.
fn customer_signatures() -> Option<bool> {
    let key = from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").ok()?;
    let signature: [u8; 64] = from_hex(concat!(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ))
    .ok()?;
    let verifier = VerifyingKey::from_bytes(&key).ok()?;
    let signature = Signature::from_bytes(&signature);
    let good = verifier.verify_strict(&[0x72], &signature).is_ok();
    let bad = verifier.verify_strict(&[0x73], &signature).is_ok();
    Some(good && !bad)
}

/// Source: `docs/payout-intent.md`, vector.
fn intent() -> Option<bool> {
    let bytes: [u8; 109] = from_hex(concat!(
        "5352503104111111111111111111111111111111111111111111111111111111",
        "11111111110770000000000000f049020000000000e803000000000000c086fd",
        "6a00000000222222222222222222222222222222221600001433333333333333",
        "33333333333333333333333333"
    ))
    .ok()?;
    let hash = "fe88b32b17090db04ac26ca72a9be8abbd88f217feef7cc81dd69fa9e4f8315a";
    Some(to_hex(&hash_bytes(&bytes)) == hash)
}

/// A good batch is signed once and answered again with the same bytes; the same batch with
/// SIGHASH NONE, with a foreign output and during a halt is refused.
fn signing() -> Option<bool> {
    let now = Now { wall: sample::NOON, monotonic_millis: 0 };
    let mut good = true;
    for kind in [ScriptKind::Taproot, ScriptKind::WitnessKeyHash] {
        let keys = sample::keys(Network::Regtest, kind).ok()?;
        let settings = sample::settings(&keys).ok()?;
        let batch = sample::a_batch(&settings).build()?;
        let mut signer = Signer::open(settings, sample::RamMemory::default()).ok()?;
        let none = batch.clone().with(|batch| {
            for input in &mut batch.psbt.inputs {
                input.sighash_type = Some(bitcoin::psbt::PsbtSighashType::from_u32(2));
            }
        });
        let unasked = batch.clone().with(|batch| {
            batch.evidence.pop();
        });
        let mut refused = |request, tag| {
            let answer = signer.handle(request, now, &keys);
            matches!(answer, Response::Refused { tag: found, .. } if found == tag)
        };
        good &= refused(none.request(), RefusalTag::InputSighash);
        good &= refused(unasked.request(), RefusalTag::OutputWithoutWithdrawal);
        let first = signer.handle(batch.request(), now, &keys);
        let again = signer.handle(batch.request(), now, &keys);
        good &= match (first, again) {
            (Response::Signed(first), Response::Signed(again)) => {
                !first.repeated && again.repeated && first.transaction == again.transaction
            }
            _ => false,
        };
        signer.halt("self-test", now).ok()?;
        let halted = signer.handle(batch.request(), now, &keys);
        good &= matches!(halted, Response::Refused { tag: RefusalTag::Halted, .. });
    }
    Some(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_passes() {
        assert_eq!(selftest(), Ok(()));
    }
}
