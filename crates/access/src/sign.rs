//! The client's side: signs a request as [`Verifier`](crate::Verifier) wants it.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use primitives::{KeyId, Timestamp};

use crate::{
    Nonce, Refusal, RequestParts,
    base::{Component, content_digest, request_base},
    request::{Covered, check_target},
};

/// The label of the signatures that we make. Any other is accepted too.
const LABEL: &str = "sig1";

/// The three headers that make a request a signed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Content-Digest`, RFC 9530.
    pub content_digest: String,
    /// `Signature-Input`, RFC 9421.
    pub signature_input: String,
    /// `Signature`, RFC 9421.
    pub signature: String,
    /// The text that was signed: not sent, but good to compare with.
    pub base: String,
}

impl SignedHeaders {
    /// Names and values of the headers to add to the request.
    #[must_use]
    pub fn into_headers(self) -> [(&'static str, String); 3] {
        [
            ("content-digest", self.content_digest),
            ("signature-input", self.signature_input),
            ("signature", self.signature),
        ]
    }
}

/// Signs `parts` with `signing_key`. Its header `idempotency-key` is covered if it is there; a
/// `content-digest` among its headers is ignored, because the digest is computed from the body.
///
/// `created` and `expires` are cut to whole seconds.
///
/// # Errors
///
/// [`Refusal::TargetMalformed`] or [`Refusal::HeaderMalformed`] if the parts cannot be signed
/// unambiguously.
pub fn sign_request(
    signing_key: &SigningKey,
    parts: &RequestParts<'_>,
    created: Timestamp,
    expires: Timestamp,
    nonce: &Nonce,
) -> Result<SignedHeaders, Refusal> {
    check_target(parts)?;
    let content_digest = content_digest(parts.body);
    let covered = Covered::read(parts, &content_digest)?;
    let present = |component: &Component| covered.value(*component).is_some();
    let components: Vec<_> = Component::ALL.into_iter().filter(present).collect();
    let key = KeyId(signing_key.verifying_key().to_bytes());
    let names: Vec<_> = components.iter().map(|it| format!("\"{}\"", it.name())).collect();
    let params = format!(
        "({});created={};expires={};nonce=\"{}\";keyid=\"{key}\";alg=\"ed25519\"",
        names.join(" "),
        created.to_seconds(),
        expires.to_seconds(),
        nonce.as_str(),
    );
    let base = request_base(&components, &covered, &params)?;
    let signature = signing_key.sign(base.as_bytes()).to_bytes();
    let signature = format!("{LABEL}=:{}:", STANDARD.encode(signature));
    let signature_input = format!("{LABEL}={params}");
    Ok(SignedHeaders { content_digest, signature_input, signature, base })
}
