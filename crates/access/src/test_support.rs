//! What the tests of several modules need. Keys here are published: never use one.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use primitives::{AccountId, KeyId, Timestamp, from_hex};

use crate::{ApiKey, Principal, Scope, Scopes};

/// Source: RFC 8032, section 7.1, test 1.
pub(crate) fn signing_key() -> SigningKey {
    let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    SigningKey::from_bytes(&from_hex(secret).unwrap())
}

pub(crate) fn key_id() -> KeyId {
    "key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".parse().unwrap()
}

pub(crate) fn account() -> AccountId {
    AccountId::from_number(7).unwrap()
}

pub(crate) fn api_key() -> ApiKey {
    static KEY: LazyLock<ApiKey> = LazyLock::new(|| {
        let scopes = Scopes::NONE.with(Scope::Read).with(Scope::Withdraw);
        let account = Principal::Account(account());
        ApiKey::issue(key_id(), account, scopes, Timestamp::EPOCH, None).unwrap()
    });
    *KEY
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::parse_seconds(seconds).unwrap()
}
