//! A named no. The tags and their order of precedence stand in `signer_protocol::refusal`, what
//! to do about each in `docs/reference/signer-refusals.md`.

use signer_protocol::{RefusalTag, Response};

/// Why a request was refused: nothing was reserved by it and nothing signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tag}: {detail}")]
pub struct Refusal {
    /// The rule that said no.
    pub tag: RefusalTag,
    /// What was examined, what was found, what to do.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(tag: RefusalTag, detail: impl Into<String>) -> Self {
        Self { tag, detail: detail.into() }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { tag: refusal.tag, detail: refusal.detail }
    }
}
