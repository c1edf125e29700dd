//! Giving a signed transaction to the network. Asking twice is asking once, so that the caller may
//! send the same bytes again after a crash or a fault.

use bitcoin::Transaction;

use crate::{Fault, node::Node, rpc::RpcError};

/// How a broadcast ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is where it belongs.
    Sent(Sent),
    /// The node does not take it.
    Refused(Refusal),
}

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// New in the mempool.
    Accepted,
    /// It was in the mempool already; the node announced it again.
    AlreadyInMempool,
    /// It is in a block.
    AlreadyConfirmed,
}

/// Why the node does not take a transaction. Each holds the node's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An input is unknown or spent by a block. A node without `-txindex` says so too of a
    /// transaction that confirmed and whose every output is spent again.
    #[error("missing-inputs: {said}")]
    MissingInputs {
        /// The node's words.
        said: String,
    },
    /// The mempool holds another spender of an input, which may not be replaced by this one.
    #[error("conflict: {said}")]
    Conflict {
        /// The node's words.
        said: String,
    },
    /// Below what the mempool takes now, or too little more than what it would replace.
    #[error("fee-too-low: {said}")]
    FeeTooLow {
        /// The node's words.
        said: String,
    },
    /// Above the node's own limit (0.10 BTC per 1,000 virtual bytes).
    #[error("fee-too-high: {said}")]
    FeeTooHigh {
        /// The node's words.
        said: String,
    },
    /// A lock time or a relative lock is not over.
    #[error("not-final: {said}")]
    NotFinal {
        /// The node's words.
        said: String,
    },
    /// Too many unconfirmed ancestors or descendants.
    #[error("chain-too-long: {said}")]
    ChainTooLong {
        /// The node's words.
        said: String,
    },
    /// Not of a form that nodes relay, or invalid.
    #[error("not-accepted: {said}")]
    NotAccepted {
        /// The node's words.
        said: String,
    },
}

impl Refusal {
    /// The stable name, kebab-case.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::MissingInputs { .. } => "missing-inputs",
            Self::Conflict { .. } => "conflict",
            Self::FeeTooLow { .. } => "fee-too-low",
            Self::FeeTooHigh { .. } => "fee-too-high",
            Self::NotFinal { .. } => "not-final",
            Self::ChainTooLong { .. } => "chain-too-long",
            Self::NotAccepted { .. } => "not-accepted",
        }
    }
}

/// Gives `transaction` to the node.
///
/// # Errors
///
/// A fault of the connection: whether the node took it is then unknown, and the same call is the
/// way to find out.
pub fn broadcast(node: &mut Node, transaction: &Transaction) -> Result<Outcome, Fault> {
    let txid = transaction.compute_txid();
    let was_there = node.in_mempool(txid)?;
    let refused = match node.send(transaction) {
        Ok(()) if was_there => return Ok(Outcome::Sent(Sent::AlreadyInMempool)),
        Ok(()) => return Ok(Outcome::Sent(Sent::Accepted)),
        Err(Fault::Rpc { cause, .. }) if is_about_the_transaction(&cause) => cause,
        Err(fault) => return Err(fault),
    };
    if refused.code == RpcError::ALREADY_CONFIRMED {
        return Ok(Outcome::Sent(Sent::AlreadyConfirmed));
    }
    let refusal = refusal_of(refused.message);
    // A confirmed transaction whose outputs are all spent looks like one whose inputs are missing.
    let may_be_old = matches!(refusal, Refusal::MissingInputs { .. });
    if may_be_old && node.confirmations(txid)?.is_some_and(|confirmed| confirmed.0 > 0) {
        return Ok(Outcome::Sent(Sent::AlreadyConfirmed));
    }
    Ok(Outcome::Refused(refusal))
}

fn is_about_the_transaction(error: &RpcError) -> bool {
    [
        RpcError::ALREADY_CONFIRMED,
        RpcError::VERIFY_FAILED,
        RpcError::REJECTED,
        RpcError::NOT_DECODED,
    ]
    .contains(&error.code)
}

/// Reads the node's words. Source: Bitcoin Core, `src/validation.cpp` (reject reasons) and
/// `src/node/transaction.cpp`; seen with Knots 29.4. Words that it does not know are
/// `not-accepted`, which nothing automatic hangs on.
fn refusal_of(said: String) -> Refusal {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["missingorspent", "missing-inputs", "Missing inputs"]) {
        Refusal::MissingInputs { said }
    } else if has(&[
        "insufficient fee",
        "min relay fee not met",
        "mempool min fee not met",
        "mempool full",
        "replacement-failed",
    ]) {
        Refusal::FeeTooLow { said }
    } else if has(&["txn-mempool-conflict", "bad-txns-spends-conflicting-tx", "replacement"]) {
        Refusal::Conflict { said }
    } else if has(&["max-fee-exceeded", "Fee exceeds maximum"]) {
        Refusal::FeeTooHigh { said }
    } else if has(&["non-final", "non-BIP68-final", "premature-spend"]) {
        Refusal::NotFinal { said }
    } else if has(&["too-long-mempool-chain", "too-large-cluster"]) {
        Refusal::ChainTooLong { said }
    } else {
        Refusal::NotAccepted { said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_node_become_a_named_refusal() {
        for (said, rule) in [
            ("bad-txns-inputs-missingorspent", "missing-inputs"),
            ("txn-mempool-conflict", "conflict"),
            ("bad-txns-spends-conflicting-tx, 1f spends conflicting transaction", "conflict"),
            ("too many potential replacements", "conflict"),
            (
                "insufficient fee, rejecting replacement ab; new feerate 0.00001 BTC/kvB",
                "fee-too-low",
            ),
            ("min relay fee not met, 0 < 110", "fee-too-low"),
            ("mempool min fee not met, 110 < 220", "fee-too-low"),
            ("Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)", "fee-too-high"),
            ("non-final", "not-final"),
            ("bad-txns-premature-spend-of-coinbase, tried to spend", "not-final"),
            (
                "too-long-mempool-chain, too many unconfirmed ancestors [limit: 25]",
                "chain-too-long",
            ),
            ("dust", "not-accepted"),
            ("", "not-accepted"),
        ] {
            assert_eq!(refusal_of(said.to_owned()).rule(), rule, "{said}");
        }
    }
}
