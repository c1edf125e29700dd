//! What can be checked of a block without the set of unspent coins. Pure: no IO, no clock.
//!
//! **Checked**: block hash, parent, proof of work, difficulty (retarget every 2016 blocks, the
//! minimum-difficulty rule of the testnets, BIP-94 on testnet4), median time past, one coinbase,
//! weight, merkle root and its malleation (CVE-2012-2459), height in the coinbase (BIP-34),
//! witness commitment (BIP-141).
//!
//! **Not checked**: scripts, amounts, double spends, the subsidy, sigops, locktimes, block
//! versions (BIP-34, 65 and 66 bind old miners only), signet's block signature, and a block time
//! more than two hours ahead, which needs a clock. For these the node is trusted, and a second
//! node is asked.

mod body;
mod difficulty;
mod header;
mod rules;
mod window;
mod work;

#[cfg(test)]
mod tests;

use primitives::BlockHash;

pub use self::{
    rules::Rules,
    window::Window,
    work::{ChainWork, WorkError},
};

/// A rule of the network that a header or block breaks, in the order of checking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are of another block.
    #[error("wrong-block-hash: these bytes hash to {found}")]
    WrongBlockHash {
        /// Hash of the bytes.
        found: BlockHash,
    },
    /// It does not build on our tip.
    #[error("wrong-parent: it builds on {found}, our tip is {expected}")]
    WrongParent {
        /// Our tip.
        expected: BlockHash,
        /// What its header names.
        found: BlockHash,
    },
    /// Headers below the tip are missing that a rule needs: ours to load, not the block's fault.
    #[error(
        "missing-context: headers from height {needed_from} are needed, the lowest is {lowest}"
    )]
    MissingContext {
        /// The lowest height that the rules look at.
        needed_from: u32,
        /// The lowest height we hold.
        lowest: u32,
    },
    /// It claims another difficulty than the network asks for.
    #[error("wrong-difficulty: bits {found:08x}, the network asks for {expected:08x}")]
    WrongDifficulty {
        /// Compact target by the rules.
        expected: u32,
        /// Compact target in the header.
        found: u32,
    },
    /// Its hash does not meet its own target.
    #[error("insufficient-work: the hash is above the target of bits {bits:08x}")]
    InsufficientWork {
        /// Compact target.
        bits: u32,
    },
    /// Its time is not after the median of the eleven blocks before it (BIP-113).
    #[error("time-too-old: time {found}, the median of the blocks before it is {median}")]
    TimeTooOld {
        /// Median time past, in seconds since 1970.
        median: u32,
        /// Its own time, in seconds since 1970.
        found: u32,
    },
    /// Testnet4: the first block of a period may go back by at most 600 s (BIP-94).
    #[error("time-warp: time {found} is more than 600 s before its parent's {parent}")]
    TimeWarp {
        /// Time of its parent, in seconds since 1970.
        parent: u32,
        /// Its own time, in seconds since 1970.
        found: u32,
    },
    /// The sum of all work leaves 256 bits, or sinks below zero: the node's `chainwork` is false.
    #[error("impossible-work: the node's chainwork cannot be true")]
    ImpossibleWork,
    /// The first transaction is not a coinbase, or there is none.
    #[error("no-coinbase: the first of {transactions} transactions is no coinbase")]
    NoCoinbase {
        /// Transactions in the block.
        transactions: usize,
    },
    /// A second coinbase.
    #[error("second-coinbase: transaction {index} is a coinbase too")]
    SecondCoinbase {
        /// Its place in the block.
        index: usize,
    },
    /// Above 4,000,000 weight units (BIP-141).
    #[error("too-heavy: {weight} weight units, at most 4000000 are allowed")]
    TooHeavy {
        /// Weight units.
        weight: u64,
    },
    /// The header does not commit to these transactions.
    #[error("wrong-merkle-root: the header does not commit to these transactions")]
    WrongMerkleRoot,
    /// Transactions at the end are repeated, which leaves the root as it was (CVE-2012-2459).
    #[error("repeated-transactions: the list was lengthened without changing its root")]
    RepeatedTransactions,
    /// The coinbase does not begin with the block's height (BIP-34).
    #[error("wrong-coinbase-height: the coinbase does not begin with height {expected}")]
    WrongCoinbaseHeight {
        /// Its height.
        expected: u32,
    },
    /// Witness data that nothing commits to.
    #[error("unexpected-witness: witness data without a commitment")]
    UnexpectedWitness,
    /// The commitment in the coinbase does not fit the witness data (BIP-141).
    #[error("wrong-witness-commitment: the coinbase commits to other witness data")]
    WrongWitnessCommitment,
}

impl Refusal {
    /// The stable name of the rule, kebab-case.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::WrongBlockHash { .. } => "wrong-block-hash",
            Self::WrongParent { .. } => "wrong-parent",
            Self::MissingContext { .. } => "missing-context",
            Self::WrongDifficulty { .. } => "wrong-difficulty",
            Self::InsufficientWork { .. } => "insufficient-work",
            Self::TimeTooOld { .. } => "time-too-old",
            Self::TimeWarp { .. } => "time-warp",
            Self::ImpossibleWork => "impossible-work",
            Self::NoCoinbase { .. } => "no-coinbase",
            Self::SecondCoinbase { .. } => "second-coinbase",
            Self::TooHeavy { .. } => "too-heavy",
            Self::WrongMerkleRoot => "wrong-merkle-root",
            Self::RepeatedTransactions => "repeated-transactions",
            Self::WrongCoinbaseHeight { .. } => "wrong-coinbase-height",
            Self::UnexpectedWitness => "unexpected-witness",
            Self::WrongWitnessCommitment => "wrong-witness-commitment",
        }
    }
}
