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

/// The longest detail, in characters. What a parser says may repeat megabytes of the request.
const DETAIL_CHARS_MAX: usize = 600;

impl Refusal {
    pub(crate) fn new(tag: RefusalTag, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
            detail.push('…');
        }
        Self { tag, detail }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { tag: refusal.tag, detail: refusal.detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_where_it_would_repeat_the_whole_request() {
        let long = Refusal::new(RefusalTag::PsbtUnreadable, "é".repeat(10_000));
        assert_eq!(long.detail.chars().count(), DETAIL_CHARS_MAX + 1);
        let short = Refusal::new(RefusalTag::PsbtUnreadable, "é".repeat(DETAIL_CHARS_MAX));
        assert_eq!(short.detail.chars().count(), DETAIL_CHARS_MAX);
    }
}
