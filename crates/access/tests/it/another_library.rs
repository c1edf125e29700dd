//! A request that another implementation of RFC 9421 signed.

use super::{Request, created};

/// Made once with the Python package http-message-signatures 3.0.0: its order of parameters and
/// its label are its own.
#[test]
fn a_request_signed_by_another_library_is_recognised() {
    let request = Request {
        query: Some("wait=1&note=a%20b".into()),
        headers: [
            ("Idempotency-Key", "b1f0c2d4-7"),
            ("Content-Digest", "sha-256=:e7/lquzCzKRTDvIMQx9ZSyMVWQJB8LDe4a6fixVQrd0=:"),
            (
                "Signature-Input",
                "pyhms=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\" \
                 \"idempotency-key\");created=1795000000;keyid=\"key_d75a980182b10ab7d54bfed3\
                 c964073a0ee172f3daa62325af021a68f707511a\";alg=\"ed25519\";expires=1795000060\
                 ;nonce=\"another-library-01\"",
            ),
            (
                "Signature",
                "pyhms=:xXw4Qchtj1fApy4JRh3dB8V2dJOqVJNHwe2Vsh0O3WRgwFREFR87AfgjnvX4eJOFt9kLYFA63xVE8xRMN6EJAw==:",
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .to_vec(),
        ..Request::withdrawal()
    };
    assert_eq!(created().to_seconds(), 1_795_000_000);
    assert!(request.is_recognised());
}
