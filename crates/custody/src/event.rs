//! What has happened. Events are append-only API: a kind and version that was released keeps its
//! number, its fields and its meaning for ever; a change is a new version beside the old one. The
//! schemas stand in `schemas/events.txt`, and a test compares them.
//!
//! The encoding is Borsh (<https://borsh.io>), the same for every event.

use access::ApiKey;
use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{
    AccountId, BatchId, BlockRef, Confirmations, FeeRate, KeyId, Outpoint, Sats, Timestamp, Txid,
    WithdrawalId,
};
use signer_protocol::RefusalTag;

use crate::{
    Params,
    idempotency::Idempotency,
    incident::{Incident, Stop},
    withdrawal::{OperatorId, Verdict},
};

mod schema;

/// Why stored bytes are not an event that this release knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// No event has this kind and version: a newer release wrote the journal.
    #[error(
        "event kind {kind} version {version} is not known; run the release that wrote the journal, or a newer one"
    )]
    Unknown {
        /// The kind's number.
        kind: u16,
        /// The version of its fields.
        version: u16,
    },
    /// The body is not what the kind and version promise.
    #[error("the body of event {name} is damaged")]
    Body {
        /// The event's name.
        name: &'static str,
        /// What Borsh says.
        #[source]
        source: borsh::io::Error,
    },
}

