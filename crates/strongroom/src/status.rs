//! Why nothing is released right now, for `/readyz` and for the payout worker: the same list.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Reasons by the part of the house that has them. Empty means ready.
#[derive(Debug, Default)]
pub struct Status {
    reasons: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

impl Status {
    /// Replaces the reasons of one part.
    pub fn set(&self, part: &'static str, reasons: &[String]) {
        let mut held = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.insert(part, reasons.to_vec());
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
        let held = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|(name, _)| **name != part).flat_map(|(_, why)| why.clone()).collect()
    }

    /// Every reason; empty means ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let held = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().flatten().cloned().collect()
    }
}
