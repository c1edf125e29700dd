//! Steps that many stories have in common.

use bitcoin::{Address, OutPoint, Transaction, Txid};
use primitives::Seconds;
use serde_json::Value;
use strongroom::{
    clock,
    house::{Customer, wait_for},
};

use super::{Stage, chain::sats, number, text};

impl Stage {
    /// A customer with one deposit that is credited and may be withdrawn.
    pub(crate) fn customer_with(&self, name: &str, sat: u64) -> Customer {
        let customer = self.customer(name).unwrap();
        self.fund(&customer, sat);
        customer
    }

    /// One more deposit for `customer`, mined until it is credited.
    pub(crate) fn fund(&self, customer: &Customer, sat: u64) {
        let before = number(&account(customer), "available_sat");
        self.node.send_to(&customer.address, sats(sat)).unwrap();
        self.node.mine(3).unwrap();
        self.wait_account(customer, "the deposit to be credited", |account| {
            number(account, "available_sat") == before + sat
        });
    }

    /// Waits until the customer's account is as wanted.
    pub(crate) fn wait_account(
        &self,
        customer: &Customer,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let found = wait_for(what, || {
            last = customer.client.get("/v1/account")?;
            Ok(wanted(&last).then(|| last.clone()))
        });
        found.unwrap_or_else(|error| panic!("{error:#}; the account: {last:#}"))
    }

    /// Waits until one output is a deposit of this status.
    pub(crate) fn deposit(&self, customer: &Customer, outpoint: OutPoint, status: &str) -> Value {
        let mut last = Vec::new();
        let found = wait_for(&format!("the deposit {outpoint} to be {status}"), || {
            last = deposits(customer);
            let one = last.iter().find(|deposit| {
                deposit["txid"] == outpoint.txid.to_string() && deposit["vout"] == outpoint.vout
            });
            Ok(one.filter(|deposit| deposit["status"] == status).cloned())
        });
        found.unwrap_or_else(|error| panic!("{error:#}; deposits: {last:#?}"))
    }

    /// Asks for a withdrawal to a fresh address of the node's wallet.
    pub(crate) fn withdraw(&self, customer: &Customer, sat: u64) -> (String, Address) {
        let to = self.node.fresh_address().unwrap();
        (self.withdraw_to(customer, &to, sat), to)
    }

    /// Asks for a withdrawal to `to`.
    pub(crate) fn withdraw_to(&self, customer: &Customer, to: &Address, sat: u64) -> String {
        let ask = self.ask(customer, to, sats(sat)).unwrap();
        text(&customer.client.withdraw(&ask).unwrap(), "id")
    }

    /// Waits until a withdrawal has this status.
    pub(crate) fn reaches(&self, customer: &Customer, id: &str, status: &str) -> Value {
        let mut last = Value::Null;
        let found = wait_for(&format!("{id} to be {status}"), || {
            last = customer.client.get(&format!("/v1/withdrawals/{id}"))?;
            Ok((last["status"] == status).then(|| last.clone()))
        });
        found.unwrap_or_else(|error| {
            let ready = self.monitor().get("/readyz").map_err(|fault| fault.to_string());
            panic!("{error:#}; the withdrawal: {last:#}; readyz: {ready:?}")
        })
    }

    /// Waits until a withdrawal's transaction is in the mempool, and mines until it is settled.
    pub(crate) fn settle(&self, customer: &Customer, id: &str) -> Value {
        self.reaches(customer, id, "broadcast");
        self.node.mine(3).unwrap();
        self.reaches(customer, id, "settled")
    }

    /// Waits until a queued withdrawal's release window is over for as long as the payout worker
    /// needs for many rounds: what has not left by then does not leave.
    pub(crate) fn outwait(&self, customer: &Customer, id: &str) {
        let seen = customer.client.get(&format!("/v1/withdrawals/{id}")).unwrap();
        assert_eq!(seen["status"], "queued", "{seen:#}");
        let releases_at = text(&seen, "releases_at");
        wait_for("the release window to be over", || {
            let deployment = self.anyone().get("/v1/deployment")?;
            Ok((text(&deployment, "now") > releases_at).then_some(()))
        })
        .unwrap();
        self.ten_rounds();
    }

    /// Waits for as long as the payout worker needs for many rounds.
    pub(crate) fn ten_rounds(&self) {
        let rounds = clock::now().saturating_add(Seconds(1));
        wait_for("ten rounds of the worker", || Ok((clock::now() > rounds).then_some(()))).unwrap();
    }

    /// Waits until `/readyz` gives a reason that contains `wanted`.
    pub(crate) fn not_ready(&self, wanted: &str) -> String {
        let monitor = self.monitor();
        let mut last = String::new();
        let found = wait_for(&format!("/readyz to say `{wanted}`"), || {
            last = match monitor.get("/readyz") {
                Ok(ready) => ready.to_string(),
                Err(fault) => fault.to_string(),
            };
            Ok(last.contains(wanted).then(|| last.clone()))
        });
        found.unwrap_or_else(|error| panic!("{error:#}; it says {last}"))
    }

    /// Two transactions that spend one coin of the node's wallet: `sat` to `to`, and all of it back.
    pub(crate) fn double_spend(&self, to: &Address, sat: u64) -> (Transaction, Transaction) {
        let (coin, value) = self.node.coins().unwrap()[0];
        let back = self.node.fresh_address().unwrap();
        let rest = sats(value.to_sat() - sat - 20_000);
        let all = sats(value.to_sat() - 40_000);
        let change = self.node.fresh_address().unwrap();
        let pays = self.node.spend(&[coin], &[(to.clone(), sats(sat)), (change, rest)]).unwrap();
        let conflict = self.node.spend(&[coin], &[(back, all)]).unwrap();
        (pays, conflict)
    }

    /// Gives a transaction to the node.
    pub(crate) fn send(&self, transaction: &Transaction) -> Txid {
        let hex = bitcoin::consensus::encode::serialize_hex(transaction);
        let txid: String = self.node.call("sendrawtransaction", serde_json::json!([hex])).unwrap();
        let txid: Txid = txid.parse().unwrap();
        self.node.wait_for_mempool(txid).unwrap();
        txid
    }
}

/// The output of `transaction` that pays `to`.
pub(crate) fn output_to(transaction: &Transaction, to: &Address) -> OutPoint {
    let script = to.script_pubkey();
    let vout = transaction.output.iter().position(|output| output.script_pubkey == script).unwrap();
    OutPoint::new(transaction.compute_txid(), u32::try_from(vout).unwrap())
}

/// The customer's own account.
pub(crate) fn account(customer: &Customer) -> Value {
    customer.client.get("/v1/account").unwrap()
}

/// The customer's deposits, newest first.
pub(crate) fn deposits(customer: &Customer) -> Vec<Value> {
    customer.client.get("/v1/deposits").unwrap()["data"].as_array().unwrap().clone()
}
