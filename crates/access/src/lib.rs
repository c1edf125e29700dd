//! Who asks, and how surely.
//!
//! Customers sign every HTTP request with Ed25519 (RFC 8032) as RFC 9421 says, over the method,
//! authority, path, query and the digest of the body (RFC 9530). The house stores public keys
//! only, so that its database is worth nothing to a thief who wants to ask in a customer's name.
//!
//! ```text
//! RequestParts --Verifier::verify--> Verified --NonceMemory::spend--> Authenticated<RequestParts>
//!               (&self, any thread)            (&mut, short, exact)     --try_map(parse)--> Authenticated<T>
//! ```
//!
//! **Invariant: what is not signed is not believed.** Only the covered components and the body
//! speak for the customer. Another header (a content type, a method override, a forwarded
//! address) may have been written by anybody on the way, and nothing may be decided by it.
//!
//! **Invariant: a signature counts once.** A nonce is spent at most once while its request could
//! still be accepted, and no request is accepted whose nonce an earlier process may have seen.
//!
//! The guide for customers, with vectors, is `docs/request-signing.md`.

mod authenticated;
mod base;
mod intent;
mod key;
mod nonce;
mod refusal;
mod request;
mod scope;
mod sign;
mod signature_input;
mod verifier;

pub use authenticated::{Authenticated, Verified};
pub use base::content_digest;
pub use intent::{sign_intent, verify_intent};
pub use key::{ApiKey, Principal, parse_public_key};
pub use nonce::{Nonce, NonceMemory};
pub use refusal::Refusal;
pub use request::{Headers, RequestParts};
pub use scope::{Scope, Scopes};
pub use sign::{SignedHeaders, sign_request};
pub use verifier::{Settings, Verifier};

#[cfg(test)]
mod test_support;
