//! The throw-away node itself.

use std::path::Path;

use chain::{Fault, regtest::RegtestNode};
use primitives::Sats;
use serde_json::{Value, json};

use crate::support::real_node::start;

#[test]
fn a_program_that_is_no_node_is_reported_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    for program in ["/bin/false", "/nowhere/bitcoind"] {
        let Err(fault) = RegtestNode::start(Path::new(program), dir.path()) else {
            panic!("{program} started")
        };
        assert!(matches!(fault, Fault::Harness { .. }), "{fault}");
        assert!(fault.to_string().contains(program), "{fault}");
    }
}

#[test]
fn a_stopped_node_starts_again_with_its_blocks_wallet_and_port() {
    let mut real = start();
    real.node.mine(101).unwrap();
    let before = (real.node.tip().unwrap(), real.node.coins().unwrap(), real.node.endpoint());
    real.node.stop().unwrap();
    assert!(real.node.tip().unwrap_err().is_transient());
    real.node.restart().unwrap();
    assert_eq!(real.node.tip().unwrap(), before.0);
    assert_eq!(real.node.coins().unwrap(), before.1);
    assert_eq!(real.node.endpoint().address, before.2.address);
}

#[test]
fn a_block_that_was_called_invalid_can_be_taken_back() {
    let real = start();
    let hashes = real.node.mine(3).unwrap();
    let tip = real.node.tip().unwrap();
    real.node.invalidate_block(hashes[1]).unwrap();
    assert_eq!(real.node.tip().unwrap().height.0, 1);
    real.node.reconsider_block(hashes[1]).unwrap();
    assert_eq!(real.node.tip().unwrap(), tip);
}

#[test]
fn a_wallet_cannot_sign_what_is_not_its_own() {
    let real = start();
    real.node.mine(101).unwrap();
    let coin = real.node.coins().unwrap()[0];
    let address = real.node.fresh_address().unwrap();
    let almost = coin.1.checked_sub(Sats::parse(1000).unwrap()).unwrap();
    let mut transaction = real.node.spend(&[coin.0], &[(address, almost)]).unwrap();
    assert_eq!(real.node.sign_raw(&transaction).unwrap(), transaction);
    transaction.input[0].previous_output.vout = 7;
    assert!(matches!(real.node.sign_raw(&transaction), Err(Fault::Harness { .. })));
    real.node.create_wallet("other").unwrap();
    assert!(real.node.create_wallet("other").is_err());
}

/// The wallet sets the lock time of some payments up to a hundred blocks back, to look like others.
#[test]
fn a_payment_is_taken_whatever_its_lock_time() {
    let real = start();
    let node = &real.node;
    node.mine(101).unwrap();
    let (coin, value) = node.coins().unwrap()[0];
    let inputs = json!([{ "txid": coin.txid.to_string(), "vout": coin.vout, "sequence": 0 }]);
    let to = node.fresh_address().unwrap();
    assert_eq!(value.to_sat(), 50 * 100_000_000);
    let outputs = json!([{ to.to_string(): "49.999" }]);
    let unsigned: String = node.call("createrawtransaction", json!([inputs, outputs, 21])).unwrap();
    let signed: Value = node.call("signrawtransactionwithwallet", json!([unsigned])).unwrap();
    let sent: String = node.call("sendrawtransaction", json!([signed["hex"]])).unwrap();
    node.wait_for_mempool(sent.parse().unwrap()).unwrap();
}
