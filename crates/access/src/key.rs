//! API keys: whose they are, what they may, and which public keys are accepted at all.

use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use ed25519_dalek::VerifyingKey;
use primitives::{AccountId, KeyId, Timestamp};

use crate::{Refusal, Scopes};

/// In whose name a key speaks.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum Principal {
    /// A customer.
    Account(AccountId),
    /// The exchange's own trading service, which has no account.
    Service,
}

impl Principal {
    /// The customer's account, or `None` for the service.
    #[must_use]
    pub const fn account(self) -> Option<AccountId> {
        match self {
            Self::Account(account) => Some(account),
            Self::Service => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Service => f.write_str("service"),
        }
    }
}

/// An API key as the house stores it. There is no secret in it.
///
/// Outside this crate a new one is made by [`ApiKey::issue`] only, so that a weak public key or a
/// customer who settles cannot enter the books.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
#[non_exhaustive]
pub struct ApiKey {
    /// The public key, which is also the name.
    pub id: KeyId,
    /// In whose name it speaks.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was issued.
    pub created: Timestamp,
    /// The first moment at which it no longer counts; `None`: it does not expire.
    pub expires: Option<Timestamp>,
    /// When it was revoked; a revoked key never comes back.
    pub revoked: Option<Timestamp>,
}

impl ApiKey {
    /// A new key of `principal` for the public key `id`.
    ///
    /// # Errors
    ///
    /// [`Refusal::KeyMalformed`] or [`Refusal::KeyWeak`] for a bad public key,
    /// [`Refusal::KeyScopesWrong`] for scopes that are empty or not for this principal,
    /// [`Refusal::KeyExpiresWrong`] unless it expires after `created`.
    pub fn issue(
        id: KeyId,
        principal: Principal,
        scopes: Scopes,
        created: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<Self, Refusal> {
        // Refusals, cheapest first.
        let allowed = Scopes::allowed_for(principal);
        if scopes.is_empty() || scopes.iter().any(|scope| !allowed.contains(scope)) {
            return Err(Refusal::KeyScopesWrong { asked: scopes, allowed });
        }
        if let Some(expires) = expires.filter(|expires| *expires <= created) {
            return Err(Refusal::KeyExpiresWrong { created, expires });
        }
        let id = parse_public_key(&id.0)?;
        // From here on it must succeed.
        Ok(Self { id, principal, scopes, created, expires, revoked: None })
    }

    /// Revokes the key. The first revocation stays: later ones do not move its moment.
    pub fn revoke(&mut self, at: Timestamp) {
        self.revoked.get_or_insert(at);
    }
}

/// Reads the public key with which a customer wants to sign.
///
/// Accepts exactly the keys that an honest client can make: the one encoding of a point of the
/// prime-order group. Others would let one signature verify under several keys or messages, or
/// here and not in another library.
///
/// Source: RFC 8032, section 5.1.3; Chalkias, Garillot, Nikolaenko, "Taming the many
/// `EdDSAs`" (2020), which lists where libraries disagree.
///
/// # Errors
///
/// [`Refusal::KeyMalformed`] for bytes that are no point or not its one encoding,
/// [`Refusal::KeyWeak`] for a point with a part of small order.
pub fn parse_public_key(bytes: &[u8; 32]) -> Result<KeyId, Refusal> {
    let key = KeyId(*bytes);
    let verifying = verifying_key(&key)?;
    // The library decodes by the rules of ZIP-215, which allow y >= p and -0: encode again.
    if verifying.to_edwards().compress().to_bytes() != *bytes {
        return Err(Refusal::KeyMalformed { key });
    }
    if verifying.is_weak() || !verifying.to_edwards().is_torsion_free() {
        return Err(Refusal::KeyWeak { key });
    }
    Ok(key)
}

/// The point of a key. Cheap: what [`parse_public_key`] proved once is not proved again.
pub(crate) fn verifying_key(key: &KeyId) -> Result<VerifyingKey, Refusal> {
    VerifyingKey::from_bytes(&key.0).map_err(|_| Refusal::KeyMalformed { key: *key })
}

#[cfg(test)]
mod tests {
    use primitives::from_hex;

    use super::*;
    use crate::{Scope, test_support};

    fn refused(hex: &str) -> &'static str {
        parse_public_key(&from_hex(hex).unwrap()).unwrap_err().id()
    }

    /// The eight points of small order: their orders are 1, 2, 4, 4, 8, 8, 8 and 8.
    const SMALL_ORDER: [&str; 8] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    #[test]
    fn a_point_of_small_order_is_no_key() {
        for hex in SMALL_ORDER {
            assert_eq!(refused(hex), "key-weak", "{hex}");
        }
    }

    #[test]
    fn a_good_key_with_a_part_of_small_order_is_no_key() {
        let good = verifying_key(&test_support::key_id()).unwrap().to_edwards();
        for hex in &SMALL_ORDER[1..] {
            let small = VerifyingKey::from_bytes(&from_hex(hex).unwrap()).unwrap().to_edwards();
            let mixed = (good + small).compress().to_bytes();
            assert_eq!(parse_public_key(&mixed).unwrap_err().id(), "key-weak", "{hex}");
        }
    }

    #[test]
    fn a_second_encoding_of_a_point_is_no_key() {
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000080", // x = -0
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // x = -0
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 1
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 3
            "0200000000000000000000000000000000000000000000000000000000000000", // no point
        ] {
            assert_eq!(refused(hex), "key-malformed", "{hex}");
        }
    }

    #[test]
    fn a_key_gets_only_the_scopes_of_its_principal() {
        let issue = |principal, scopes: &[Scope]| {
            let scopes = scopes.iter().copied().collect();
            let key = test_support::key_id();
            ApiKey::issue(key, principal, scopes, Timestamp::EPOCH, None).map_err(|no| no.id())
        };
        let account = Principal::Account(test_support::account());
        assert!(issue(account, &[Scope::Read, Scope::Trade, Scope::Withdraw]).is_ok());
        assert!(issue(Principal::Service, &[Scope::Settle]).is_ok());
        for (principal, scopes) in [
            (account, &[][..]),
            (account, &[Scope::Read, Scope::Settle]),
            (Principal::Service, &[Scope::Withdraw]),
            (Principal::Service, &[Scope::Settle, Scope::Trade]),
        ] {
            assert_eq!(issue(principal, scopes), Err("key-scopes-wrong"), "{scopes:?}");
        }
    }

    #[test]
    fn a_key_expires_after_it_was_issued() {
        let at = |seconds| Timestamp::parse_seconds(seconds).unwrap();
        let issue = |expires| {
            let scopes = Scopes::NONE.with(Scope::Read);
            ApiKey::issue(test_support::key_id(), Principal::Service, scopes, at(10), Some(expires))
        };
        assert_eq!(issue(at(10)).unwrap_err().id(), "key-expires-wrong");
        assert!(issue(at(11)).is_ok());
    }

    #[test]
    fn the_first_revocation_stays() {
        let mut key = test_support::api_key();
        key.revoke(Timestamp::EPOCH);
        key.revoke(Timestamp::MAX);
        assert_eq!(key.revoked, Some(Timestamp::EPOCH));
    }

    #[test]
    fn a_stored_key_is_read_as_it_was_written() {
        let mut key = test_support::api_key();
        key.revoke(Timestamp::MAX);
        let stored = borsh::to_vec(&key).unwrap();
        assert_eq!(borsh::from_slice::<ApiKey>(&stored).unwrap(), key);
    }
}
