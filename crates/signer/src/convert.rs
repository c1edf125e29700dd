//! From the words of the `bitcoin` crate to ours.

use bitcoin::{Amount, hashes::Hash};
use primitives::{Outpoint, Sats, Txid};

pub(crate) fn txid(id: bitcoin::Txid) -> Txid {
    Txid(id.to_byte_array())
}

pub(crate) fn outpoint(point: bitcoin::OutPoint) -> Outpoint {
    Outpoint { txid: txid(point.txid), vout: point.vout }
}

/// `None` above the supply.
pub(crate) fn sats(amount: Amount) -> Option<Sats> {
    Sats::parse(amount.to_sat()).ok()
}
