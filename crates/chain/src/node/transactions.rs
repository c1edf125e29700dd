//! Transactions, mempool and fees.

use bitcoin::{
    OutPoint, ScriptBuf, Transaction, Txid,
    consensus::encode::{deserialize_hex, serialize_hex},
};
use primitives::{Confirmations, FeeRate, Sats};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Decimal8, Node};
use crate::{Fault, rpc::Call};

/// An unspent output, as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unspent {
    /// Its value.
    pub value: Sats,
    /// Its script.
    pub script: ScriptBuf,
    /// 0 in the mempool.
    pub confirmations: Confirmations,
    /// Whether it was mined, and so matures after 100 blocks.
    pub coinbase: bool,
}

/// State and limits of the mempool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolInfo {
    /// Transactions in it.
    pub count: u64,
    /// The lowest fee rate that it takes now: rises when it is full.
    pub min_fee_rate: FeeRate,
    /// The lowest fee rate that the node relays at all.
    pub min_relay_fee_rate: FeeRate,
}

/// What the node would do with a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MempoolVerdict {
    /// Whether it would enter the mempool.
    pub allowed: bool,
    /// Why not, in the node's words.
    #[serde(rename = "reject-reason")]
    pub reject_reason: Option<String>,
}

/// A fee estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmartFee {
    /// `None` where the node has seen too little to say.
    pub rate: Option<FeeRate>,
    /// The target that the answer is for, in blocks; may be above the one asked for.
    pub target_blocks: u32,
}

/// The node's version and what it warns of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NetworkInfo {
    /// Such as 290300.
    pub version: u64,
    /// Such as `/Satoshi:29.3.0/Knots:20260508/`.
    pub subversion: String,
}

#[derive(Deserialize)]
struct RawUnspent {
    value: Decimal8,
    confirmations: u32,
    coinbase: bool,
    #[serde(rename = "scriptPubKey")]
    script: RawScript,
}

#[derive(Deserialize)]
struct RawScript {
    hex: String,
}

#[derive(Deserialize)]
struct RawMempoolInfo {
    size: u64,
    mempoolminfee: Decimal8,
    minrelaytxfee: Decimal8,
}

#[derive(Deserialize)]
struct RawSmartFee {
    feerate: Option<Decimal8>,
    blocks: u32,
}

#[derive(Deserialize)]
struct RawConfirmations {
    #[serde(default)]
    confirmations: u32,
}

