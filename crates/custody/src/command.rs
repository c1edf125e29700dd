//! What can be asked of the core.

use std::sync::Arc;

use access::{Authenticated, Principal, Scopes};
use bitcoin::{Block, Transaction};
use primitives::{AccountId, BatchId, BlockRef, KeyId, Timestamp, Txid, WithdrawalId};
use signer_protocol::RefusalTag;

use crate::{
    Params, Settlement, WithdrawalRequest, event::SnapshotTaken, idempotency::Idempotency,
    incident::Stop, payout::Assembly, withdrawal::OperatorId,
};

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })? = $id:literal,)*) => {
        /// One command. Clock and randomness enter only here.
        #[derive(Debug)]
        pub enum Command {
            $($(#[$doc])* $name $({ $($(#[$field_doc])* $field: $type,)* })?,)*
        }

        impl Command {
            /// The stable name, as in the audit log.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $id,)* }
            }
        }
    };
}

commands! {
    /// Put parameters in force.
    Configure {
        /// The parameters.
        params: Box<Params>,
    } = "configure",
    /// Open an account.
    OpenAccount {
        /// So that asking twice is asking once.
        idempotency: Option<Idempotency>,
    } = "open-account",
    /// Let a key be used.
    RegisterKey {
        /// The key.
        key: KeyId,
        /// Who uses it.
        principal: Principal,
        /// What it may do.
        scopes: Scopes,
        /// When it ends, if ever.
        expires: Option<Timestamp>,
    } = "register-key",
    /// Let a key be used no longer.
    RevokeKey {
        /// The key.
        key: KeyId,
    } = "revoke-key",
    /// Give an account a new deposit address.
    AssignAddress {
        /// Who asks.
        asked: Authenticated<Option<Idempotency>>,
    } = "assign-address",
    /// Let nothing leave an account.
    FreezeAccount {
        /// The account.
        account: AccountId,
        /// Who asks.
        by: OperatorId,
    } = "freeze-account",
    /// Lift the freeze of an account.
    ThawAccount {
        /// The account.
        account: AccountId,
        /// Who asks.
        by: OperatorId,
    } = "thaw-account",
    /// Ask for a withdrawal.
    RequestWithdrawal {
        /// Who asks for what.
        asked: Authenticated<WithdrawalRequest>,
    } = "request-withdrawal",
    /// Take a withdrawal back.
    CancelWithdrawal {
        /// Who asks for which.
        asked: Authenticated<WithdrawalId>,
    } = "cancel-withdrawal",
    /// Approve a withdrawal in review.
    ApproveWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// Who.
        by: OperatorId,
    } = "approve-withdrawal",
    /// Deny a withdrawal in review.
    DenyWithdrawal {
        /// Which.
        withdrawal: WithdrawalId,
        /// Who.
        by: OperatorId,
    } = "deny-withdrawal",
    /// Post transfers between customers.
    SettleTransfers {
        /// Who asks for what.
        asked: Authenticated<Settlement>,
    } = "settle-transfers",
    /// Build a batch from what is ready.
    AssembleBatch {
        /// Fee rate, the signer's limit, randomness.
        assembly: Assembly,
    } = "assemble-batch",
    /// The signer signed.
    RecordSigned {
        /// The batch.
        batch: BatchId,
        /// The transaction with its witnesses.
        transaction: Vec<u8>,
    } = "record-signed",
    /// The signer refused.
    RecordRefused {
        /// The batch.
        batch: BatchId,
        /// Its tag.
        tag: RefusalTag,
    } = "record-refused",
    /// The node took a batch.
    RecordBroadcast {
        /// The batch.
        batch: BatchId,
    } = "record-broadcast",
    /// A block continues the chain.
    ConnectBlock {
        /// Its place.
        at: BlockRef,
        /// Work of the chain up to it, by the follower's sum: 256 bits, most significant byte first.
        work: [u8; 32],
        /// The block, checked by the follower.
        block: Arc<Block>,
    } = "connect-block",
    /// The newest block is no longer part of the chain.
    DisconnectBlock {
        /// The block.
        block: BlockRef,
    } = "disconnect-block",
    /// A transaction is in the mempool.
    SeeTransaction {
        /// The transaction.
        transaction: Arc<Transaction>,
    } = "see-transaction",
    /// A transaction is no longer in the mempool, and in no block.
    ForgetTransaction {
        /// Its id.
        txid: Txid,
    } = "forget-transaction",
    /// Do what follows from the newest block; ask again until nothing follows.
    Advance = "advance",
    /// Do what follows from the time.
    Tick = "tick",
    /// Compare coins and books; releases stop where they differ.
    Reconcile = "reconcile",
    /// Release nothing any more.
    StopReleases {
        /// Why.
        stop: Stop,
    } = "stop-releases",
    /// Lift one reason to stop.
    ResumeReleases {
        /// Which.
        stop: Stop,
        /// Who says so.
        by: OperatorId,
    } = "resume-releases",
    /// The state was saved, so that a later start may begin with it.
    RecordSnapshot {
        /// Which state, and its digest.
        taken: SnapshotTaken,
    } = "record-snapshot",
}
