//! Properties of signed requests, and the guide compared with the code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod another_library;
mod guide;
mod nonces;
mod tampering;

use access::{
    ApiKey, Headers, Nonce, Principal, RequestParts, Scope, Scopes, Settings, Verifier,
    sign_request,
};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, KeyId, Seconds, Timestamp, from_hex};

/// Source: RFC 8032, section 7.1, test 1. Published: never use it.
const SECRET: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// A request that owns its bytes.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    authority: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn parts(&self) -> RequestParts<'_> {
        let headers: &dyn Headers = &self.headers;
        RequestParts {
            method: &self.method,
            authority: &self.authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers,
            body: &self.body,
        }
    }

    /// The withdrawal of the guide, not yet signed.
    fn withdrawal() -> Self {
        Self {
            method: "POST".into(),
            authority: "api.exchange.example".into(),
            path: "/v1/withdrawals".into(),
            query: None,
            headers: vec![("idempotency-key".into(), b"b1f0c2d4-7".to_vec())],
            body: br#"{"amount_sat":150000}"#.to_vec(),
        }
    }

    /// The question for balances of the guide, not yet signed.
    fn balances() -> Self {
        Self {
            method: "GET".into(),
            authority: "api.exchange.example".into(),
            path: "/v1/balances".into(),
            query: Some("asset=btc&limit=10".into()),
            headers: vec![],
            body: vec![],
        }
    }

    fn sign(&mut self, nonce: &Nonce) -> String {
        self.sign_with(&signing_key(), nonce)
    }

    fn sign_with(&mut self, key: &SigningKey, nonce: &Nonce) -> String {
        let expires = created().saturating_add(Seconds(60));
        let signed = sign_request(key, &self.parts(), created(), expires, nonce);
        let signed = signed.unwrap();
        let base = signed.base.clone();
        let headers = signed.into_headers();
        self.headers.extend(headers.map(|(name, value)| (name.into(), value.into_bytes())));
        base
    }

    fn is_recognised(&self) -> bool {
        let settings = Settings::new(vec!["api.exchange.example".into()], Timestamp::EPOCH);
        let verifier = Verifier::new(settings);
        verifier.verify(&self.parts(), Scope::Read, created(), |_| Some(api_key())).is_ok()
    }
}

fn created() -> Timestamp {
    Timestamp::parse_seconds(1_795_000_000).unwrap()
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&from_hex(SECRET).unwrap())
}

fn api_key() -> ApiKey {
    api_key_of(&signing_key())
}

fn api_key_of(key: &SigningKey) -> ApiKey {
    let key = KeyId(key.verifying_key().to_bytes());
    let account = Principal::Account(AccountId::from_number(1).unwrap());
    let scopes = Scopes::NONE.with(Scope::Read);
    ApiKey::issue(key, account, scopes, Timestamp::EPOCH, None).unwrap()
}