impl Node {
    /// `getrawmempool`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn mempool(&mut self) -> Result<Vec<Txid>, Fault> {
        self.call::<Vec<String>>(&Call::new("getrawmempool", json!([])))?
            .iter()
            .map(|text| text.parse().map_err(|_| not_understood("getrawmempool", text)))
            .collect()
    }

    /// `getmempoolentry`: whether `txid` is in the mempool.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn in_mempool(&mut self, txid: Txid) -> Result<bool, Fault> {
        let call = Call::new("getmempoolentry", json!([txid.to_string()]));
        Ok(self.find::<serde::de::IgnoredAny>(&call)?.is_some())
    }

    /// `getrawtransaction`: from the mempool, or from blocks if the node has `-txindex`.
    ///
    /// # Errors
    ///
    /// [`Fault::Contradiction`] where the bytes have another txid; any fault of the connection.
    pub fn transaction(&mut self, txid: Txid) -> Result<Option<Transaction>, Fault> {
        let Some(hex) = self.find::<String>(&raw_transaction(txid))? else { return Ok(None) };
        decode(txid, &hex).map(Some)
    }

    /// Several [`Node::transaction`] in one request, in the same order. For transactions of usual
    /// size: 64 of 400,000 weight units stay below the limit of an answer.
    ///
    /// # Errors
    ///
    /// As [`Node::transaction`].
    pub fn transactions(&mut self, txids: &[Txid]) -> Result<Vec<Option<Transaction>>, Fault> {
        let calls: Vec<Call> = txids.iter().map(|&txid| raw_transaction(txid)).collect();
        let answers = match self.rpc.batch::<String>(&calls) {
            Err(Fault::TooLarge { .. }) if txids.len() > 1 => {
                // Somebody fills the mempool with giants: half as many at once.
                let (left, right) = txids.split_at(txids.len().div_euclid(2));
                let mut all = self.transactions(left)?;
                all.extend(self.transactions(right)?);
                return Ok(all);
            }
            answers => answers?,
        };
        let decoded = txids.iter().zip(answers).map(|(&txid, answer)| match answer {
            Ok(hex) => decode(txid, &hex).map(Some),
            Err(error) if error.code == crate::rpc::RpcError::NOT_FOUND => Ok(None),
            Err(cause) => Err(Fault::Rpc { tried: "getrawtransaction".to_owned(), cause }),
        });
        decoded.collect()
    }

    /// How often `txid` is confirmed: `Some(0)` in the mempool, `None` if the node does not know
    /// it. A node without `-txindex` knows only its mempool.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn confirmations(&mut self, txid: Txid) -> Result<Option<Confirmations>, Fault> {
        let call = Call::new("getrawtransaction", json!([txid.to_string(), true]));
        let found = self.find::<RawConfirmations>(&call)?;
        Ok(found.map(|found| Confirmations(found.confirmations)))
    }

    /// `gettxout`: the output, or `None` if it is spent (also by the mempool, where
    /// `with_mempool`) or never was.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn unspent(
        &mut self,
        outpoint: OutPoint,
        with_mempool: bool,
    ) -> Result<Option<Unspent>, Fault> {
        let params = json!([outpoint.txid.to_string(), outpoint.vout, with_mempool]);
        let Some(raw) = self.call::<Option<RawUnspent>>(&Call::new("gettxout", params))? else {
            return Ok(None);
        };
        let value = raw
            .value
            .to_sats()
            .ok_or_else(|| not_understood("gettxout", "a value above supply"))?;
        let script = ScriptBuf::from_hex(&raw.script.hex)
            .map_err(|_| not_understood("gettxout", &raw.script.hex))?;
        let confirmations = Confirmations(raw.confirmations);
        Ok(Some(Unspent { value, script, confirmations, coinbase: raw.coinbase }))
    }

    /// `getmempoolinfo`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn mempool_info(&mut self) -> Result<MempoolInfo, Fault> {
        let raw: RawMempoolInfo = self.call(&Call::new("getmempoolinfo", json!([])))?;
        Ok(MempoolInfo {
            count: raw.size,
            min_fee_rate: raw.mempoolminfee.to_fee_rate(),
            min_relay_fee_rate: raw.minrelaytxfee.to_fee_rate(),
        })
    }

    /// `estimatesmartfee`, economical: payouts can be replaced with a higher fee.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] for a target outside `1..=1008`, or a fault of the connection.
    pub fn smart_fee(&mut self, target_blocks: u16) -> Result<SmartFee, Fault> {
        let call = Call::new("estimatesmartfee", json!([target_blocks, "economical"]));
        let raw: RawSmartFee = self.call(&call)?;
        let rate = raw.feerate.map(Decimal8::to_fee_rate);
        Ok(SmartFee { rate, target_blocks: raw.blocks })
    }

    /// `testmempoolaccept` for one transaction, with the node's own limit on fees.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn test_accept(&mut self, transaction: &Transaction) -> Result<MempoolVerdict, Fault> {
        let call = Call::new("testmempoolaccept", json!([[serialize_hex(transaction)]]));
        let verdicts: Vec<MempoolVerdict> = self.call(&call)?;
        let one = verdicts.into_iter().next();
        one.ok_or_else(|| not_understood("testmempoolaccept", "an empty list"))
    }

    /// `sendrawtransaction`. Sending the same bytes twice is sending them once, so that it is
    /// repeated on a closed connection. [`crate::broadcast`] reads its refusals.
    ///
    /// # Errors
    ///
    /// [`Fault::Rpc`] where the node refuses it, or a fault of the connection.
    pub fn send(&mut self, transaction: &Transaction) -> Result<(), Fault> {
        let call = Call::new("sendrawtransaction", json!([serialize_hex(transaction)]));
        self.call::<Value>(&call).map(|_txid| ())
    }

    /// `getnetworkinfo`.
    ///
    /// # Errors
    ///
    /// Any fault of the connection.
    pub fn network_info(&mut self) -> Result<NetworkInfo, Fault> {
        self.call(&Call::new("getnetworkinfo", json!([])))
    }
}

fn raw_transaction(txid: Txid) -> Call {
    Call::new("getrawtransaction", json!([txid.to_string(), false]))
}

fn decode(txid: Txid, hex: &str) -> Result<Transaction, Fault> {
    let transaction: Transaction = deserialize_hex(hex)
        .map_err(|error| not_understood("getrawtransaction", &error.to_string()))?;
    let found = transaction.compute_txid();
    if found == txid {
        return Ok(transaction);
    }
    Err(Fault::Contradiction {
        tried: "getrawtransaction".to_owned(),
        expected: txid.to_string(),
        found: found.to_string(),
    })
}

fn not_understood(method: &str, found: &str) -> Fault {
    let found: String = found.chars().take(200).collect();
    Fault::NotUnderstood { tried: method.to_owned(), found }
}
