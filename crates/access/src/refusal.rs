//! The names with which a request, a key or an intent is refused. A name is API.

use primitives::{KeyId, Seconds, Timestamp};

use crate::{Scope, Scopes};

/// Why a request, a key or an intent was refused. In order of precedence: where several apply the
/// first is given (headers and parameters of one group are read one after another).
///
/// Nothing secret is in a refusal: it may be shown to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is not signed.
    #[error(
        "request-signature-missing: the request has no `{header}`; sign it with Ed25519 as RFC 9421 says"
    )]
    SignatureMissing {
        /// The header that is missing.
        header: &'static str,
    },
    /// More than one signature: which of them counts is left open.
    #[error(
        "request-signature-several: `{header}` carries {found} lines or signatures; send exactly one"
    )]
    SignatureSeveral {
        /// The header.
        header: &'static str,
        /// How many were found.
        found: usize,
    },
    /// A signature header that cannot be read, or not in its one canonical form.
    #[error("request-signature-malformed: `{header}` {problem}")]
    SignatureMalformed {
        /// The header.
        header: &'static str,
        /// What is wrong with it and how it should be.
        problem: &'static str,
    },
    /// The two signature headers speak of different signatures.
    #[error(
        "request-signature-label-mismatch: `signature-input` is labelled `{input}`, `signature` is labelled `{signature}`; use one label"
    )]
    LabelMismatch {
        /// The label in `signature-input`.
        input: String,
        /// The label in `signature`.
        signature: String,
    },
    /// A covered component that we do not know, or one with parameters.
    #[error(
        "request-component-unknown: {component} is covered; cover only @method, @authority, @path, @query, content-digest and idempotency-key, without parameters"
    )]
    ComponentUnknown {
        /// The component as it was written.
        component: String,
    },
    /// A component that is covered twice.
    #[error("request-component-duplicate: `{component}` is covered twice; cover it once")]
    ComponentDuplicate {
        /// Its name.
        component: &'static str,
    },
    /// A component that must be covered and is not.
    #[error("request-component-missing: `{component}` is not covered; sign it too")]
    ComponentMissing {
        /// Its name.
        component: &'static str,
    },
    /// A signature parameter that we do not know.
    #[error(
        "request-parameter-unknown: `{parameter}`; use only created, expires, nonce, keyid and alg"
    )]
    ParameterUnknown {
        /// Its name.
        parameter: String,
    },
    /// A signature parameter that must be there and is not.
    #[error("request-parameter-missing: `{parameter}` is not among the signature's parameters")]
    ParameterMissing {
        /// Its name.
        parameter: &'static str,
    },
    /// A signature parameter with a wrong value.
    #[error("request-parameter-malformed: `{parameter}` must be {expected}")]
    ParameterMalformed {
        /// Its name.
        parameter: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Another algorithm than Ed25519.
    #[error("request-algorithm-wrong: alg is {found}; only \"ed25519\" is accepted")]
    AlgorithmWrong {
        /// The value as it was written.
        found: String,
    },
    /// The request was signed in our future.
    #[error(
        "request-clock-skew: created at {created}, more than {allowed} ahead of our clock ({now}); set your clock"
    )]
    ClockSkew {
        /// When it says it was signed.
        created: Timestamp,
        /// Our clock.
        now: Timestamp,
        /// How far ahead a clock may be.
        allowed: Seconds,
    },
    /// The request's time is over.
    #[error("request-expired: it expired at {expires}, and it is {now}; sign it again")]
    Expired {
        /// Its first moment of being too late.
        expires: Timestamp,
        /// Our clock.
        now: Timestamp,
    },
    /// The request would be valid for too long.
    #[error(
        "request-lifetime-too-long: {asked} lie between created and expires; at most {allowed} are accepted"
    )]
    LifetimeTooLong {
        /// From created to expires.
        asked: Seconds,
        /// The most that is accepted.
        allowed: Seconds,
    },
    /// An earlier process may have accepted this request, and its nonces are forgotten.
    #[error(
        "request-created-before-start: created at {created}, but after our restart only requests created from {accepted_from} on are accepted; ask what became of the first attempt, then sign again"
    )]
    CreatedBeforeStart {
        /// When it says it was signed.
        created: Timestamp,
        /// The first moment that is accepted.
        accepted_from: Timestamp,
    },
    /// The method, path or query is not one that can be signed unambiguously.
    #[error("request-target-malformed: the {part} is not one that HTTP allows; percent-encode it")]
    TargetMalformed {
        /// `method`, `path` or `query`.
        part: &'static str,
    },
    /// The request was signed for somebody else, or reached us by a wrong name.
    #[error(
        "request-authority-wrong: `{found}` is not a name of this server; sign and send to its public name"
    )]
    AuthorityWrong {
        /// The authority of the request.
        found: String,
    },
    /// A covered header is not there.
    #[error("request-header-missing: the request has no `{header}`; send it, it is signed")]
    HeaderMissing {
        /// Its name.
        header: &'static str,
    },
    /// A covered header is there twice or cannot be read.
    #[error("request-header-malformed: `{header}` must be {expected}")]
    HeaderMalformed {
        /// Its name.
        header: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Nobody has this key.
    #[error("request-key-unknown: {key} is not registered here; register it, or check keyid")]
    KeyUnknown {
        /// The key.
        key: KeyId,
    },
    /// The key was revoked.
    #[error("request-key-revoked: {key} was revoked at {at}; sign with another key")]
    KeyRevoked {
        /// The key.
        key: KeyId,
        /// When.
        at: Timestamp,
    },
    /// The key's time is over.
    #[error("request-key-expired: {key} expired at {at}; sign with another key")]
    KeyExpired {
        /// The key.
        key: KeyId,
        /// When.
        at: Timestamp,
    },
    /// The body is not the one whose digest was signed.
    #[error(
        "request-body-altered: the body has the digest {found}, `content-digest` says another; send exactly the bytes that were hashed"
    )]
    BodyAltered {
        /// The digest of the body that arrived, as the header should say it.
        found: String,
    },
    /// The signature is not the key's over this request.
    #[error(
        "request-signature-wrong: the signature is not {key}'s over this request; compare your signature base with the guide"
    )]
    SignatureWrong {
        /// The key that should have signed.
        key: KeyId,
    },
    /// The key may not do this.
    #[error("request-scope-missing: this needs the scope {needs}, the key has: {has}")]
    ScopeMissing {
        /// What the request needs.
        needs: Scope,
        /// What the key has.
        has: Scopes,
    },
    /// The key has signed with this nonce before: a replay, or a client that repeats itself.
    #[error(
        "request-nonce-reused: {key} has used this nonce before; draw a new one for every request"
    )]
    NonceReused {
        /// The key.
        key: KeyId,
    },
    /// No nonce can be remembered until older ones expire.
    #[error(
        "request-nonce-memory-full: {capacity} requests are remembered and none has expired; try again in some seconds"
    )]
    NonceMemoryFull {
        /// How many are remembered at most.
        capacity: usize,
    },
    /// The scopes are none, or not for this principal.
    #[error("key-scopes-wrong: asked: {asked}; a key of this principal may have: {allowed}")]
    KeyScopesWrong {
        /// The scopes that were asked.
        asked: Scopes,
        /// What the principal may have at most.
        allowed: Scopes,
    },
    /// The key would expire before it is born.
    #[error("key-expires-wrong: it would expire at {expires}, not after {created}")]
    KeyExpiresWrong {
        /// When it is issued.
        created: Timestamp,
        /// When it should expire.
        expires: Timestamp,
    },
    /// The bytes are not the one encoding of a point of the curve.
    #[error("key-malformed: {key} is not the encoding of an Ed25519 public key (RFC 8032)")]
    KeyMalformed {
        /// The bytes.
        key: KeyId,
    },
    /// The point has a part of small order; no honest client makes one.
    #[error("key-weak: {key} has a part of small order; generate a new key pair")]
    KeyWeak {
        /// The key.
        key: KeyId,
    },
    /// The signature is not the key's over this intent.
    #[error("intent-signature-wrong: the signature is not {key}'s over the hash of this intent")]
    IntentSignatureWrong {
        /// The key that should have signed.
        key: KeyId,
    },
}

