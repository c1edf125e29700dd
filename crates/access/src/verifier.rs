//! Recognises the signer of a request. Many threads may do so at once.

use ed25519_dalek::Signature;
use primitives::{KeyId, Seconds, Timestamp};

use crate::{
    ApiKey, Headers, Refusal, RequestParts, Scope, Verified,
    base::{Component, content_digest, is_content_digest, request_base},
    key::verifying_key,
    nonce,
    request::{Covered, Line, check_target, line, normal_authority},
    signature_input::SignatureInput,
};

#[cfg(test)]
mod tests;

/// What a [`Verifier`] accepts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The names under which customers reach this house, with the port unless it is 443. A
    /// request that was signed for another house is worth nothing here.
    pub authorities: Vec<String>,
    /// When the process began with an empty [`NonceMemory`](crate::NonceMemory). It must not be
    /// earlier than any moment at which an earlier process accepted a request: pass the later of
    /// the clock and the journal's last moment.
    pub started: Timestamp,
    /// How far ahead of our clock a request may say that it was created. The process before us
    /// must not have allowed more, or `started` must be later by the difference.
    pub clock_skew_max: Seconds,
    /// The most that may lie between created and expires.
    pub lifetime_max: Seconds,
}

impl Settings {
    /// The usual: clocks up to 5 s ahead, requests valid for at most 60 s.
    #[must_use]
    pub const fn new(authorities: Vec<String>, started: Timestamp) -> Self {
        let (clock_skew_max, lifetime_max) = (Seconds(5), Seconds(60));
        Self { authorities, started, clock_skew_max, lifetime_max }
    }
}

/// Recognises the signer of a request. It has no state: share it among threads, and spend what
/// it verified in one [`NonceMemory`](crate::NonceMemory).
#[derive(Debug)]
pub struct Verifier {
    settings: Settings,
    accepted_from: Timestamp,
}

impl Verifier {
    /// A verifier with these settings.
    #[must_use]
    pub fn new(mut settings: Settings) -> Self {
        for authority in &mut settings.authorities {
            *authority = normal_authority(authority);
        }
        // Not `started` alone: the process before us took requests whose clocks were ahead, and a
        // copy of such a request would look younger than our start, with its nonce forgotten.
        let accepted_from = settings.started.saturating_add(settings.clock_skew_max);
        Self { settings, accepted_from }
    }

    /// The earliest `created` that is accepted: the start and the clock skew. Until this moment
    /// customers whose clocks are right are refused, and told from when on they are served.
    #[must_use]
    pub const fn accepted_from(&self) -> Timestamp {
        self.accepted_from
    }

    /// Says who signed `parts`, if the signature is good now and its key has the scope `needs`.
    /// The nonce is not spent yet: only [`NonceMemory::spend`](crate::NonceMemory::spend) makes
    /// an authenticated request of it.
    ///
    /// `find_key` looks up a key in memory. It is asked at most once, before any signature is
    /// known to be good, and so must be cheap.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] from `request-signature-missing` to `request-scope-missing`, the first that
    /// applies in the order of [`Refusal::IDS`].
    pub fn verify<'a>(
        &self,
        parts: &RequestParts<'a>,
        needs: Scope,
        now: Timestamp,
        find_key: impl FnOnce(&KeyId) -> Option<ApiKey>,
    ) -> Result<Verified<'a>, Refusal> {
        // Refusals, cheapest first.
        let signed = SignatureInput::read(parts.headers)?;
        self.check_time(signed.created, signed.expires, now)?;
        check_target(parts)?;
        self.check_authority(parts.authority)?;
        let covered = Covered::read(parts, claimed_digest(parts.headers)?)?;
        let base = request_base(&signed.components, &covered, signed.params)?;
        let key = living_key(find_key(&signed.key), signed.key, now)?;
        check_body(parts.body, covered.content_digest)?;
        check_signature(&key.id, base.as_bytes(), &signed.signature)?;
        // Rights come last: a stranger does not learn from us what a key may do.
        if !key.scopes.contains(needs) {
            return Err(Refusal::ScopeMissing { needs, has: key.scopes });
        }
        // From here on it must succeed.
        let spent_as = nonce::fingerprint(&key.id, &signed.nonce);
        Ok(Verified { parts: *parts, key, expires: signed.expires, spent_as })
    }

    fn check_time(
        &self,
        created: Timestamp,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Settings { clock_skew_max, lifetime_max, .. } = self.settings;
        if created > now.saturating_add(clock_skew_max) {
            return Err(Refusal::ClockSkew { created, now, allowed: clock_skew_max });
        }
        if expires <= now {
            return Err(Refusal::Expired { expires, now });
        }
        let asked = Seconds(expires.to_seconds().saturating_sub(created.to_seconds()));
        if asked > lifetime_max {
            return Err(Refusal::LifetimeTooLong { asked, allowed: lifetime_max });
        }
        if created < self.accepted_from {
            let accepted_from = self.accepted_from;
            return Err(Refusal::CreatedBeforeStart { created, accepted_from });
        }
        Ok(())
    }

    fn check_authority(&self, authority: &str) -> Result<(), Refusal> {
        let authority = normal_authority(authority);
        if self.settings.authorities.contains(&authority) {
            return Ok(());
        }
        Err(Refusal::AuthorityWrong { found: authority })
    }
}

/// The digest that the request says its body has; required of empty bodies too, or a body could
/// be added on the way to a request that was signed without one.
fn claimed_digest(headers: &dyn Headers) -> Result<&str, Refusal> {
    let header = Component::ContentDigest.name();
    match line(headers, header) {
        Line::Missing => Err(Refusal::HeaderMissing { header }),
        Line::One(text) if is_content_digest(text) => Ok(text),
        Line::One(_) | Line::Several(_) | Line::Unreadable => Err(Refusal::HeaderMalformed {
            header,
            expected: "one line `sha-256=:BASE64:` with the padded base64 of 32 bytes and nothing else",
        }),
    }
}

fn living_key(found: Option<ApiKey>, id: KeyId, now: Timestamp) -> Result<ApiKey, Refusal> {
    // A look-up that answers with another key must not lend its rights.
    let Some(key) = found.filter(|key| key.id == id) else {
        return Err(Refusal::KeyUnknown { key: id });
    };
    if let Some(at) = key.revoked {
        return Err(Refusal::KeyRevoked { key: id, at });
    }
    if let Some(at) = key.expires.filter(|expires| *expires <= now) {
        return Err(Refusal::KeyExpired { key: id, at });
    }
    Ok(key)
}

fn check_body(body: &[u8], claimed: &str) -> Result<(), Refusal> {
    let found = content_digest(body);
    if found == claimed { Ok(()) } else { Err(Refusal::BodyAltered { found }) }
}

/// Strict: `R` and the key of small order are refused, which RFC 8032 leaves open.
fn check_signature(key: &KeyId, base: &[u8], signature: &[u8; 64]) -> Result<(), Refusal> {
    let wrong = || Refusal::SignatureWrong { key: *key };
    let verifying = verifying_key(key).map_err(|_| wrong())?;
    verifying.verify_strict(base, &Signature::from_bytes(signature)).map_err(|_| wrong())
}
