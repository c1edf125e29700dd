//! Proof that a request was recognised.

use std::fmt;

use primitives::{AccountId, KeyId, Timestamp};

use crate::{ApiKey, Principal, RequestParts, Scopes, nonce::Fingerprint};

/// A request whose signature is good, but whose nonce may have been spent before. It is good for
/// nothing except [`NonceMemory::spend`](crate::NonceMemory::spend), once.
///
/// ```compile_fail,E0382
/// fn twice(memory: &mut access::NonceMemory, verified: access::Verified<'_>) {
///     let now = primitives::Timestamp::EPOCH;
///     let _first = memory.spend(verified, now);
///     let _second = memory.spend(verified, now);
/// }
/// ```
#[derive(Debug)]
pub struct Verified<'a> {
    pub(crate) parts: RequestParts<'a>,
    pub(crate) key: ApiKey,
    pub(crate) expires: Timestamp,
    pub(crate) spent_as: Fingerprint,
}

/// Proof that the owner of a living key signed this request for this house, now, for the first
/// time, and that the key has the scope that the request needs.
///
/// Only [`NonceMemory::spend`](crate::NonceMemory::spend) makes one, and what it holds comes out
/// of the signed parts by [`Authenticated::try_map`]. Nothing else can build one:
///
/// ```compile_fail,E0451
/// fn forge(key: access::ApiKey) -> access::Authenticated<()> {
///     access::Authenticated { key, request: () }
/// }
/// ```
///
/// nor change what was proven:
///
/// ```compile_fail,E0616
/// fn promote(of: &mut access::Authenticated<()>, key: access::ApiKey) {
///     of.key = key;
/// }
/// ```
///
/// A key may be revoked between this proof and the decision: whoever decides asks once more.
pub struct Authenticated<T> {
    key: ApiKey,
    request: T,
}

impl<'a> Authenticated<RequestParts<'a>> {
    /// For [`NonceMemory::spend`](crate::NonceMemory::spend) alone, after the nonce is spent.
    #[expect(clippy::needless_pass_by_value, reason = "what was spent is gone")]
    pub(crate) fn after_spending(verified: Verified<'a>) -> Self {
        Self { key: verified.key, request: verified.parts }
    }
}

impl<T> Authenticated<T> {
    /// In whose name the request speaks.
    #[must_use]
    pub const fn principal(&self) -> Principal {
        self.key.principal
    }

    /// The customer's account, or `None` for the exchange's own service.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        self.key.principal.account()
    }

    /// The key that signed.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key.id
    }

    /// What the key may do.
    #[must_use]
    pub const fn scopes(&self) -> Scopes {
        self.key.scopes
    }

    /// What was asked.
    #[must_use]
    pub const fn request(&self) -> &T {
        &self.request
    }

    /// What was asked, without the proof.
    #[must_use]
    pub fn into_request(self) -> T {
        self.request
    }

    /// The same proof for what `parse` reads out of the request. `parse` must look at its
    /// argument only, or the proof is about something that nobody signed.
    #[must_use]
    pub fn map<U>(self, parse: impl FnOnce(T) -> U) -> Authenticated<U> {
        Authenticated { key: self.key, request: parse(self.request) }
    }

    /// Like [`Authenticated::map`] for a `parse` that can fail.
    ///
    /// # Errors
    ///
    /// Those of `parse`. The nonce stays spent.
    pub fn try_map<U, E>(
        self,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Authenticated<U>, E> {
        Ok(Authenticated { key: self.key, request: parse(self.request)? })
    }
}

/// Shows who asked, never what.
impl<T> fmt::Debug for Authenticated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticated({} by {})", self.key.principal, self.key.id)
    }
}
