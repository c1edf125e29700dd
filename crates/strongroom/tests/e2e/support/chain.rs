//! What the node says, asked past the server.

use std::collections::BTreeMap;

use bitcoin::{Address, Block, ScriptBuf, Txid, consensus::encode::deserialize_hex};
use primitives::Sats;
use serde_json::{Value, json};

use super::{Stage, number, text};

pub(crate) fn sats(sat: u64) -> Sats {
    Sats::parse(sat).unwrap()
}

/// Whole satoshis of the node's decimal. Eight decimals of at most 21 million survive the way
/// through the JSON library's binary number.
fn decimal(value: &Value) -> u64 {
    let text = format!("{:.8}", value.as_f64().unwrap());
    text.replace('.', "").parse().unwrap()
}

/// Which keychain of the hot wallet.
#[derive(Clone, Copy)]
enum Keychain {
    External,
    Internal,
}

impl Stage {
    /// One keychain's descriptor, taken from the signer's settings.
    fn keychain(&self, keychain: Keychain) -> String {
        let settings = std::fs::read_to_string(self.dir().join("signer/signer.toml")).unwrap();
        let settings: toml::Table = settings.parse().unwrap();
        let descriptor = settings["descriptor"].as_str().unwrap();
        let branch = match keychain {
            Keychain::External => "0",
            Keychain::Internal => "1",
        };
        let descriptor = descriptor.split('#').next().unwrap();
        assert!(descriptor.contains("<0;1>"), "{descriptor}");
        descriptor.replace("<0;1>", branch)
    }

    fn dir(&self) -> &std::path::Path {
        &self.house().dir
    }

    /// A deposit address of the hot wallet, derived by the node.
    pub(crate) fn derive(&self, index: u32) -> Address {
        let descriptor = self.keychain(Keychain::External);
        let info: Value = self.node.call("getdescriptorinfo", json!([descriptor])).unwrap();
        let named = text(&info, "descriptor");
        let found: Vec<String> =
            self.node.call("deriveaddresses", json!([named, [index, index]])).unwrap();
        let address: Address<_> = found[0].parse().unwrap();
        address.require_network(bitcoin::Network::Regtest).unwrap()
    }

    /// The sum of unspent outputs of the hot wallet, as the node sees it at its tip.
    pub(crate) fn hot_by_node(&self) -> u64 {
        let wanted = [Keychain::External, Keychain::Internal]
            .map(|keychain| json!({ "desc": self.keychain(keychain), "range": [0, 1000] }));
        let scan: Value = self.node.call("scantxoutset", json!(["start", wanted])).unwrap();
        assert_eq!(scan["success"], true, "{scan}");
        decimal(&scan["total_amount"])
    }

    /// Waits until the server has seen the node's newest block, and gives its overview.
    pub(crate) fn at_tip(&self) -> Value {
        let operator = self.operator();
        strongroom::house::wait_for("the server to stand at the node's tip", || {
            let tip = self.node.tip()?;
            let overview = operator.get("/ops/v1/overview")?;
            Ok((overview["tip_hash"] == tip.hash.to_string()).then_some(overview))
        })
        .unwrap()
    }

    /// Books equal coins, and the node sees the same coins.
    pub(crate) fn balance(&self) -> Value {
        let overview = self.at_tip();
        assert_eq!(text(&overview, "invariants"), "hold", "{overview:#}");
        assert_eq!(number(&overview, "coins_sat"), self.hot_by_node(), "{overview:#}");
        let house = &overview["books"];
        let assets = ["incoming", "at-rest", "outgoing"].map(|name| number(house, name));
        assert_eq!(assets.iter().sum::<u64>(), number(&overview, "coins_sat"), "{overview:#}");
        overview
    }

    /// Every block of the best chain, oldest first.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let tip = self.node.tip().unwrap().height.0;
        let block = |height| {
            let hash: String = self.node.call("getblockhash", json!([height])).unwrap();
            let hex: String = self.node.call("getblock", json!([hash, 0])).unwrap();
            deserialize_hex(&hex).unwrap()
        };
        (0..=tip).map(block).collect()
    }

    /// How often, and with how much, each script is paid in the best chain.
    pub(crate) fn paid_by_script(&self) -> BTreeMap<ScriptBuf, Vec<u64>> {
        let mut paid: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for block in self.blocks() {
            for output in block.txdata.into_iter().flat_map(|transaction| transaction.output) {
                paid.entry(output.script_pubkey).or_default().push(output.value.to_sat());
            }
        }
        paid
    }

    /// What the node's mempool holds.
    pub(crate) fn mempool(&self) -> Vec<Txid> {
        let txids: Vec<String> = self.node.call("getrawmempool", json!([])).unwrap();
        txids.iter().map(|txid| txid.parse().unwrap()).collect()
    }
}

impl Stage {
    /// An address that needs no node to be made.
    pub(crate) fn derive_offline(&self) -> Address {
        let script = ScriptBuf::from_hex("0014aabbccddeeff00112233445566778899aabbccdd").unwrap();
        Address::from_script(&script, bitcoin::Network::Regtest).unwrap()
    }
}
