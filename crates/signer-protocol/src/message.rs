//! Versioned messages between server and signer, and their frames.
//!
//! A frame is the length of its body as u32 (little endian), then the body: the protocol version
//! as u16 and the Borsh encoding of a [`Request`] or [`Response`]. Reading and writing sockets is
//! the work of the two processes; here are only bytes.

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{AccountId, DeploymentId, KeyId, Network, Sats, WithdrawalId};

use crate::{RefusalTag, TreeHead};

/// The version that both sides must speak.
pub const PROTOCOL_VERSION: u16 = 1;
/// The largest body of a frame, in bytes: a full batch with its previous transactions.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

/// Keys that may be asked about at once: one for each payout of the largest batch.
pub const KEYS_ASKED_MAX: usize = 10_000;

/// What the signer holds for one external output; each class has its own bucket.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum EvidenceClass {
    /// The customer's own key, in the signer's own list, signed the payout intent.
    CustomerSigned,
    /// The server's word only.
    ServerVouched,
}

impl EvidenceClass {
    /// Every class.
    pub const ALL: [Self; 2] = [Self::CustomerSigned, Self::ServerVouched];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomerSigned => "customer-signed",
            Self::ServerVouched => "server-vouched",
        }
    }
}

/// What the server shows for the class that it claims.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub enum ClassEvidence {
    /// A customer's Ed25519 signature over the hash of the intent.
    CustomerSigned {
        /// The customer's key.
        key: KeyId,
        /// The signature (RFC 8032).
        signature: [u8; 64],
    },
    /// Nothing but the server's word.
    ServerVouched,
}

impl ClassEvidence {
    /// The class that is claimed.
    #[must_use]
    pub const fn class(&self) -> EvidenceClass {
        match self {
            Self::CustomerSigned { .. } => EvidenceClass::CustomerSigned,
            Self::ServerVouched => EvidenceClass::ServerVouched,
        }
    }
}

/// The withdrawal behind one external output.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct Evidence {
    /// The output's number in the transaction.
    pub output: u32,
    /// The withdrawal's id; the signer derives it again from the intent.
    pub withdrawal: WithdrawalId,
    /// The canonical bytes of the payout intent.
    pub intent: Vec<u8>,
    /// What is shown for it.
    pub class: ClassEvidence,
}

/// A batch that the server wants signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct SignRequest {
    /// The PSBT (BIP-174, version 0).
    pub psbt: Vec<u8>,
    /// One for each external output.
    pub evidence: Vec<Evidence>,
    /// The journal's shard whose entry authorises the batch.
    pub shard: u16,
    /// The sequence number of that entry; the signer must have witnessed a head of this size.
    pub journal_seq: u64,
}

/// What the server asks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub enum Request {
    /// Who are you, and how do you stand?
    Describe,
    /// Which head of this shard's journal have you witnessed?
    WitnessedHead {
        /// The shard.
        shard: u16,
    },
    /// Witness this head; the proof (RFC 6962, 2.1.2) shows that it continues the last one.
    WitnessHead {
        /// The new head.
        head: TreeHead,
        /// The consistency proof from the head that was witnessed last; empty for the first.
        proof: Vec<[u8; 32]>,
    },
    /// Examine and sign a batch.
    Sign(SignRequest),
    /// Which of these customers' keys would you take as evidence now?
    UsableKeys {
        /// Accounts and keys, at most [`KEYS_ASKED_MAX`].
        keys: Vec<(AccountId, KeyId)>,
    },
}

/// A token bucket as the signer sees it now: `left` of `capacity`, refilled by `refill_per_hour`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct BucketView {
    /// `outer`, or the name of an evidence class.
    pub name: String,
    /// The most that it can hold.
    pub capacity: Sats,
    /// What it holds now.
    pub left: Sats,
    /// What flows back in an hour.
    pub refill_per_hour: Sats,
}

/// What the signer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct Description {
    /// The protocol that it speaks.
    pub protocol: u16,
    /// The installation.
    pub deployment: DeploymentId,
    /// The network.
    pub network: Network,
    /// The public multipath descriptor of the hot wallet (BIP-380, BIP-389), with checksum.
    pub descriptor: String,
    /// How far above the highest index that it has spent an input may lie on the external keychain.
    pub gap_external: u32,
    /// Why it is halted, if it is.
    pub halted: Option<String>,
    /// Whether it runs without a witness and is therefore evaluation-grade.
    pub evaluation_grade: bool,
    /// The outer bucket first, then one for each evidence class.
    pub buckets: Vec<BucketView>,
    /// Every external satoshi and fee ever signed.
    pub signed_total: Sats,
    /// Transactions ever signed.
    pub signed_transactions: u64,
}

