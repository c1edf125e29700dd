use std::time::Duration;

use signer_protocol::{Description, RefusalTag};

use super::Shared;
use crate::signer_client::SignerFault;

/// Between two tellings.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the signer's head witness each second how far the journal has come, and where there is
/// nothing to tell asks whether it is there: a house that could sign nothing must say so.
pub(crate) struct WitnessWorker {
    shared: Shared,
}

impl WitnessWorker {
    pub(crate) const fn new(shared: Shared) -> Self {
        Self { shared }
    }

    pub(crate) fn run(self) {
        while !self.shared.ending.is_asked() {
            let told = self.shared.witness.tell(&self.shared.signer);
            let told = told.and_then(|()| self.shared.signer.describe());
            self.shared.status.set("witness", &reasons(told), PAUSE);
            self.shared.ending.pause(PAUSE);
        }
    }
}

fn reasons(told: Result<Description, SignerFault>) -> Vec<String> {
    match told {
        Ok(Description { halted, .. }) => {
            halted.into_iter().map(|reason| format!("signer-halted: {reason}")).collect()
        }
        Err(SignerFault::Refused { tag, detail })
            if matches!(tag, RefusalTag::JournalShrunk | RefusalTag::JournalForked) =>
        {
            // The signer has seen another journal than ours: what we would answer from now on
            // contradicts what was answered before.
            tracing::error!(%tag, detail, "the journal is not the one that the signer witnessed");
            std::process::abort();
        }
        Err(fault) => vec![format!("head-not-witnessed: {fault}")],
    }
}
