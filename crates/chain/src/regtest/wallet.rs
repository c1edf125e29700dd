//! The wallet `miner`: coins, payments, and transactions that contradict each other.

use std::time::Duration;

use bitcoin::{
    Address, Network, OutPoint, Transaction, Txid,
    address::NetworkUnchecked,
    consensus::encode::{deserialize_hex, serialize_hex},
};
use primitives::Sats;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{RegtestNode, WALLET, harness};
use crate::{Fault, deadline::Deadline, node::Decimal8, rpc::Endpoint};

const MEMPOOL_LIMIT: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct RawCoin {
    txid: String,
    vout: u32,
    amount: Decimal8,
}

#[derive(Deserialize)]
struct RawSigned {
    hex: String,
    complete: bool,
}

impl RegtestNode {
    /// A fresh address of the wallet.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn fresh_address(&self) -> Result<Address, Fault> {
        let method = "getnewaddress";
        let text: String = self.call(method, json!([]))?;
        text.parse::<Address<NetworkUnchecked>>()
            .and_then(|address| address.require_network(Network::Regtest))
            .map_err(|_| harness(method, text))
    }

    /// Pays `amount` to `address` from the wallet, and returns when the payment is in the mempool.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] without enough coins or with the reason why the mempool does not take the
    /// payment, or a fault of the connection.
    pub fn send_to(&self, address: &Address, amount: Sats) -> Result<Txid, Fault> {
        let method = "sendtoaddress";
        let text: String = self.call(method, json!([address.to_string(), btc(amount)]))?;
        let txid = read_txid(method, &text)?;
        if !self.node().in_mempool(txid)? {
            self.send_once_more(txid)?;
        }
        self.wait_for_mempool(txid)?;
        Ok(txid)
    }

    /// The wallet keeps a payment that the mempool refuses, says nothing, and tries again after some
    /// hours. We try now, and hear the reason.
    fn send_once_more(&self, txid: Txid) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Kept {
            hex: String,
        }
        let kept: Kept = self.call("gettransaction", json!([txid.to_string()]))?;
        let _again: String = self.call("sendrawtransaction", json!([kept.hex]))?;
        Ok(())
    }

    /// Returns when `txid` is in the mempool.
    ///
    /// # Errors
    ///
    /// [`Fault::Harness`] after 20 s, or a fault of the connection.
    pub fn wait_for_mempool(&self, txid: Txid) -> Result<(), Fault> {
        let mut node = self.node();
        let there = Deadline::after(MEMPOOL_LIMIT).poll(|| match node.in_mempool(txid) {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(fault) => Some(Err(fault)),
        });
        there.unwrap_or_else(|| Err(harness("wait for the mempool", format!("no {txid} in it"))))
    }

    /// The wallet's coins that may be spent now, largest first.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn coins(&self) -> Result<Vec<(OutPoint, Sats)>, Fault> {
        let raw: Vec<RawCoin> = self.call("listunspent", json!([1]))?;
        let read = raw.iter().map(|coin| {
            let value = coin.amount.to_sats();
            let value = value.ok_or_else(|| harness("listunspent", "more than there is"))?;
            Ok((OutPoint::new(read_txid("listunspent", &coin.txid)?, coin.vout), value))
        });
        let mut coins: Vec<(OutPoint, Sats)> = read.collect::<Result<_, Fault>>()?;
        coins.sort_by_key(|&(outpoint, value)| (std::cmp::Reverse(value), outpoint));
        Ok(coins)
    }

    /// A signed transaction that spends exactly `coins` and pays exactly `outputs`; the rest is
    /// its fee. It is not sent: two of them on one coin are a double spend.
    ///
    /// # Errors
    ///
    /// [`Fault::Harness`] where the wallet cannot sign, or a fault of the connection.
    pub fn spend(
        &self,
        coins: &[OutPoint],
        outputs: &[(Address, Sats)],
    ) -> Result<Transaction, Fault> {
        let inputs: Vec<Value> = coins
            .iter()
            .map(|coin| json!({ "txid": coin.txid.to_string(), "vout": coin.vout }))
            .collect();
        let outputs: Vec<Value> = outputs
            .iter()
            .map(|(address, amount)| json!({ address.to_string(): btc(*amount) }))
            .collect();
        let unsigned: String = self.call("createrawtransaction", json!([inputs, outputs]))?;
        self.sign(&unsigned)
    }

    /// Signs `transaction` with the wallet's keys.
    ///
    /// # Errors
    ///
    /// As [`RegtestNode::spend`].
    pub fn sign_raw(&self, transaction: &Transaction) -> Result<Transaction, Fault> {
        self.sign(&serialize_hex(transaction))
    }

    fn sign(&self, hex: &str) -> Result<Transaction, Fault> {
        let method = "signrawtransactionwithwallet";
        let signed: RawSigned = self.call(method, json!([hex]))?;
        if !signed.complete {
            return Err(harness(method, "not every input is the wallet's"));
        }
        deserialize_hex(&signed.hex).map_err(|error| harness(method, error.to_string()))
    }

    /// Makes an empty wallet and says where to speak of it.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] where it exists, or a fault of the connection.
    pub fn create_wallet(&self, name: &str) -> Result<Endpoint, Fault> {
        let params = json!({ "wallet_name": name, "load_on_startup": true });
        self.call::<Value>("createwallet", params)?;
        Ok(self.endpoint().wallet(name))
    }

    /// Loads the wallet `miner`, or makes it.
    pub(super) fn load_wallet(&self) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Directory {
            wallets: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let loaded: Vec<String> = self.call("listwallets", json!([]))?;
        if loaded.iter().any(|name| name == WALLET) {
            return Ok(());
        }
        let directory: Directory = self.call("listwalletdir", json!([]))?;
        if directory.wallets.iter().any(|wallet| wallet.name == WALLET) {
            return self.call::<Value>("loadwallet", json!([WALLET, true])).map(|_| ());
        }
        self.create_wallet(WALLET).map(|_| ())
    }
}

fn read_txid(method: &str, text: &str) -> Result<Txid, Fault> {
    text.parse().map_err(|_| harness(method, text))
}

/// BTC with eight decimals, as text: the node reads it without rounding.
fn btc(amount: Sats) -> String {
    let sats = amount.to_sat();
    format!("{}.{:08}", sats.div_euclid(100_000_000), sats.rem_euclid(100_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_with_eight_decimals() {
        assert_eq!(btc(Sats::parse(1).unwrap()), "0.00000001");
        assert_eq!(btc(Sats::MAX), "21000000.00000000");
    }
}