macro_rules! events {
    ($($(#[$doc:meta])* $kind:literal v $version:literal $name:ident,)*) => {
        /// One recorded fact.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name($name),)* }

        impl Event {
            /// The number and version under which the journal stores it.
            #[must_use]
            pub const fn kind(&self) -> (u16, u16) {
                match self { $(Self::$name(_) => ($kind, $version),)* }
            }

            /// The name, as in the reference.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// The body as stored.
            ///
            /// # Errors
            ///
            /// Only where a list is longer than 32 bits can count.
            pub fn encode(&self) -> Result<Vec<u8>, borsh::io::Error> {
                match self { $(Self::$name(body) => borsh::to_vec(body),)* }
            }

            /// Reads a stored event.
            ///
            /// # Errors
            ///
            /// [`EventError`] for a kind, version or body that this release does not know.
            pub fn decode(kind: u16, version: u16, body: &[u8]) -> Result<Self, EventError> {
                match (kind, version) {
                    $(($kind, $version) => borsh::from_slice(body).map(Self::$name).map_err(
                        |source| EventError::Body { name: stringify!($name), source },
                    ),)*
                    (kind, version) => Err(EventError::Unknown { kind, version }),
                }
            }

            /// Every kind: number, version and name.
            pub const KINDS: &[(u16, u16, &'static str)] =
                &[$(($kind, $version, stringify!($name)),)*];

            /// The schema of every kind, as committed in `schemas/events.txt`.
            #[must_use]
            pub fn schemas() -> String {
                let mut schemas = schema::Schemas::default();
                $(schemas.add::<$name>($kind, $version);)*
                schemas.text()
            }
        }

        $(impl From<$name> for Event {
            fn from(body: $name) -> Self { Self::$name(body) }
        }

        impl $name {
            /// The number and version under which the journal stores it.
            pub const KIND: (u16, u16) = ($kind, $version);
        })*
    };
}

macro_rules! body {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

events! {
    /// The operator's parameters are in force.
    1 v 1 Configured,
    /// An account was opened.
    2 v 1 AccountOpened,
    /// An API key may be used.
    3 v 1 KeyRegistered,
    /// An API key may no longer be used.
    4 v 1 KeyRevoked,
    /// An account has a new deposit address.
    5 v 1 AddressAssigned,
    /// Nothing leaves an account until it is thawed.
    6 v 1 AccountFrozen,
    /// The freeze of an account was lifted.
    7 v 1 AccountThawed,
    /// A transaction that pays us was seen in the mempool; nothing is posted.
    8 v 1 TransactionSeen,
    /// A transaction that paid us left the mempool and is in no block.
    9 v 1 TransactionForgotten,
    /// A block continues the chain.
    10 v 1 BlockConnected,
    /// The newest block is no longer part of the chain.
    11 v 1 BlockDisconnected,
    /// A deposit is the customer's to trade with.
    12 v 1 DepositCredited,
    /// A credited deposit may be withdrawn.
    13 v 1 DepositMatured,
    /// A credited deposit vanished for good and was taken back.
    14 v 1 DepositReversed,
    /// A customer asked for a withdrawal; its money is held.
    15 v 1 WithdrawalRequested,
    /// A withdrawal was judged again.
    16 v 1 WithdrawalJudged,
    /// An operator approved a withdrawal.
    17 v 1 WithdrawalApproved,
    /// An operator denied a withdrawal; its hold is voided.
    18 v 1 WithdrawalDenied,
    /// The customer took a withdrawal back; its hold is voided.
    19 v 1 WithdrawalCancelled,
    /// A batch reserves coins for withdrawals.
    20 v 1 BatchBuilt,
    /// The signer refused a batch that it never signed; its withdrawals queue again.
    21 v 1 BatchRefused,
    /// The signer signed a batch.
    22 v 1 BatchSigned,
    /// The node took a batch.
    23 v 1 BatchBroadcast,
    /// A batch is final; its holds are posted.
    24 v 1 BatchSettled,
    /// A batch can never confirm.
    25 v 1 BatchFailed,
    /// The trading service settled transfers between customers.
    26 v 1 TransfersSettled,
    /// Nothing is released any more.
    27 v 1 ReleasesStopped,
    /// One reason to stop no longer holds.
    28 v 1 ReleasesResumed,
    /// Something happened that people must look at.
    29 v 1 IncidentOpened,
    /// A recognised caller was refused.
    30 v 1 RefusalRecorded,
    /// A withdrawal can never be paid, since its pin was finally spent elsewhere; its hold is
    /// voided.
    31 v 1 WithdrawalFailed,
    /// The state was saved: a start may begin with exactly these bytes, and with no others.
    32 v 1 SnapshotTaken,
}

body! {
    /// See [`Event::Configured`].
    Configured {
        /// The parameters.
        params: Params,
        /// The scripts of the first external indexes; empty but the first time.
        lookahead: Vec<Vec<u8>>,
    }
}
body! {
    /// See [`Event::AccountOpened`].
    AccountOpened {
        /// The account.
        account: AccountId,
        /// The request, so that asking twice is asking once.
        idempotency: Option<Idempotency>,
    }
}
body! {
    /// See [`Event::KeyRegistered`].
    KeyRegistered {
        /// The key, whose it is and what it may do.
        key: ApiKey,
    }
}
body! {
    /// See [`Event::KeyRevoked`].
    KeyRevoked {
        /// The key.
        key: KeyId,
    }
}
body! {
    /// See [`Event::AddressAssigned`].
    AddressAssigned {
        /// Whose address.
        account: AccountId,
        /// Its index on the external keychain.
        index: u32,
        /// The script of the index that is watched from now on, one gap ahead.
        lookahead: Vec<u8>,
        /// The request, so that asking twice is asking once.
        idempotency: Option<Idempotency>,
    }
}
body! {
    /// See [`Event::AccountFrozen`].
    AccountFrozen {
        /// The account.
        account: AccountId,
        /// Who asked; 0 is Strongroom itself.
        by: OperatorId,
    }
}
body! {
    /// See [`Event::AccountThawed`].
    AccountThawed {
        /// The account.
        account: AccountId,
        /// Who asked.
        by: OperatorId,
    }
}
body! {
    /// See [`Event::TransactionSeen`].
    TransactionSeen {
        /// What touches us.
        transaction: OurTransaction,
    }
}
body! {
    /// See [`Event::TransactionForgotten`].
    TransactionForgotten {
        /// The transaction.
        txid: Txid,
    }
}
body! {
    /// See [`Event::BlockConnected`].
    BlockConnected {
        /// The block.
        block: BlockRef,
        /// Work of the chain up to it: 256 bits, most significant byte first.
        work: [u8; 32],
        /// Its transactions that touch us, in the block's order.
        transactions: Vec<OurTransaction>,
        /// Transactions that paid deposits, and that a transaction of this block made impossible.
        conflicts: Vec<Txid>,
    }
}
body! {
    /// See [`Event::BlockDisconnected`].
    BlockDisconnected {
        /// The block.
        block: BlockRef,
    }
}
body! {
    /// See [`Event::DepositCredited`].
    DepositCredited {
        /// The deposit's output.
        deposit: Outpoint,
        /// The confirmations that its value needed.
        required: Confirmations,
        /// What of it pays back what the customer owed.
        repaid: Sats,
    }
}
body! {
    /// See [`Event::DepositMatured`].
    DepositMatured {
        /// The deposit's output.
        deposit: Outpoint,
    }
}
body! {
    /// See [`Event::DepositReversed`].
    DepositReversed {
        /// The deposit's output.
        deposit: Outpoint,
        /// Withdrawals not yet batched that were cancelled to cover it.
        cancelled: Vec<WithdrawalId>,
        /// What the available balance covers after that.
        from_available: Sats,
        /// What remains as a claim on the customer.
        claim: Sats,
    }
}
body! {
    /// See [`Event::WithdrawalRequested`].
    WithdrawalRequested {
        /// The canonical bytes of the payout intent.
        intent: Vec<u8>,
        /// The key that asked, if the customer has one.
        key: Option<KeyId>,
        /// The customer's signature over the intent's hash, if there is one.
        signature: Option<[u8; 64]>,
        /// What policy said.
        verdict: Verdict,
    }
}
body! {
    /// See [`Event::WithdrawalJudged`].
    WithdrawalJudged {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// What policy said.
        verdict: Verdict,
    }
}
body! {
    /// See [`Event::WithdrawalApproved`].
    WithdrawalApproved {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// Who approved.
        by: OperatorId,
        /// When it may be batched, if this approval completes the quorum.
        releases_at: Option<Timestamp>,
    }
}
body! {
    /// See [`Event::WithdrawalDenied`].
    WithdrawalDenied {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// Who denied.
        by: OperatorId,
    }
}
body! {
    /// See [`Event::WithdrawalCancelled`].
    WithdrawalCancelled {
        /// The withdrawal.
        withdrawal: WithdrawalId,
    }
}
body! {
    /// See [`Event::BatchBuilt`].
    BatchBuilt {
        /// The batch.
        batch: BatchId,
        /// The unsigned transaction in consensus encoding; segwit inputs only, so that its id stays.
        transaction: Vec<u8>,
        /// Its id.
        txid: Txid,
        /// The coins that it spends, in the order of its inputs; the first pins what is new.
        inputs: Vec<Outpoint>,
        /// The withdrawals that it pays, with their outputs.
        payouts: Vec<Payout>,
        /// The output that comes back to us.
        change: Option<Change>,
        /// The network's fee.
        fee: Sats,
        /// The rate that was asked for.
        fee_rate: FeeRate,
    }
}
body! {
    /// See [`Event::BatchRefused`].
    BatchRefused {
        /// The batch.
        batch: BatchId,
        /// The signer's tag.
        tag: RefusalTag,
        /// When its withdrawals may be batched again.
        releases_at: Timestamp,
    }
}
body! {
    /// See [`Event::BatchSigned`].
    BatchSigned {
        /// The batch.
        batch: BatchId,
        /// The transaction with its witnesses, in consensus encoding.
        transaction: Vec<u8>,
    }
}
body! {
    /// See [`Event::BatchBroadcast`].
    BatchBroadcast {
        /// The batch.
        batch: BatchId,
    }
}
body! {
    /// See [`Event::BatchSettled`].
    BatchSettled {
        /// The batch.
        batch: BatchId,
    }
}
body! {
    /// See [`Event::BatchFailed`].
    BatchFailed {
        /// The batch.
        batch: BatchId,
        /// The inputs that will never exist again.
        dead: Vec<Outpoint>,
        /// When withdrawals whose pin lives may be batched again.
        releases_at: Timestamp,
    }
}
body! {
    /// See [`Event::TransfersSettled`].
    TransfersSettled {
        /// The trading service's own id of the settlement.
        settlement: [u8; 16],
        /// The hash of its content.
        fingerprint: [u8; 32],
        /// The service's key.
        key: KeyId,
        /// From whom, to whom, how much; in order.
        transfers: Vec<CustomerTransfer>,
    }
}
body! {
    /// See [`Event::ReleasesStopped`].
    ReleasesStopped {
        /// Why.
        stop: Stop,
    }
}
body! {
    /// See [`Event::ReleasesResumed`].
    ReleasesResumed {
        /// Which reason no longer holds.
        stop: Stop,
        /// Who says so.
        by: OperatorId,
    }
}
body! {
    /// See [`Event::IncidentOpened`].
    IncidentOpened {
        /// What happened.
        incident: Incident,
    }
}
body! {
    /// See [`Event::RefusalRecorded`].
    RefusalRecorded {
        /// Who asked, if recognised by a key.
        key: Option<KeyId>,
        /// What was asked.
        command: String,
        /// The rule that said no.
        rule: String,
    }
}
body! {
    /// See [`Event::WithdrawalFailed`].
    WithdrawalFailed {
        /// The withdrawal.
        withdrawal: WithdrawalId,
    }
}
body! {
    /// See [`Event::SnapshotTaken`].
    SnapshotTaken {
        /// The last entry whose event is in the state.
        seq: u64,
        /// The version of the state's encoding.
        state_version: u32,
        /// SHA-256 of the state's bytes, as [`Custody::digest`](crate::Custody::digest) has it.
        digest: [u8; 32],
    }
}
body! {
    /// A withdrawal and the output that pays it.
    Payout {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// The output's number.
        vout: u32,
    }
}
body! {
    /// The output of a batch that comes back to us.
    Change {
        /// The output's number.
        vout: u32,
        /// Its index on the internal keychain.
        index: u32,
        /// Its script.
        script: Vec<u8>,
        /// Its value.
        value: Sats,
    }
}
body! {
    /// Money that changes hands between two customers.
    CustomerTransfer {
        /// Who pays.
        from: AccountId,
        /// Who receives.
        to: AccountId,
        /// How much.
        amount: Sats,
    }
}
body! {
    /// What of a transaction touches us.
    OurTransaction {
        /// The transaction.
        txid: Txid,
        /// Our coins that it spends.
        spends: Vec<Outpoint>,
        /// What it pays to our scripts.
        receipts: Vec<Receipt>,
        /// All its inputs, where it pays a deposit: whoever spends one makes the deposit impossible.
        inputs: Vec<Outpoint>,
        /// Whether it is a block's reward, which cannot be spent for 100 blocks.
        coinbase: bool,
    }
}
body! {
    /// One output to one of our scripts.
    Receipt {
        /// The output's number.
        vout: u32,
        /// Its value.
        value: Sats,
        /// Which of our scripts.
        watched: Watched,
    }
}

/// A script of ours.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum Watched {
    /// The external keychain: deposit addresses, handed out or not yet.
    External(u32),
    /// The internal keychain: change.
    Internal(u32),
}

#[cfg(test)]
mod tests;
