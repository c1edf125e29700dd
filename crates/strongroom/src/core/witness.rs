//! Telling the signer how far the journal has come, so that a journal that is cut short later is
//! noticed: a chain that was cut is still a valid chain.

use std::sync::{Mutex, PoisonError};

use signer_protocol::{
    Request, Response, TreeHead,
    merkle::{Frontier, prove_consistency},
};

use crate::signer_client::{SignerClient, SignerFault};

struct Progress {
    witnessed: Frontier,
    since: Vec<[u8; 32]>,
    current: Frontier,
}

/// What is durable and what of it the signer has witnessed.
pub struct Witness {
    shard: u16,
    progress: Mutex<Progress>,
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
        Self { shard, progress: Mutex::new(Progress { witnessed, since, current }) }
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

    pub(crate) fn extend(&self, leaves: &[[u8; 32]]) -> Result<(), String> {
        let mut progress = self.lock();
        for leaf in leaves {
            progress.current.push(*leaf).map_err(|error| error.to_string())?;
        }
        progress.since.extend_from_slice(leaves);
        Ok(())
    }

    /// Has the signer witness everything that is durable now.
    ///
    /// # Errors
    ///
    /// [`SignerFault`]; a refusal means that the signer has seen another journal, and nothing may
    /// be released.
    pub fn tell(&self, signer: &SignerClient) -> Result<(), SignerFault> {
        let (head, proof, count, after) = {
            let progress = self.lock();
            if progress.since.is_empty() {
                return Ok(());
            }
            let proof = prove_consistency(&progress.witnessed, &progress.since);
            let head = progress.current.head(self.shard);
            (head, proof, progress.since.len(), progress.current.clone())
        };
        match signer.ask(&Request::WitnessHead { head, proof })? {
            Response::Witnessed { .. } => {
                let mut progress = self.lock();
                // Another teller may have been faster.
                if progress.witnessed.size() < after.size() {
                    let told = count.min(progress.since.len());
                    progress.since.drain(..told);
                    progress.witnessed = after;
                }
                Ok(())
            }
            other => Err(SignerFault::unexpected(&other)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // The data is whole after every line that holds the lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
