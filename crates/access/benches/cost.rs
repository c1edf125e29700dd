//! What recognising a request costs, on this machine: `cargo bench -p access`.
//! It measures and judges nothing: machines differ, and a loaded one lies.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use access::{
    ApiKey, Nonce, NonceMemory, Principal, RequestParts, Scope, Scopes, Settings, Verifier,
    parse_public_key, sign_intent, sign_request, verify_intent,
};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, KeyId, Seconds, Timestamp};

fn measure(name: &str, rounds: u32, mut run: impl FnMut(u32)) {
    let mut best = Duration::MAX;
    for part in 0..5_u32 {
        let start = Instant::now();
        for round in 0..rounds {
            run(part.wrapping_mul(rounds).wrapping_add(round));
        }
        best = best.min(start.elapsed().checked_div(rounds).unwrap());
    }
    println!("{name:40} {best:>12?}");
}

fn nonce(round: u32) -> Nonce {
    let mut bytes = [0; 16];
    for (byte, value) in bytes.iter_mut().zip(round.to_le_bytes()) {
        *byte = value;
    }
    Nonce::from_random(bytes)
}

fn main() {
    let signing_key = SigningKey::from_bytes(&[7; 32]);
    let id = KeyId(signing_key.verifying_key().to_bytes());
    let account = Principal::Account(AccountId::from_number(1).unwrap());
    let scopes = Scopes::NONE.with(Scope::Withdraw);
    let key = ApiKey::issue(id, account, scopes, Timestamp::EPOCH, None).unwrap();
    let now = Timestamp::parse_seconds(1_795_000_000).unwrap();
    let expires = now.saturating_add(Seconds(60));
    let body = [b'x'; 300];
    let mut headers = vec![("idempotency-key", "order-1".to_owned())];
    let unsigned = RequestParts {
        method: "POST",
        authority: "api.exchange.example",
        path: "/v1/withdrawals",
        query: None,
        headers: &headers.clone(),
        body: &body,
    };
    let signed = sign_request(&signing_key, &unsigned, now, expires, &nonce(0)).unwrap();
    headers.extend(signed.into_headers());
    let parts = RequestParts { headers: &headers, ..unsigned };
    let settings = Settings::new(vec!["api.exchange.example".into()], Timestamp::EPOCH);
    let verifier = Verifier::new(settings);
    let verify = |now| verifier.verify(&parts, Scope::Withdraw, now, |_| Some(key));
    let hash = [7; 32];
    let signature = sign_intent(&signing_key, &hash);

    measure("sign_request", 2000, |_| {
        let _ = black_box(sign_request(&signing_key, &unsigned, now, expires, &nonce(0)));
    });
    measure("Verifier::verify, good", 2000, |_| drop(black_box(verify(now))));
    measure("Verifier::verify, refused as expired", 2000, |_| drop(black_box(verify(expires))));
    measure("verify_intent", 2000, |_| {
        let _ = black_box(verify_intent(&id, &hash, &signature));
    });
    measure("parse_public_key", 2000, |_| {
        let _ = black_box(parse_public_key(&id.0));
    });
    spend_many(&signing_key, &verifier, key, now);
}

/// Spends 20,000 verified requests and says what one took on average.
fn spend_many(signing_key: &SigningKey, verifier: &Verifier, key: ApiKey, now: Timestamp) {
    let expires = now.saturating_add(Seconds(60));
    let unsigned = RequestParts {
        method: "GET",
        authority: "api.exchange.example",
        path: "/v1/balances",
        query: None,
        headers: &[("", ""); 0],
        body: b"",
    };
    let sign = |round| sign_request(signing_key, &unsigned, now, expires, &nonce(round)).unwrap();
    let headers: Vec<_> = (0..20_000).map(|round| sign(round).into_headers()).collect();
    let mut waiting = Vec::new();
    for headers in &headers {
        let parts = RequestParts { headers, ..unsigned };
        waiting.push(verifier.verify(&parts, Scope::Withdraw, now, |_| Some(key)).unwrap());
    }
    let mut memory = NonceMemory::new(1_000_000);
    let start = Instant::now();
    for verified in waiting {
        let _ = black_box(memory.spend(verified, now)).unwrap();
    }
    let each = start.elapsed().checked_div(20_000).unwrap();
    println!("{:40} {each:>12?}", "NonceMemory::spend");
}
