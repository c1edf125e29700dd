//! Why nothing is released right now, for `/readyz` and for the payout worker: the same list.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::clock;

/// How long a part of the house may be silent beyond its own pause. One call to a node may take a
/// minute; whoever takes longer for a round may stand still, and what it said last is no news.
pub const SILENCE_MAX: Duration = Duration::from_mins(2);

/// Reasons by the part of the house that has them. Empty means ready.
#[derive(Debug, Default)]
pub struct Status {
    parts: Mutex<BTreeMap<&'static str, Word>>,
}

/// What a part said last.
#[derive(Debug)]
struct Word {
    reasons: Vec<String>,
    said: Instant,
    good_for: Duration,
}

impl Word {
    /// Its reasons, and that it is silent for too long.
    fn reasons_at(&self, part: &str, now: Instant) -> Vec<String> {
        let mut reasons = self.reasons.clone();
        let age = now.saturating_duration_since(self.said);
        if age > self.good_for {
            reasons.push(format!("{part}: silent for {} s", age.as_secs()));
        }
        reasons
    }
}

impl Status {
    /// Replaces the reasons of one part, which will speak again within `pause`, give or take
    /// [`SILENCE_MAX`].
    pub fn set(&self, part: &'static str, reasons: &[String], pause: Duration) {
        self.say(part, reasons, pause, clock::monotonic());
    }

    fn say(&self, part: &'static str, reasons: &[String], pause: Duration, said: Instant) {
        let good_for = pause.saturating_add(SILENCE_MAX);
        let word = Word { reasons: reasons.to_vec(), said, good_for };
        let mut held = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.insert(part, word).map(|before| before.reasons);
        if before.as_deref() != Some(reasons) {
            for reason in reasons {
                tracing::warn!(part, reason, "nothing is released");
            }
            if reasons.is_empty() && before.is_some_and(|before| !before.is_empty()) {
                tracing::info!(part, "ready again");
            }
        }
    }

    /// The reasons of all other parts.
    #[must_use]
    pub fn reasons_but(&self, part: &str) -> Vec<String> {
        self.reasons_at(clock::monotonic(), Some(part))
    }

    /// Every reason; empty means ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.reasons_at(clock::monotonic(), None)
    }

    fn reasons_at(&self, now: Instant, but: Option<&str>) -> Vec<String> {
        let held = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let others = held.iter().filter(|(part, _)| Some(**part) != but);
        others.flat_map(|(part, word)| word.reasons_at(part, now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_falls_silent_is_a_reason_whatever_it_said_last() {
        let (status, pause, begun) =
            (Status::default(), Duration::from_secs(1), clock::monotonic());
        let said = "head-not-witnessed: gone".to_owned();
        status.say("chain", &[], pause, begun);
        status.say("witness", std::slice::from_ref(&said), pause, begun);
        let at_last = begun + SILENCE_MAX + pause;
        assert_eq!(status.reasons_at(at_last, None), std::slice::from_ref(&said));
        assert_eq!(status.reasons_at(at_last, Some("witness")), Vec::<String>::new());
        let later = at_last + pause;
        let silent = |part: &str| format!("{part}: silent for 122 s");
        assert_eq!(status.reasons_at(later, None), [silent("chain"), said, silent("witness")]);
        assert_eq!(status.reasons_at(later, Some("witness")), [silent("chain")]);
        status.say("chain", &[], pause, later);
        assert_eq!(status.reasons_at(later, Some("witness")), Vec::<String>::new());
    }
}
