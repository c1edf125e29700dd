//! A nonce belongs to a key, whatever the key asks with it.

use access::{Nonce, NonceMemory, Scope, Settings, Verifier};
use ed25519_dalek::SigningKey;
use primitives::Timestamp;

use super::{Request, api_key_of, created, signing_key};

/// Signs `request` with this key and spends its nonce, as the edge does.
fn spend(
    memory: &mut NonceMemory,
    key: &SigningKey,
    mut request: Request,
    nonce: &str,
) -> Result<(), &'static str> {
    request.sign_with(key, &Nonce::parse(nonce).unwrap());
    let settings = Settings::new(vec!["api.exchange.example".into()], Timestamp::EPOCH);
    let verifier = Verifier::new(settings);
    let find = |_: &_| Some(api_key_of(key));
    let signed = verifier.verify(&request.parts(), Scope::Read, created(), find).unwrap();
    let spent = memory.spend(signed, created());
    spent.map(|_| ()).map_err(|refusal| refusal.id())
}

#[test]
fn a_key_uses_a_nonce_once_whatever_it_asks_with_it() {
    const NONCE: &str = "0123456789abcdef";
    let mut memory = NonceMemory::new(10);
    let alice = signing_key();
    assert_eq!(spend(&mut memory, &alice, Request::withdrawal(), NONCE), Ok(()));
    let others = [
        Request { method: "PUT".into(), ..Request::withdrawal() },
        Request { path: "/v1/settlements".into(), ..Request::withdrawal() },
        Request { query: Some("wait=1".into()), ..Request::withdrawal() },
        Request { body: br#"{"amount_sat":150001}"#.to_vec(), ..Request::withdrawal() },
        Request {
            headers: vec![("idempotency-key".into(), b"another".to_vec())],
            ..Request::withdrawal()
        },
        Request::balances(),
    ];
    for other in others {
        let said = format!("{} {} {:?}", other.method, other.path, other.query);
        let outcome = spend(&mut memory, &alice, other, NONCE);
        assert_eq!(outcome, Err("request-nonce-reused"), "{said}");
    }
    let bob = SigningKey::from_bytes(&[2; 32]);
    assert_eq!(spend(&mut memory, &bob, Request::withdrawal(), NONCE), Ok(()));
    assert_eq!(
        spend(&mut memory, &bob, Request::balances(), NONCE),
        Err("request-nonce-reused"),
        "the other key's use neither helps nor hinders"
    );
    assert_eq!(spend(&mut memory, &alice, Request::balances(), "0123456789abcdeF"), Ok(()));
}
