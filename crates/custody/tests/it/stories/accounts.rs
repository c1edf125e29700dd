use access::Scope;
use custody::{Command, idempotency::Idempotency};

use crate::house::{Ask, House, btc, cents};

const DAY: u64 = 86_400;

fn idempotency(key: u8, fingerprint: u8) -> Idempotency {
    Idempotency { key: [key; 32], fingerprint: [fingerprint; 32] }
}

#[test]
fn a_coin_from_which_the_signer_would_not_spend_holds_up_no_batch() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    for _ in 0..30 {
        house.address(&alice);
    }
    // The largest coin, which a batch would take first.
    let far = house.fund(&alice, btc(3));
    house.configure(|params| params.gap_external = 5);
    house.withdraw(&alice, btc(1));
    let (batch, _) = house.pay_out();
    assert!(!house.state.batch(batch).unwrap().inputs.contains(&far));
}

#[test]
fn an_address_from_which_the_signer_would_not_spend_is_not_handed_out() {
    let mut house = House::with(|params| params.gap_external = 3);
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    house.address(&alice);
    house.address(&alice);
    let ask = |house: &House| Command::AssignAddress {
        asked: house.signed(&alice.key, Scope::Read, None),
    };
    let (beyond, before) = (ask(&house), house.state.next_address());
    assert_eq!(house.refused(beyond), "address-gap");
    assert_eq!(house.state.next_address(), before);
    // A payout spends the coin of address 0: the gap counts from there, on both sides.
    house.withdraw(&alice, btc(1));
    house.pay_out();
    house.address(&alice);
    let beyond = ask(&house);
    assert_eq!(house.refused(beyond), "address-gap");
}

#[test]
fn asking_twice_with_an_idempotency_key_is_asking_once_for_thirty_five_days() {
    let mut house = House::new();
    let open = |key, fingerprint| Command::OpenAccount {
        idempotency: Some(idempotency(key, fingerprint)),
    };
    house.ok(open(1, 1));
    assert_eq!(house.ok(open(1, 1)), []);
    assert_eq!(house.state.idempotent(Some(&idempotency(1, 1))), Ok(Some(1)));
    assert_eq!(house.refused(open(1, 2)), "idempotency-key-reused");
    house.pass(35 * DAY);
    house.ok(open(2, 1));
    assert_eq!(house.ok(open(1, 1)), []);
    house.wait(1);
    house.ok(open(3, 1));
    // The first is forgotten now: the edge finds it in the table of older ones.
    assert_eq!(house.state.idempotent(Some(&idempotency(1, 1))), Ok(None));
    assert_eq!(house.state.idempotent(Some(&idempotency(2, 1))), Ok(Some(2)));
    assert_eq!(house.state.accounts(), 3);
}

#[test]
fn an_address_is_given_once_for_one_idempotency_key() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    let ask = |house: &House, fingerprint| Command::AssignAddress {
        asked: house.signed(&alice.key, Scope::Read, Some(idempotency(1, fingerprint))),
    };
    let command = ask(&house, 1);
    house.ok(command);
    let command = ask(&house, 1);
    assert_eq!(house.ok(command), []);
    let command = ask(&house, 2);
    assert_eq!(house.refused(command), "idempotency-key-reused");
    assert_eq!(house.state.next_address(), 1);
}

#[test]
fn a_key_that_is_revoked_while_its_request_is_on_the_way_opens_nothing() {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(1));
    let id = house.withdraw(&alice, cents(10));
    let ask = Ask::of(&mut house, &alice, cents(20));
    let commands = [
        house.requesting(&alice, &ask),
        house.cancelling(&alice, id),
        Command::AssignAddress { asked: house.signed(&alice.key, Scope::Read, None) },
        house.settling(1, &[(&alice, &alice, cents(1))]),
    ];
    for key in [&alice.key, &house.service.clone()] {
        let key = primitives::KeyId(key.verifying_key().to_bytes());
        house.ok(Command::RevokeKey { key });
        assert_eq!(house.ok(Command::RevokeKey { key }), []);
    }
    assert_eq!(commands.map(|command| house.refused(command)), ["key-revoked"; 4]);
}
