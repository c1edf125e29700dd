//! What the signer remembers for ever: records, appended before their effect leaves, and the head.
//!
//! Records are Borsh. A variant or field that has shipped never changes; new ones go to the end.

use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{AccountId, DeploymentId, FeeRate, KeyId, Outpoint, Sats, Txid, WithdrawalId};
use signer_protocol::{ClassEvidence, TreeHead};

use crate::{clock::Moment, descriptor::Keychain, governor::Levels};

/// One entry of the signer's own journal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Always the first: whose memory this is.
    Founded {
        /// The installation.
        deployment: DeploymentId,
    },
    /// Before a signature: the transaction, what it pays and what it costs of the limit.
    Reserved(Reservation),
    /// After a signature, before it leaves.
    Signed {
        /// The transaction.
        txid: Txid,
        /// With its witnesses, in consensus encoding.
        transaction: Vec<u8>,
        /// When.
        at: Moment,
    },
    /// Nothing is signed any more.
    Halted {
        /// Why, in the words of whoever halted it.
        reason: String,
        /// When.
        at: Moment,
    },
    /// The halt is over.
    Resumed {
        /// When.
        at: Moment,
    },
    /// Somebody vouched for the wall clock, which may have gone back.
    WallAccepted {
        /// When; its wall clock counts from here on.
        at: Moment,
    },
    /// A customer's key entered the list; its cool-down begins.
    KeyAdded {
        /// Whose.
        account: AccountId,
        /// The Ed25519 key.
        key: KeyId,
        /// When.
        at: Moment,
    },
    /// A customer's key left the list.
    KeyRemoved {
        /// Whose.
        account: AccountId,
        /// The Ed25519 key.
        key: KeyId,
        /// When.
        at: Moment,
    },
}

/// What moving the gap of change on must cost, on the most that the transaction can weigh: the
/// least that nodes relay, 0.1 sat/vB. Source: Bitcoin Core 30, `DEFAULT_MIN_RELAY_TX_FEE`.
pub const LEAST_FEE_RATE: FeeRate = FeeRate::from_sat_per_kwu(25);

/// A transaction that was examined and counted, and may therefore be signed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reservation {
    /// Its id, which the signatures do not change.
    pub txid: Txid,
    /// Without witnesses, in consensus encoding.
    pub unsigned: Vec<u8>,
    /// What each input spends.
    pub inputs: Vec<OwnInput>,
    /// What each external output pays.
    pub payments: Vec<Payment>,
    /// What it pays the network.
    pub fee: Sats,
    /// The outpoint by which its fee is counted: it spends it, and so does every replacement.
    pub fee_pin: Outpoint,
    /// The highest index of its change, where it costs the outer bucket at least
    /// [`LEAST_FEE_RATE`]: the gap of change counts from the highest of these.
    pub change: Option<u32>,
    /// What the buckets held afterwards, at [`Reservation::at`].
    pub levels: Levels,
    /// The journal's shard and entry that authorised it, as the server says.
    pub journal: (u16, u64),
    /// When.
    pub at: Moment,
}

/// A coin of our own that is spent, as proven by the examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnInput {
    /// The branch of its script.
    pub keychain: Keychain,
    /// The index of its script.
    pub index: u32,
    /// What it holds.
    pub amount: Sats,
    /// Whether the PSBT names SIGHASH ALL for a taproot input, which adds a byte; else DEFAULT.
    /// For segwit v0 always true.
    pub sighash_all: bool,
}

/// One external output and the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payment {
    /// The output's number.
    pub output: u32,
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// What it pays.
    pub amount: Sats,
    /// The canonical bytes of the intent.
    pub intent: Vec<u8>,
    /// What was shown for it.
    pub class: ClassEvidence,
    /// The outpoint that every transaction naming the withdrawal must spend.
    pub pin: Outpoint,
}

/// What changes often and may be overwritten: kept apart from the records.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Head {
    /// How many records there were when it was stored.
    pub records: u64,
    /// The signer's time.
    pub moment: Moment,
    /// The head of each shard's journal that was witnessed last, in order of the shards.
    pub witnessed: Vec<TreeHead>,
}
