//! Between the forms of the bitcoin library and those of the domain.

use bitcoin::{OutPoint, hashes::Hash};
use primitives::{Outpoint, Sats, Txid};

pub(crate) fn txid(id: bitcoin::Txid) -> Txid {
    Txid(id.to_byte_array())
}

pub(crate) fn outpoint(outpoint: &OutPoint) -> Outpoint {
    Outpoint { txid: txid(outpoint.txid), vout: outpoint.vout }
}

pub(crate) fn out_point(outpoint: &Outpoint) -> OutPoint {
    OutPoint::new(bitcoin::Txid::from_byte_array(outpoint.txid.0), outpoint.vout)
}

/// An amount that the simulator chose, far below the supply.
pub(crate) fn sats(sats: u64) -> Sats {
    Sats::parse(sats).unwrap_or(Sats::MAX)
}

pub(crate) fn node_txid(id: Txid) -> bitcoin::Txid {
    bitcoin::Txid::from_byte_array(id.0)
}