/// A signed batch.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub struct SignedTransaction {
    /// The transaction with its witnesses, in consensus encoding.
    pub transaction: Vec<u8>,
    /// Whether these bytes had been signed before and were only looked up.
    pub repeated: bool,
}

/// What the signer answers.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub enum Response {
    /// To [`Request::Describe`].
    Description(Description),
    /// To [`Request::WitnessedHead`] and [`Request::WitnessHead`].
    Witnessed {
        /// The last head witnessed, if any.
        head: Option<TreeHead>,
    },
    /// To [`Request::Sign`].
    Signed(SignedTransaction),
    /// A named no. Nothing was reserved and nothing signed by this request.
    Refused {
        /// The rule that said no.
        tag: RefusalTag,
        /// What was examined, what was found, what to do.
        detail: String,
    },
    /// Something broke inside the signer; the outcome of the request is unknown.
    Fault {
        /// For the operator.
        detail: String,
    },
    /// To [`Request::UsableKeys`]: whether each is listed for its account and has cooled down.
    UsableKeys {
        /// In the order that was asked.
        usable: Vec<bool>,
    },
}

/// Why the bytes of a frame's body are not a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The other side speaks another version.
    #[error(
        "protocol version {found}, this side speaks {PROTOCOL_VERSION}; run the same release on both sides"
    )]
    Version {
        /// The version that was found.
        found: u16,
    },
    /// A body larger than [`FRAME_BYTES_MAX`].
    #[error("a message of {found} bytes, at most {FRAME_BYTES_MAX} are accepted")]
    TooLarge {
        /// The size that was found.
        found: usize,
    },
    /// The body is not a message.
    #[error("unreadable message")]
    Unreadable(#[source] borsh::io::Error),
}

/// The frame of one message: length, version, body.
///
/// # Errors
///
/// [`MessageError::TooLarge`] above [`FRAME_BYTES_MAX`].
pub fn encode_frame<M: BorshSerialize>(message: &M) -> Result<Vec<u8>, MessageError> {
    let body = borsh::to_vec(&(PROTOCOL_VERSION, message)).map_err(MessageError::Unreadable)?;
    let too_large = MessageError::TooLarge { found: body.len() };
    let length = match u32::try_from(body.len()) {
        Ok(length) if body.len() <= FRAME_BYTES_MAX => length,
        _ => return Err(too_large),
    };
    Ok([&length.to_le_bytes(), body.as_slice()].concat())
}

/// The size of the body that the first four bytes of a frame announce.
///
/// # Errors
///
/// [`MessageError::TooLarge`] above [`FRAME_BYTES_MAX`].
pub fn body_length(prefix: [u8; 4]) -> Result<usize, MessageError> {
    let found = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if found > FRAME_BYTES_MAX { Err(MessageError::TooLarge { found }) } else { Ok(found) }
}

/// Reads the body of a frame.
///
/// # Errors
///
/// [`MessageError`] for another version or bytes that are no message.
pub fn decode_body<M: BorshDeserialize>(body: &[u8]) -> Result<M, MessageError> {
    let mut rest = body;
    let found = u16::deserialize(&mut rest).map_err(MessageError::Unreadable)?;
    if found != PROTOCOL_VERSION {
        return Err(MessageError::Version { found });
    }
    borsh::from_slice(rest).map_err(MessageError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_frame() {
        let request = Request::WitnessedHead { shard: 3 };
        let frame = encode_frame(&request).unwrap();
        let (prefix, body) = frame.split_first_chunk().unwrap();
        assert_eq!(body_length(*prefix).unwrap(), body.len());
        assert_eq!(decode_body::<Request>(body).unwrap(), request);
    }

    #[test]
    fn another_version_is_refused_before_anything_is_read() {
        let body = borsh::to_vec(&(PROTOCOL_VERSION + 1, Request::Describe)).unwrap();
        assert!(matches!(decode_body::<Request>(&body), Err(MessageError::Version { found: 2 })));
        assert!(matches!(
            body_length([0xff; 4]),
            Err(MessageError::TooLarge { found: 0xffff_ffff })
        ));
        assert!(decode_body::<Request>(&[1, 0, 200]).is_err());
        assert!(decode_body::<Request>(&[1]).is_err());
    }
}
