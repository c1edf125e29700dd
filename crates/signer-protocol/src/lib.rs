//! Floor 1: what the server and the signer say to each other, and what they both hash.
//!
//! - [`intent`]: the payout intent, the canonical bytes of one withdrawal. Customers sign it, its
//!   hash is the withdrawal's id, the signer compares every output with it.
//! - [`message`]: versioned requests and responses, and their frames.
//! - [`refusal`]: the tags with which the signer says no.
//! - [`merkle`]: the tree over the journal, of which the signer witnesses the head.

pub mod intent;
pub mod merkle;
pub mod message;
pub mod refusal;

pub use intent::{IntentError, PayoutIntent};
pub use merkle::TreeHead;
pub use message::{
    ClassEvidence, Description, Evidence, EvidenceClass, Request, Response, SignRequest,
    SignedTransaction,
};
pub use refusal::RefusalTag;
