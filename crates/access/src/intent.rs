//! Signatures over the hash of an intent.
//!
//! The message is the 32 bytes of a tagged hash. It cannot be taken for a signed request, whose
//! message begins with a quote and the name of a component and is longer than 32 bytes, although
//! one key signs both.

use ed25519_dalek::{Signature, Signer, SigningKey};
use primitives::KeyId;

use crate::{Refusal, key::verifying_key};

/// Signs the hash of an intent.
#[must_use]
pub fn sign_intent(signing_key: &SigningKey, intent_hash: &[u8; 32]) -> [u8; 64] {
    signing_key.sign(intent_hash).to_bytes()
}

/// Checks that `key` signed the hash of an intent, strictly: neither the key nor the commitment
/// in the signature may be of small order, and the signature has one form only.
///
/// Whether the key may sign intents at all, and for whom, is the caller's question.
///
/// # Errors
///
/// [`Refusal::KeyMalformed`] if the key is no point, [`Refusal::IntentSignatureWrong`] if the
/// signature is not its own over this hash.
pub fn verify_intent(
    key: &KeyId,
    intent_hash: &[u8; 32],
    signature: &[u8; 64],
) -> Result<(), Refusal> {
    let signature = Signature::from_bytes(signature);
    verifying_key(key)?
        .verify_strict(intent_hash, &signature)
        .map_err(|_| Refusal::IntentSignatureWrong { key: *key })
}

#[cfg(test)]
mod tests {
    use primitives::from_hex;

    use super::*;
    use crate::test_support::{key_id, signing_key};

    #[test]
    fn an_intent_is_signed_by_one_key_over_one_hash() {
        let hash = [7; 32];
        let signature = sign_intent(&signing_key(), &hash);
        assert_eq!(verify_intent(&key_id(), &hash, &signature), Ok(()));
        let other = KeyId(SigningKey::from_bytes(&[9; 32]).verifying_key().to_bytes());
        for refusal in [
            verify_intent(&other, &hash, &signature),
            verify_intent(&key_id(), &[8; 32], &signature),
            verify_intent(&key_id(), &hash, &[0; 64]),
        ] {
            assert_eq!(refusal.unwrap_err().id(), "intent-signature-wrong");
        }
    }

    #[test]
    fn no_bit_of_an_intent_signature_can_be_changed() {
        let hash = [7; 32];
        let signature = sign_intent(&signing_key(), &hash);
        for bit in 0..512 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verify_intent(&key_id(), &hash, &changed).is_err(), "bit {bit}");
        }
    }

    /// With `s + l` instead of `s` the equation holds too. Source: RFC 8032, section 8.4.
    #[test]
    fn the_twin_of_a_signature_is_refused() {
        let order =
            from_hex::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
                .unwrap();
        let mut twin = sign_intent(&signing_key(), &[7; 32]);
        let mut carry = 0_u16;
        for (byte, add) in twin[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert!(verify_intent(&key_id(), &[7; 32], &twin).is_err());
    }

    /// A key of small order verifies almost anything where verification is not strict.
    #[test]
    fn a_weak_key_signs_no_intent() {
        let weak = KeyId(
            from_hex("0100000000000000000000000000000000000000000000000000000000000000").unwrap(),
        );
        let mut forged = [0; 64];
        forged[0] = 1; // R = identity, s = 0
        let refusal = verify_intent(&weak, &[7; 32], &forged).unwrap_err();
        assert_eq!(refusal.id(), "intent-signature-wrong");
        let no_point = KeyId([2; 32]);
        assert_eq!(verify_intent(&no_point, &[7; 32], &forged).unwrap_err().id(), "key-malformed");
    }
}
