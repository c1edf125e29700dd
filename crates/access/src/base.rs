//! The signature base: the text that is signed. Source: RFC 9421, section 2.5.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::{Refusal, request::Covered};

/// A part of a request that may be covered by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    Method,
    Authority,
    Path,
    Query,
    ContentDigest,
    IdempotencyKey,
}

impl Component {
    pub(crate) const ALL: [Self; 6] = [
        Self::Method,
        Self::Authority,
        Self::Path,
        Self::Query,
        Self::ContentDigest,
        Self::IdempotencyKey,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Method => "@method",
            Self::Authority => "@authority",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::ContentDigest => "content-digest",
            Self::IdempotencyKey => "idempotency-key",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.name() == name)
    }
}

/// The text that is signed for `components` of the request `covered`, in this order; `params` is
/// the serialised value of `@signature-params`.
pub(crate) fn request_base(
    components: &[Component],
    covered: &Covered<'_>,
    params: &str,
) -> Result<String, Refusal> {
    let mut lines = Vec::with_capacity(components.len());
    for component in components {
        let name = component.name();
        let value = covered.value(*component);
        lines.push((name, value.ok_or(Refusal::HeaderMissing { header: name })?));
    }
    Ok(signature_base(&lines, params))
}

/// One line per component, `@signature-params` last, and no line feed behind it. The values must
/// have no line feed, and the names nothing that a structured string would escape.
fn signature_base(lines: &[(&str, &str)], params: &str) -> String {
    let mut base = String::with_capacity(512);
    for (name, value) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(base, "\"{name}\": {value}");
    }
    let _ = write!(base, "\"@signature-params\": {params}");
    base
}

/// What the header `Content-Digest` says of `body`: its SHA-256. Source: RFC 9530, section 2.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Whether `text` is the digest header of some body: SHA-256 alone, in the one form that
/// [`content_digest`] writes. With several digests a client and a proxy could look at different
/// ones.
pub(crate) fn is_content_digest(text: &str) -> bool {
    let encoded = text.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':'));
    encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).is_some_and(|hash| hash.len() == 32)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    /// Source: RFC 9421, appendix B.2.6 with the key of appendix B.1.4 (the last 32 bytes of the
    /// PEM). Ed25519 is deterministic, so that base and signature must both agree to the byte.
    #[test]
    fn the_base_and_the_signature_are_those_of_the_rfc() {
        let base = signature_base(
            &[
                ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("@method", "POST"),
                ("@path", "/foo"),
                ("@authority", "example.com"),
                ("content-type", "application/json"),
                ("content-length", "18"),
            ],
            "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
             ;created=1618884473;keyid=\"test-key-ed25519\"",
        );
        let pem = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
        let der = STANDARD.decode(pem).unwrap();
        let key = SigningKey::from_bytes(der.last_chunk().unwrap());
        let public = STANDARD.encode(key.verifying_key().as_bytes());
        assert_eq!(public, "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
        assert_eq!(
            STANDARD.encode(key.sign(base.as_bytes()).to_bytes()),
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
        );
    }

    /// Source: RFC 9530, appendix B.1; its body ends with a line feed.
    #[test]
    fn the_digest_is_that_of_the_rfc() {
        assert_eq!(
            content_digest(b"{\"hello\": \"world\"}\n"),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
        );
    }

    #[test]
    fn an_empty_body_has_a_digest_too() {
        assert_eq!(content_digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
        assert!(is_content_digest(&content_digest(b"")));
    }

    #[test]
    fn a_digest_has_one_form() {
        for text in [
            "",
            "sha-256=",
            "sha-256=::",
            "sha-256=:AAAA:",
            "sha-512=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:", // bits behind the end
            "sha-256=:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=:", // the other alphabet
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU:",  // no padding
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, md5=:AAAA:",
        ] {
            assert!(!is_content_digest(text), "{text}");
        }
    }
}
