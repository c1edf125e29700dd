//! Floor 3, the only speaker to the bitcoin node: blocks in order, reorgs as disconnect and
//! connect, mempool sightings, fee rates and broadcast.
//!
//! Plain blocking sockets: every part owns a [`node::Node`] of its own and runs on a thread of its
//! own. Nothing here is durable. The caller owns the cursor and asks [`follow::Follower::next`]
//! what follows it.
//!
//! **The node is not believed** where a block can be checked without the set of unspent coins:
//! [`check`] recomputes hash, parent, proof of work, difficulty, median time past, merkle root,
//! witness commitment and height of every block. It is believed about scripts, amounts and the
//! order of its own mempool; that is why production asks a second node
//! ([`node::Node::agrees_on`]).
//!
//! Bitcoin Knots 29.4 stops working on 2028-11-06 unless its operator sets `-softwareexpiry`.

pub mod broadcast;
pub mod check;
mod deadline;
mod fault;
pub mod fees;
pub mod follow;
#[cfg(test)]
#[path = "../tests/it/support/made_up.rs"]
#[allow(
    unreachable_pub,
    clippy::arithmetic_side_effects,
    reason = "shared with the integration tests"
)]
mod made_up;
pub mod mempool;
pub mod node;
pub mod regtest;
pub mod rpc;

pub use fault::Fault;
