//! What is broken, for the operator. After a fault the process stops: it fails closed, and a
//! restart begins from what is durable.

use std::error::Error as StdError;

use primitives::{DeploymentId, Txid};

/// Something broke. The first word of the text is the fault's stable name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The memory has fewer records than it once acknowledged.
    #[error(
        "signer-state-shorter: the log holds {found} records, its head says {expected}; the tail was lost or an old copy was put back, and with it pins and spent limit: do not continue, restore the newest copy or rotate to a new key"
    )]
    StateShorter {
        /// Records that are there.
        found: u64,
        /// Records that were acknowledged.
        expected: u64,
    },
    /// The memory is not what was written.
    #[error(
        "signer-state-damaged: {what}; do not continue, restore the newest copy or rotate to a new key"
    )]
    StateDamaged {
        /// Where, and what was found.
        what: String,
    },
    /// The memory belongs to another installation.
    #[error(
        "signer-state-foreign: the state belongs to deployment {found}, the settings make {expected}; put the state and the settings of one installation together"
    )]
    StateForeign {
        /// The deployment in the memory.
        found: DeploymentId,
        /// The deployment of the settings.
        expected: DeploymentId,
    },
    /// A record cannot follow those before it.
    #[error(
        "signer-state-contradiction: record {record}: {what}; the state was not written by this program or is damaged"
    )]
    StateContradiction {
        /// The record's number, counted from 0.
        record: u64,
        /// What cannot be.
        what: &'static str,
    },
    /// Another process uses the memory.
    #[error("signer-state-locked: another process holds {what}; stop it first")]
    StateLocked {
        /// The file that is locked.
        what: String,
    },
    /// Reading or writing failed. Whether a write is durable is unknown.
    #[error("signer-memory: {action} failed; the process stops, and starts again from the state")]
    Memory {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The keys did not sign.
    #[error("signer-keys: the keys did not sign {txid}: {what}")]
    Keys {
        /// The transaction.
        txid: Txid,
        /// What went wrong.
        what: String,
    },
    /// A signature that was just made does not verify.
    #[error(
        "signer-signature-invalid: the signature for input {input} of {txid} does not verify; it was not released; suspect the key store or the machine's memory"
    )]
    SignatureInvalid {
        /// The transaction.
        txid: Txid,
        /// The input's number.
        input: usize,
    },
    /// A number left its range where the examination had shown that it cannot.
    #[error("signer-internal: {what}; this is a defect of the program: report it")]
    Internal {
        /// What was found.
        what: &'static str,
    },
    /// An earlier fault of this run; nothing is done after it.
    #[error("signer-stopped: an earlier fault stopped this run: {first}")]
    Stopped {
        /// The text of the first fault.
        first: String,
    },
}

impl Fault {
    /// An IO error, with what was tried.
    pub fn memory(
        action: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Memory { action: action.into(), source: source.into() }
    }

    /// Whether the stored state itself failed its verification.
    #[must_use]
    pub const fn is_state(&self) -> bool {
        matches!(
            self,
            Self::StateShorter { .. }
                | Self::StateDamaged { .. }
                | Self::StateForeign { .. }
                | Self::StateContradiction { .. }
        )
    }

    /// The text with every source behind it, on one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = StdError::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}
