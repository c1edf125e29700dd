//! What was signed cannot be changed, and what a stranger sends cannot break anything.

use access::Nonce;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::Request;

fn a_signed_request() -> impl Strategy<Value = Request> {
    let tail = "[a-z0-9%/._~-]{0,20}";
    let query = proptest::option::of("[a-z0-9=&?%+]{0,20}");
    let key = proptest::option::of("[ -~]{0,20}[!-~]");
    let method = select(vec!["GET", "POST", "PUT", "DELETE"]);
    (method, tail, query, key, vec(any::<u8>(), 0..50), any::<[u8; 16]>()).prop_map(
        |(method, tail, query, key, body, nonce)| {
            let key = key.map(|key| ("Idempotency-Key".into(), key.into_bytes()));
            let mut request = Request {
                method: method.into(),
                path: format!("/{tail}"),
                query,
                headers: key.into_iter().collect(),
                body,
                ..Request::balances()
            };
            request.sign(&Nonce::from_random(nonce));
            request
        },
    )
}

/// Changes some bits of one byte. Text that is no longer UTF-8 could not have been parsed as HTTP.
fn flip(bytes: &mut [u8], at: Index, bits: u8) -> bool {
    let Some(byte) = (!bytes.is_empty()).then(|| at.get_mut(bytes)) else { return false };
    let before = *byte;
    *byte ^= bits;
    *byte != before
}

fn flip_text(text: &mut String, at: Index, bits: u8) -> bool {
    let mut bytes = text.clone().into_bytes();
    let flipped = flip(&mut bytes, at, bits);
    let Ok(changed) = String::from_utf8(bytes) else { return false };
    *text = changed;
    flipped
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_is_recognised(request in a_signed_request()) {
        prop_assert!(request.is_recognised());
    }

    #[test]
    fn no_byte_of_a_signed_request_can_be_changed(
        request in a_signed_request(),
        at in any::<Index>(),
        bits in 1_u8..=255,
        part in 0..10_usize,
    ) {
        let mut changed = request.clone();
        let flipped = match part {
            0 => flip_text(&mut changed.method, at, bits),
            1 => flip_text(&mut changed.authority, at, bits),
            2 => flip_text(&mut changed.path, at, bits),
            3 => changed.query.as_mut().is_some_and(|query| flip_text(query, at, bits)),
            4 => flip(&mut changed.body, at, bits),
            header => {
                let header = changed.headers.get_mut(header - 5);
                header.is_some_and(|(_, value)| flip(value, at, bits))
            }
        };
        // The case of a host means nothing to HTTP, and so nothing to us.
        prop_assume!(flipped);
        prop_assume!(!(part == 1 && changed.authority.eq_ignore_ascii_case(&request.authority)));
        prop_assert!(!changed.is_recognised(), "{:?}", changed);
    }

    #[test]
    fn nothing_can_be_added_to_or_taken_from_a_signed_request(
        request in a_signed_request(),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let mut longer = request.clone();
        longer.body.insert(at.index(request.body.len() + 1), byte);
        prop_assert!(!longer.is_recognised());
        for taken in 0..request.headers.len() {
            let mut shorter = request.clone();
            shorter.headers.remove(taken);
            prop_assert!(!shorter.is_recognised());
            let mut doubled = request.clone();
            doubled.headers.push(request.headers[taken].clone());
            prop_assert!(!doubled.is_recognised());
        }
    }

    #[test]
    fn no_stranger_is_recognised_and_nothing_panics(
        input in vec(any::<u8>(), 0..200),
        signature in vec(any::<u8>(), 0..100),
        text in "sig1=[(]?[\"@a-z ();=0-9:]{0,60}",
    ) {
        let mut request = Request::balances();
        request.sign(&Nonce::from_random([1; 16]));
        request.headers[1].1.clone_from(&input);
        prop_assert!(!request.is_recognised());
        request.headers[1].1 = text.into_bytes();
        prop_assert!(!request.is_recognised());
        request.headers[2].1 = signature;
        prop_assert!(!request.is_recognised());
    }
}
