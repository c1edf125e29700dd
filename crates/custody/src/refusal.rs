//! Named refusals: expected, for a person, HTTP 4xx, recorded. An id is API and never changes its
//! meaning; `docs/reference/refusals.md` has a row for each, and a test compares the two.

use primitives::{AccountId, BatchId, BlockRef, KeyId, Sats, Timestamp, WithdrawalId};

use crate::incident::Stop;

/// Why a command was refused. Nothing changed. In order of precedence: of two that one command
/// meets, the first is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing is configured yet.
    #[error("nothing is configured; the first command of a journal sets the parameters")]
    NotConfigured,
    /// Parameters that cannot work.
    #[error("{reason}")]
    ParametersWrong {
        /// What is wrong.
        reason: &'static str,
    },
    /// Parameters of another installation.
    #[error(
        "network, deployment, descriptor and start block belong to the journal; this one was begun with others"
    )]
    AnotherInstallation,
    /// A hot descriptor that cannot be used.
    #[error("the hot descriptor cannot be used: {reason}")]
    DescriptorWrong {
        /// What is wrong.
        reason: String,
    },
    /// No such account.
    #[error("no account {account}")]
    AccountUnknown {
        /// The account.
        account: AccountId,
    },
    /// The account is not frozen.
    #[error("account {account} is not frozen")]
    AccountNotFrozen {
        /// The account.
        account: AccountId,
    },
    /// The key belongs to somebody already.
    #[error("key {key} is registered already; a key serves one principal, once")]
    KeyKnown {
        /// The key.
        key: KeyId,
    },
    /// The key cannot be used as asked.
    #[error("{reason}")]
    KeyUnusable {
        /// What is wrong.
        reason: String,
    },
    /// No such key.
    #[error("no key {key}")]
    KeyUnknown {
        /// The key.
        key: KeyId,
    },
    /// No such withdrawal, or not the caller's.
    #[error("no withdrawal {withdrawal}")]
    WithdrawalUnknown {
        /// The withdrawal.
        withdrawal: WithdrawalId,
    },
    /// The caller's key may not do this.
    #[error("this key lacks the scope `{scope}`")]
    ScopeMissing {
        /// The scope that is needed.
        scope: &'static str,
    },
    /// The caller is not a customer, or not this one.
    #[error("the signing key does not belong to {account}")]
    NotYourAccount {
        /// The account that was named.
        account: AccountId,
    },
    /// The key of the request was revoked or has ended since the request was recognised.
    #[error("key {key} is revoked or has ended; use another key")]
    KeyRevoked {
        /// The key.
        key: KeyId,
    },
    /// The idempotency key was used with another request.
    #[error("this idempotency key was used before with another request; take a new key")]
    IdempotencyKeyReused,
    /// There can be no more accounts or addresses.
    #[error("the numbers of {what} are used up")]
    NumbersExhausted {
        /// `accounts` or `addresses`.
        what: &'static str,
    },
    /// The account has as many addresses as one account may have.
    #[error(
        "{account} has {max} deposit addresses, the most that one account may have; use one of these again"
    )]
    AddressesEnough {
        /// The account.
        account: AccountId,
        /// The most.
        max: u32,
    },
    /// The signer would refuse to spend what arrives there.
    #[error(
        "the next address is number {index}, and the signer spends none from {end} on; widen gap.external in signer.toml, restart both, or have older addresses paid and spent first"
    )]
    AddressGap {
        /// The index of the address.
        index: u32,
        /// The first index that is too far for the signer.
        end: u32,
    },
    /// The intent cannot be read.
    #[error("the payout intent cannot be read: {reason}")]
    IntentUnreadable {
        /// What is wrong.
        reason: String,
    },
    /// The intent is for another network or deployment.
    #[error("the payout intent is for another network or deployment")]
    IntentElsewhere,
    /// The intent's last second has passed.
    #[error("the payout intent ended at {not_after}, it is {now}; sign a new one")]
    IntentExpired {
        /// Its last second.
        not_after: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// The intent is valid for too long.
    #[error("the payout intent ends at {not_after}, more than 72 hours after {now}")]
    IntentTooLong {
        /// Its last second.
        not_after: Timestamp,
        /// The time now.
        now: Timestamp,
    },
    /// Too little to pay out.
    #[error("{amount} is below the smallest withdrawal of {min}")]
    AmountBelowMinimum {
        /// What was asked.
        amount: Sats,
        /// The smallest.
        min: Sats,
    },
    /// The fee in the intent is too small.
    #[error("the intent offers a fee of {fee}, a withdrawal costs {quote}; sign a new intent")]
    FeeBelowQuote {
        /// What the intent offers.
        fee: Sats,
        /// What it costs.
        quote: Sats,
    },
    /// The fee in the intent looks like a slip.
    #[error("the intent offers a fee of {fee}, at most {max} is taken; sign a new intent")]
    FeeAboveMaximum {
        /// What the intent offers.
        fee: Sats,
        /// The most that is taken.
        max: Sats,
    },
    /// The script cannot be paid.
    #[error("the script is no standard payment script (P2PKH, P2SH, P2WPKH, P2WSH, P2TR)")]
    DestinationScript,
    /// The customer's signature over the intent is wrong.
    #[error("the signature over the payout intent does not verify with the key of the request")]
    IntentSignature,
    /// The withdrawal is past the point where this can be done.
    #[error("withdrawal {withdrawal} is {state}; {asked} is not possible any more")]
    WithdrawalState {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// Its state.
        state: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// Nothing leaves the account.
    #[error("account {account} is frozen; an operator thaws it")]
    AccountFrozen {
        /// The account.
        account: AccountId,
    },
    /// The operator has approved already.
    #[error("operator {operator} has already approved {withdrawal}; review needs different people")]
    AlreadyApproved {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// The operator's number.
        operator: u32,
    },
    /// Not enough money.
    #[error("{asked} asked, {available} available")]
    FundsInsufficient {
        /// Amount and fee.
        asked: Sats,
        /// What the account has.
        available: Sats,
    },
    /// Enough money, but a part of it may not be withdrawn yet.
    #[error("{asked} asked, {withdrawable} may be withdrawn now; the rest waits for confirmations")]
    FundsMaturing {
        /// Amount and fee.
        asked: Sats,
        /// What may be withdrawn.
        withdrawable: Sats,
    },
    /// This stop is not in force.
    #[error("releases are not stopped by: {stop}")]
    NotStopped {
        /// The stop that was named.
        stop: Stop,
    },
    /// Nothing is released.
    #[error("releases are stopped: {stop}")]
    ReleasesStopped {
        /// Why.
        stop: Stop,
    },
    /// A batch is under way that must come first.
    #[error("{batch} is not signed yet; one batch at a time")]
    BatchUnderWay {
        /// The batch.
        batch: BatchId,
    },
    /// The network asks for more than the operator pays.
    #[error("a fee rate of {asked} sat/kwu is above the maximum of {max} sat/kwu")]
    FeeRateAboveMaximum {
        /// What was asked, in sat/kwu.
        asked: u64,
        /// The most, in sat/kwu.
        max: u64,
    },
    /// Nothing to pay.
    #[error("no withdrawal is ready to be paid")]
    NothingToPay,
    /// The hot tier cannot pay now, or the signer may not.
    #[error(
        "{needed} and the network's fee do not fit into the {spendable} that hot coins and signer allow now; replenish the hot tier, or wait for confirmations or for the signer's limit"
    )]
    CoinsInsufficient {
        /// The first payout that does not fit.
        needed: Sats,
        /// What coins and signer allow, whichever is less.
        spendable: Sats,
    },
    /// No such batch.
    #[error("no batch {batch}")]
    BatchUnknown {
        /// The batch.
        batch: BatchId,
    },
    /// A reorg took a coin that the batch spends.
    #[error(
        "{batch} spends {coin}, which the chain does not have now; it waits until a block carries the coin again, or until people freeze and book the difference"
    )]
    CoinGone {
        /// The batch.
        batch: BatchId,
        /// The coin.
        coin: primitives::Outpoint,
    },
    /// What came back is not what was asked.
    #[error("the signer returned another transaction than {batch}: {reason}")]
    BatchAltered {
        /// The batch.
        batch: BatchId,
        /// What is different.
        reason: String,
    },
    /// The batch is in another state.
    #[error("{batch} is {state}; {asked} is not possible")]
    BatchState {
        /// The batch.
        batch: BatchId,
        /// Its state.
        state: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// The signer's refusal does not prove that it never signed the batch.
    #[error("{tag} does not prove that {batch} was never signed; it stays as it is")]
    BatchMayBeSigned {
        /// The batch.
        batch: BatchId,
        /// The signer's tag.
        tag: &'static str,
    },
    /// The block does not continue the chain.
    #[error("block {block} does not continue {tip}")]
    BlockNotNext {
        /// The block that was given.
        block: BlockRef,
        /// The newest block.
        tip: BlockRef,
    },
    /// What the block carries cannot be, by what is known of our own coins.
    #[error(
        "block {block} cannot be: {reason}; the node is damaged or lies: compare its chain with another node's"
    )]
    BlockImpossible {
        /// The block that was given.
        block: BlockRef,
        /// What cannot be.
        reason: String,
    },
    /// Only the newest block can be disconnected.
    #[error("block {block} is not the tip {tip}")]
    BlockNotTip {
        /// The block that was given.
        block: BlockRef,
        /// The newest block.
        tip: BlockRef,
    },
    /// The reorg goes deeper than is remembered.
    #[error(
        "the chain was replaced below {tip}, deeper than 100 blocks; people must decide: see the runbook `deep-reorg`"
    )]
    ReorgTooDeep {
        /// The oldest block that is remembered.
        tip: BlockRef,
    },
    /// An empty or too long settlement.
    #[error("a settlement has 1 to {max} transfers, found {found}")]
    SettlementSize {
        /// The most.
        max: usize,
        /// What was given.
        found: usize,
    },
    /// The settlement's id was used with another content.
    #[error("this settlement id was used before with another content")]
    SettlementReused,
    /// A transfer of the settlement cannot be made; none was made.
    #[error("transfer {number} of the settlement: {reason}; nothing of it was posted")]
    SettlementTransfer {
        /// Counted from 0.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// No such state can have been saved.
    #[error(
        "the state after entry {seq} cannot have been saved in version {version}: the journal has {size} entries, and this release writes version {}",
        crate::STATE_VERSION
    )]
    SnapshotImpossible {
        /// The last entry in the state.
        seq: u64,
        /// The version of its encoding.
        version: u32,
        /// Entries in the journal.
        size: u64,
    },
}

