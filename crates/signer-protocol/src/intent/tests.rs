use primitives::to_hex;
use proptest::prelude::*;

use super::*;

fn an_intent() -> PayoutIntent {
    PayoutIntent {
        network: Network::Regtest,
        deployment: DeploymentId([0x11; 32]),
        account: AccountId::from_number(7).unwrap(),
        amount: Sats::parse(150_000).unwrap(),
        fee: Sats::parse(1_000).unwrap(),
        not_after: 1_795_000_000,
        nonce: [0x22; 16],
        script: [vec![0x00, 0x14], vec![0x33; 20]].concat(),
    }
}

/// The vectors of `docs/payout-intent.md`: whoever changes a byte breaks every client.
#[test]
fn the_published_vector_holds() {
    let bytes = an_intent().encode().unwrap();
    let page = include_str!("../../../../docs/payout-intent.md");
    assert!(page.contains(&to_hex(&bytes)), "intent bytes {}", to_hex(&bytes));
    let hash = to_hex(&an_intent().hash().unwrap());
    assert!(page.contains(&hash), "hash {hash}");
    let id = an_intent().withdrawal_id().unwrap().to_string();
    assert!(page.contains(&id), "id {id}");
}

#[test]
fn a_wrong_byte_is_named() {
    let good = an_intent().encode().unwrap();
    let parse = |bytes: &[u8]| PayoutIntent::parse(bytes).unwrap_err().to_string();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(parse(&with(0, b'X')), "a payout intent begins with SRP1");
    assert_eq!(parse(&with(4, 9)), "no bitcoin network has the number 9");
    assert!(parse(&with(52, 0xff)).starts_with("amount is "));
    assert!(parse(&with(60, 0xff)).starts_with("fee is "));
    assert!(parse(&with(68, 0xff)).starts_with("not_after is "));
    assert_eq!(parse(&with(85, 43)), "the script has 43 bytes; a payment script has 1 to 42");
    assert_eq!(parse(&with(85, 0)), "the script has 0 bytes; a payment script has 1 to 42");
    for cut in 0..good.len() {
        assert!(PayoutIntent::parse(&good[..cut]).is_err(), "cut at {cut}");
    }
    assert!(PayoutIntent::parse(&[good.clone(), vec![0]].concat()).is_err());
}

#[test]
fn a_script_that_cannot_be_paid_has_no_encoding() {
    for script in [vec![], vec![0; SCRIPT_BYTES_MAX + 1]] {
        assert!(PayoutIntent { script, ..an_intent() }.encode().is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_intent_has_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..140)) {
        if let Ok(intent) = PayoutIntent::parse(&bytes) {
            prop_assert_eq!(intent.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn every_flipped_bit_makes_another_withdrawal(at in 0_usize..109, bit in 0_u8..8) {
        let mut bytes = an_intent().encode().unwrap();
        bytes[at] ^= 1 << bit;
        if let Ok(intent) = PayoutIntent::parse(&bytes) {
            prop_assert_ne!(intent.withdrawal_id().unwrap(), an_intent().withdrawal_id().unwrap());
        }
    }
}