impl Refusal {
    /// Every name, in order of precedence.
    pub const IDS: [&str; 32] = [
        "request-signature-missing",
        "request-signature-several",
        "request-signature-malformed",
        "request-signature-label-mismatch",
        "request-component-unknown",
        "request-component-duplicate",
        "request-component-missing",
        "request-parameter-unknown",
        "request-parameter-missing",
        "request-parameter-malformed",
        "request-algorithm-wrong",
        "request-clock-skew",
        "request-expired",
        "request-lifetime-too-long",
        "request-created-before-start",
        "request-target-malformed",
        "request-authority-wrong",
        "request-header-missing",
        "request-header-malformed",
        "request-key-unknown",
        "request-key-revoked",
        "request-key-expired",
        "request-body-altered",
        "request-signature-wrong",
        "request-scope-missing",
        "request-nonce-reused",
        "request-nonce-memory-full",
        "key-scopes-wrong",
        "key-expires-wrong",
        "key-malformed",
        "key-weak",
        "intent-signature-wrong",
    ];

    /// The stable name of the rule that said no.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::SignatureMissing { .. } => "request-signature-missing",
            Self::SignatureSeveral { .. } => "request-signature-several",
            Self::SignatureMalformed { .. } => "request-signature-malformed",
            Self::LabelMismatch { .. } => "request-signature-label-mismatch",
            Self::ComponentUnknown { .. } => "request-component-unknown",
            Self::ComponentDuplicate { .. } => "request-component-duplicate",
            Self::ComponentMissing { .. } => "request-component-missing",
            Self::ParameterUnknown { .. } => "request-parameter-unknown",
            Self::ParameterMissing { .. } => "request-parameter-missing",
            Self::ParameterMalformed { .. } => "request-parameter-malformed",
            Self::AlgorithmWrong { .. } => "request-algorithm-wrong",
            Self::ClockSkew { .. } => "request-clock-skew",
            Self::Expired { .. } => "request-expired",
            Self::LifetimeTooLong { .. } => "request-lifetime-too-long",
            Self::CreatedBeforeStart { .. } => "request-created-before-start",
            Self::TargetMalformed { .. } => "request-target-malformed",
            Self::AuthorityWrong { .. } => "request-authority-wrong",
            Self::HeaderMissing { .. } => "request-header-missing",
            Self::HeaderMalformed { .. } => "request-header-malformed",
            Self::KeyUnknown { .. } => "request-key-unknown",
            Self::KeyRevoked { .. } => "request-key-revoked",
            Self::KeyExpired { .. } => "request-key-expired",
            Self::BodyAltered { .. } => "request-body-altered",
            Self::SignatureWrong { .. } => "request-signature-wrong",
            Self::ScopeMissing { .. } => "request-scope-missing",
            Self::NonceReused { .. } => "request-nonce-reused",
            Self::NonceMemoryFull { .. } => "request-nonce-memory-full",
            Self::KeyScopesWrong { .. } => "key-scopes-wrong",
            Self::KeyExpiresWrong { .. } => "key-expires-wrong",
            Self::KeyMalformed { .. } => "key-malformed",
            Self::KeyWeak { .. } => "key-weak",
            Self::IntentSignatureWrong { .. } => "intent-signature-wrong",
        }
    }

    /// The HTTP status that goes with it: 403 for a known key without the right, 429 where only
    /// waiting helps, 422 for a bad key or intent inside a good request, else 401.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::ScopeMissing { .. } => 403,
            Self::NonceMemoryFull { .. } => 429,
            Self::KeyScopesWrong { .. }
            | Self::KeyExpiresWrong { .. }
            | Self::KeyMalformed { .. }
            | Self::KeyWeak { .. }
            | Self::IntentSignatureWrong { .. } => 422,
            Self::SignatureMissing { .. }
            | Self::SignatureSeveral { .. }
            | Self::SignatureMalformed { .. }
            | Self::LabelMismatch { .. }
            | Self::ComponentUnknown { .. }
            | Self::ComponentDuplicate { .. }
            | Self::ComponentMissing { .. }
            | Self::ParameterUnknown { .. }
            | Self::ParameterMissing { .. }
            | Self::ParameterMalformed { .. }
            | Self::AlgorithmWrong { .. }
            | Self::ClockSkew { .. }
            | Self::Expired { .. }
            | Self::LifetimeTooLong { .. }
            | Self::CreatedBeforeStart { .. }
            | Self::TargetMalformed { .. }
            | Self::AuthorityWrong { .. }
            | Self::HeaderMissing { .. }
            | Self::HeaderMalformed { .. }
            | Self::KeyUnknown { .. }
            | Self::KeyRevoked { .. }
            | Self::KeyExpired { .. }
            | Self::BodyAltered { .. }
            | Self::SignatureWrong { .. }
            | Self::NonceReused { .. } => 401,
        }
    }
}