macro_rules! ids {
    ($($name:ident $fields:tt => $id:literal $status:literal,)*) => {
        impl Refusal {
            /// Every id, in order of precedence.
            pub const IDS: &[&'static str] = &[$($id,)*];

            /// The stable name.
            #[must_use]
            pub const fn id(&self) -> &'static str {
                match self { $(Self::$name $fields => $id,)* }
            }

            /// The HTTP status with which it is answered.
            #[must_use]
            pub const fn status(&self) -> u16 {
                match self { $(Self::$name $fields => $status,)* }
            }
        }
    };
}

ids! {
    NotConfigured {} => "not-configured" 409,
    ParametersWrong { .. } => "parameters-wrong" 422,
    AnotherInstallation {} => "another-installation" 409,
    DescriptorWrong { .. } => "descriptor-wrong" 422,
    AccountUnknown { .. } => "account-unknown" 404,
    AccountNotFrozen { .. } => "account-not-frozen" 409,
    KeyKnown { .. } => "key-known" 409,
    KeyUnusable { .. } => "key-unusable" 422,
    KeyUnknown { .. } => "key-unknown" 404,
    WithdrawalUnknown { .. } => "withdrawal-unknown" 404,
    ScopeMissing { .. } => "scope-missing" 403,
    NotYourAccount { .. } => "not-your-account" 403,
    KeyRevoked { .. } => "key-revoked" 403,
    IdempotencyKeyReused {} => "idempotency-key-reused" 422,
    NumbersExhausted { .. } => "numbers-exhausted" 409,
    AddressesEnough { .. } => "addresses-enough" 409,
    AddressGap { .. } => "address-gap" 409,
    IntentUnreadable { .. } => "intent-unreadable" 422,
    IntentElsewhere {} => "intent-elsewhere" 422,
    IntentExpired { .. } => "intent-expired" 422,
    IntentTooLong { .. } => "intent-too-long" 422,
    AmountBelowMinimum { .. } => "amount-below-minimum" 422,
    FeeBelowQuote { .. } => "fee-below-quote" 422,
    FeeAboveMaximum { .. } => "fee-above-maximum" 422,
    DestinationScript {} => "destination-script" 422,
    IntentSignature {} => "intent-signature" 403,
    WithdrawalState { .. } => "withdrawal-state" 409,
    AccountFrozen { .. } => "account-frozen" 403,
    AlreadyApproved { .. } => "already-approved" 409,
    FundsInsufficient { .. } => "funds-insufficient" 422,
    FundsMaturing { .. } => "funds-maturing" 422,
    NotStopped { .. } => "not-stopped" 409,
    ReleasesStopped { .. } => "releases-stopped" 409,
    BatchUnderWay { .. } => "batch-under-way" 409,
    FeeRateAboveMaximum { .. } => "fee-rate-above-maximum" 409,
    NothingToPay {} => "nothing-to-pay" 409,
    CoinsInsufficient { .. } => "coins-insufficient" 409,
    BatchUnknown { .. } => "batch-unknown" 404,
    CoinGone { .. } => "coin-gone" 409,
    BatchAltered { .. } => "batch-altered" 422,
    BatchState { .. } => "batch-state" 409,
    BatchMayBeSigned { .. } => "batch-may-be-signed" 409,
    BlockNotNext { .. } => "block-not-next" 409,
    BlockImpossible { .. } => "block-impossible" 409,
    BlockNotTip { .. } => "block-not-tip" 409,
    ReorgTooDeep { .. } => "reorg-too-deep" 409,
    SettlementSize { .. } => "settlement-size" 422,
    SettlementReused {} => "settlement-reused" 422,
    SettlementTransfer { .. } => "settlement-transfer" 422,
    SnapshotImpossible { .. } => "snapshot-impossible" 409,
}

/// An event that cannot follow: the books are damaged. The process stops and recovers from the
/// journal; nobody is answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot follow at sequence number {seq}: {reason}")]
pub struct CorruptHistory {
    /// The event's name.
    pub event: &'static str,
    /// Its place in the journal.
    pub seq: u64,
    /// What does not fit.
    pub reason: String,
}

#[cfg(test)]
mod tests;
