//! From the words of the `bitcoin` crate to ours.

use bitcoin::hashes::Hash;
use primitives::{Outpoint, Txid};

pub(crate) fn txid(id: bitcoin::Txid) -> Txid {
    Txid(id.to_byte_array())
}

pub(crate) fn outpoint(point: bitcoin::OutPoint) -> Outpoint {
    Outpoint { txid: txid(point.txid), vout: point.vout }
}
