//! Telling the signer how far the journal has come, so that a journal that is cut short later is
//! noticed: a chain that was cut is still a valid chain.

use std::sync::{Mutex, PoisonError};

use signer_protocol::{
    RefusalTag, Request, Response, TreeHead,
    merkle::{Frontier, prove_consistency},
};

use crate::signer_client::{SignerClient, SignerFault};

struct Progress {
    /// Whether the last telling had no answer: the signer may have witnessed more than we know.
    uncertain: bool,
    witnessed: Frontier,
    since: Vec<[u8; 32]>,
    current: Frontier,
}

/// What is durable and what of it the signer has witnessed.
pub struct Witness {
    shard: u16,
    progress: Mutex<Progress>,
    /// Held by whoever tells the signer: the proof begins where the last one ended.
    telling: Mutex<()>,
}

impl Witness {
    /// Begins with what the signer has witnessed, and the leaves of the journal since.
    #[must_use]
    pub const fn new(
        shard: u16,
        witnessed: Frontier,
        since: Vec<[u8; 32]>,
        current: Frontier,
    ) -> Self {
        let progress = Mutex::new(Progress { uncertain: false, witnessed, since, current });
        Self { shard, progress, telling: Mutex::new(()) }
    }

    /// Entries that are durable.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.lock().current.size()
    }

    /// Entries that the signer has witnessed.
    #[must_use]
    pub fn witnessed(&self) -> u64 {
        self.lock().witnessed.size()
    }

    /// The head of what is durable.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.lock().current.head(self.shard)
    }

    /// Takes in `leaves` that are durable now; `current` is the journal's own frontier with them,
    /// so that the tree is not computed twice.
    pub(crate) fn extend(&self, leaves: &[[u8; 32]], current: &Frontier) {
        let mut progress = self.lock();
        progress.current.clone_from(current);
        progress.since.extend_from_slice(leaves);
    }

    /// Has the signer witness everything that is durable now.
    ///
    /// # Errors
    ///
    /// [`SignerFault`]; a refusal means that the signer has seen another journal, and nothing may
    /// be released.
    pub fn tell(&self, signer: &SignerClient) -> Result<(), SignerFault> {
        let _alone = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock().uncertain {
            self.catch_up(signer.witnessed(self.shard)?)?;
        }
        let (head, proof, count, after) = {
            let mut progress = self.lock();
            if progress.since.is_empty() {
                return Ok(());
            }
            progress.uncertain = true;
            let proof = prove_consistency(&progress.witnessed, &progress.since);
            let head = progress.current.head(self.shard);
            (head, proof, progress.since.len(), progress.current.clone())
        };
        let response = signer.ask(&Request::WitnessHead { head, proof })?;
        let Response::Witnessed { .. } = &response else {
            return Err(SignerFault::unexpected(&response));
        };
        let mut progress = self.lock();
        progress.since.drain(..count);
        progress.witnessed = after;
        progress.uncertain = false;
        Ok(())
    }

    /// After an answer that was lost: goes on from where the signer really stands.
    fn catch_up(&self, head: Option<TreeHead>) -> Result<(), SignerFault> {
        let Some(head) = head else { return Ok(()) };
        let mut progress = self.lock();
        let ahead = head.size.saturating_sub(progress.witnessed.size());
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
        let refused = |tag, detail: &str| SignerFault::Refused { tag, detail: detail.to_owned() };
        if ahead > progress.since.len() {
            let detail = "the signer has witnessed entries that this journal does not have";
            return Err(refused(RefusalTag::JournalShrunk, detail));
        }
        let told: Vec<[u8; 32]> = progress.since.drain(..ahead).collect();
        for leaf in told {
            let pushed = progress.witnessed.push(leaf);
            pushed.map_err(|error| SignerFault::Broken { detail: error.to_string() })?;
        }
        if progress.witnessed.head(self.shard) != head {
            let detail = "the signer has witnessed another journal of this length";
            return Err(refused(RefusalTag::JournalForked, detail));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // The data is whole after every line that holds the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
