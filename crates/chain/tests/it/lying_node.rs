//! A node that lies is refused by name.

use bitcoin::{
    Amount, Block, Network,
    consensus::encode::{deserialize_hex, serialize_hex},
};
use chain::{
    Fault, fees,
    follow::{Follower, NodeState, Step},
    mempool::{Mempool, MempoolLimits},
    node::{Agreement, Node, genesis},
};
use primitives::{BlockHash, BlockHeight, BlockRef, FeeRate, Seconds};
use serde_json::{Value, json};

use crate::support::{
    fake_http::{Reply, serve},
    fake_node::serve_node,
    made_up::{self, grind},
    memory_node::MemoryNode,
};

/// What the first step meets where the node's answers to `method` are twisted so.
fn first_step(
    method: &'static str,
    mut lie: impl FnMut(Value) -> Value + Send + 'static,
) -> Result<Step, Fault> {
    let dir = tempfile::tempdir().unwrap();
    let mut node = MemoryNode::new();
    node.mine(3, 1);
    let twist = move |asked: &str, _: &Value, result| {
        if asked == method { lie(result) } else { result }
    };
    let endpoint = serve_node(dir.path(), node, twist);
    Follower::new(Node::new(endpoint), Network::Regtest).next(genesis(Network::Regtest))
}

fn rule_for(lie: impl Fn(&mut Block) + Send + 'static) -> &'static str {
    let step = first_step("getblock", move |hex| {
        let mut block: Block = deserialize_hex(hex.as_str().unwrap()).unwrap();
        lie(&mut block);
        json!(serialize_hex(&block))
    });
    match step {
        Ok(_) => "passes",
        Err(Fault::BlockRefused { at, cause }) => {
            assert_eq!(at.height.0, 1);
            cause.rule()
        }
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn the_fake_node_is_followed_while_it_tells_the_truth() {
    assert_eq!(rule_for(|_| {}), "passes");
}

#[test]
fn a_changed_amount_or_a_missing_payment_is_refused() {
    assert_eq!(rule_for(|b| b.txdata[1].output[0].value = Amount::ONE_BTC), "wrong-merkle-root");
    assert_eq!(rule_for(|b| drop(b.txdata.pop())), "wrong-merkle-root");
    assert_eq!(rule_for(|b| b.txdata[1].input[0].witness.clear()), "wrong-witness-commitment");
}

#[test]
fn another_block_than_the_one_asked_for_is_refused() {
    assert_eq!(rule_for(|b| b.header.nonce += 1), "wrong-block-hash");
    // A block of its own making, with all commitments right.
    assert_eq!(
        rule_for(|b| {
            b.txdata[1] = made_up::payment(99);
            made_up::commit_to_transactions(b);
            grind(b);
        }),
        "wrong-block-hash"
    );
}

/// The node lies about the hash of the next block too, so that bytes and hash agree.
fn rule_for_consistent_lie(lie: impl Fn(&mut Block)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = MemoryNode::new();
    memory.mine(3, 1);
    let first = genesis(Network::Regtest);
    let honest = memory.best_at(1).unwrap();
    let mut block = chain::follow::Source::block(&mut memory, honest).unwrap();
    lie(&mut block);
    let (hash, hex) = (block.block_hash().to_string(), serialize_hex(&block));
    let (asked, genesis_hash) = (hash.clone(), first.hash.to_string());
    let fake = serve(dir.path(), move |request| {
        let call: Value = serde_json::from_str(&request.body).unwrap();
        let genesis_block = bitcoin::constants::genesis_block(Network::Regtest);
        let work = "0".repeat(63) + "2";
        let result = match (call["method"].as_str().unwrap(), &call["params"]) {
            ("getblockchaininfo", _) => json!({
                "chain": "regtest", "blocks": 1, "headers": 1, "bestblockhash": asked,
                "initialblockdownload": false, "chainwork": work, "time": 1
            }),
            ("getblockhash", _) => json!(genesis_hash),
            ("getblockheader", params) if params[1] == json!(true) => json!({
                "height": 0, "confirmations": 2, "nextblockhash": asked, "chainwork": work
            }),
            ("getblockheader", _) => json!(serialize_hex(&genesis_block.header)),
            ("getblock", params) => {
                assert_eq!(params[0], json!(asked));
                json!(hex)
            }
            (other, _) => panic!("{other}"),
        };
        Reply::Body(200, json!({ "result": result, "id": call["id"] }).to_string())
    });
    let mut follower = Follower::new(Node::new(fake), Network::Regtest);
    match follower.next(first) {
        Ok(_) => "passes".to_owned(),
        Err(Fault::BlockRefused { cause, .. }) => cause.rule().to_owned(),
        Err(fault) => panic!("{fault}: {hash}"),
    }
}

#[test]
fn a_wrong_parent_low_work_and_a_wrong_root_are_refused_even_if_the_hash_agrees() {
    assert_eq!(rule_for_consistent_lie(|_| {}), "passes");
    assert_eq!(
        rule_for_consistent_lie(|b| b.header.prev_blockhash = b.header.block_hash()),
        "wrong-parent"
    );
    assert_eq!(
        rule_for_consistent_lie(|b| {
            while b.header.target().is_met_by(b.block_hash()) {
                b.header.nonce += 1;
            }
        }),
        "insufficient-work"
    );
    assert_eq!(
        rule_for_consistent_lie(|b| {
            b.header.bits = bitcoin::CompactTarget::from_consensus(0x2100_ffff);
        }),
        "wrong-difficulty"
    );
    assert_eq!(
        rule_for_consistent_lie(|b| {
            b.txdata[1].output[0].value = Amount::ONE_BTC;
            grind(b);
        }),
        "wrong-merkle-root"
    );
    assert_eq!(
        rule_for_consistent_lie(|b| {
            b.header.time = 0;
            grind(b);
        }),
        "time-too-old"
    );
}

#[test]
fn a_header_that_does_not_hash_to_the_cursor_is_refused() {
    let other = bitcoin::constants::genesis_block(Network::Signet).header;
    let step = first_step("getblockheader", move |result| {
        if result.is_string() { json!(serialize_hex(&other)) } else { result }
    });
    let fault = step.unwrap_err();
    assert!(
        matches!(&fault, Fault::BlockRefused { cause, .. } if cause.rule() == "wrong-block-hash"),
        "{fault}"
    );
}

#[test]
fn a_claim_of_all_work_there_is_does_not_overflow() {
    let step = first_step("getblockheader", |mut result| {
        if result.is_object() {
            result["chainwork"] = json!("f".repeat(64));
        }
        result
    });
    let fault = step.unwrap_err();
    assert!(
        matches!(&fault, Fault::BlockRefused { cause, .. } if cause.rule() == "impossible-work"),
        "{fault}"
    );
}

#[test]
fn another_network_is_refused_by_name_and_by_first_block() {
    for (method, lie) in [
        ("getblockchaininfo", json!({ "chain": "main" })),
        ("getblockhash", json!(BlockHash([3; 32]).to_string())),
    ] {
        let fault = first_step(method, move |mut result| match lie.as_object() {
            Some(object) => {
                result["chain"] = object["chain"].clone();
                result
            }
            None => lie.clone(),
        });
        let fault = fault.unwrap_err();
        assert!(matches!(fault, Fault::WrongNetwork { .. }) && !fault.is_transient(), "{fault}");
    }
}

#[test]
fn health_names_the_reason_for_every_bad_state_of_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = MemoryNode::new();
    memory.mine(2, 1);
    let tip = *memory.best_chain().last().unwrap();
    let mut asked = 0;
    let endpoint = serve_node(dir.path(), memory, move |method, _, mut result| {
        if method == "getblockchaininfo" {
            asked += 1;
            // The first step asks once, each look at the health twice.
            match asked {
                2 | 3 => result["initialblockdownload"] = json!(true),
                4 | 5 => result["headers"] = json!(9),
                6 => result["chain"] = json!("main"),
                7 => result["chain"] = json!(7),
                _ => {}
            }
        }
        result
    });
    let mut follower = Follower::new(Node::new(endpoint), Network::Regtest);
    assert_eq!(follower.next(tip).unwrap(), Step::Idle);
    let mut look = |later: u64| {
        let health = follower.health();
        let time = health.tip.unwrap().time;
        let now = time.saturating_add(Seconds(later));
        let reasons = health.not_ready(now, Seconds(3600));
        for reason in &reasons {
            assert!(reason.to_string().starts_with(reason.id()), "{reason}");
        }
        (health.node, reasons.iter().map(chain::follow::NotReady::id).collect::<Vec<_>>())
    };
    assert_eq!(look(0), (NodeState::Syncing { blocks: 2, headers: 2 }, vec!["syncing"]));
    assert_eq!(look(0), (NodeState::Syncing { blocks: 2, headers: 9 }, vec!["syncing"]));
    assert_eq!(look(0).1, ["wrong-network"]);
    assert_eq!(look(0).1, ["node-unreachable"]);
    assert_eq!(look(3600), (NodeState::Synced { best: tip }, vec![]));
    assert_eq!(look(3601).1, ["stale-tip"]);
}

#[test]
fn a_second_node_agrees_lags_or_disagrees() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = MemoryNode::new();
    memory.mine(2, 1);
    let chain = memory.best_chain();
    let endpoint = serve(dir.path(), move |request| {
        let call: Value = serde_json::from_str(&request.body).unwrap();
        let height = usize::try_from(call["params"][0].as_u64().unwrap()).unwrap();
        let answer = match chain.get(height) {
            Some(at) => json!({ "result": at.hash.to_string(), "id": 0 }),
            None => json!({ "error": { "code": -8, "message": "out of range" }, "id": 0 }),
        };
        Reply::Body(200, answer.to_string())
    });
    let mut second = Node::new(endpoint);
    let at = |height, hash| BlockRef { height: BlockHeight(height), hash };
    let tip = memory.best();
    assert_eq!(second.agrees_on(at(2, tip)).unwrap(), Agreement::Agrees);
    assert_eq!(second.agrees_on(at(3, tip)).unwrap(), Agreement::Lags);
    assert_eq!(second.agrees_on(at(1, tip)).unwrap(), Agreement::Disagrees);
}

/// Serves one mempool poll: ids, and what a batch says of each.
fn poll(answers: Vec<(bitcoin::Txid, Option<String>)>) -> Result<Vec<bitcoin::Txid>, Fault> {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = serve(dir.path(), move |request| {
        let call: Value = serde_json::from_str(&request.body).unwrap();
        let answer = if let Some(calls) = call.as_array() {
            let one = |(call, (_, hex)): (&Value, &(_, Option<String>))| match hex {
                Some(hex) => json!({ "result": hex, "id": call["id"] }),
                None => json!({ "error": { "code": -5, "message": "" }, "id": call["id"] }),
            };
            calls.iter().zip(&answers).map(one).collect()
        } else {
            let ids: Vec<String> = answers.iter().map(|(txid, _)| txid.to_string()).collect();
            json!({ "result": ids, "id": 0 })
        };
        Reply::Body(200, answer.to_string())
    });
    let delta = Mempool::new(Node::new(endpoint), MempoolLimits::default()).poll()?;
    Ok(delta.added.iter().map(|transaction| transaction.compute_txid()).collect())
}

#[test]
fn a_transaction_that_vanishes_while_the_mempool_is_read_is_skipped() {
    let (one, two) = (made_up::payment(1), made_up::payment(2));
    let (txid_one, txid_two) = (one.compute_txid(), two.compute_txid());
    let added = poll(vec![(txid_one, None), (txid_two, Some(serialize_hex(&two)))]).unwrap();
    assert_eq!(added, [txid_two]);
}

#[test]
fn a_transaction_under_a_foreign_id_is_refused() {
    let (one, two) = (made_up::payment(1), made_up::payment(2));
    let fault = poll(vec![(one.compute_txid(), Some(serialize_hex(&two)))]).unwrap_err();
    assert_eq!(fault.id(), "node-contradiction");
}

#[test]
fn a_known_estimate_is_read_without_rounding() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = serve(dir.path(), |request| {
        let result = if request.body.contains("estimatesmartfee") {
            r#"{"feerate": 0.00012345, "blocks": 6}"#
        } else {
            r#"{"size": 3, "mempoolminfee": 0.00001000, "minrelaytxfee": 1e-5}"#
        };
        Reply::Body(200, format!("{{\"result\": {result}, \"error\": null, \"id\": 0}}"))
    });
    let limits =
        fees::FeeLimits::parse(FeeRate::from_sat_per_kwu(300), FeeRate::from_sat_per_kwu(50_000));
    let target = fees::TargetBlocks::parse(6).unwrap();
    let fee = fees::estimate(&mut Node::new(endpoint), target, limits.unwrap()).unwrap();
    // 12,345 sat per 4,000 weight units, rounded up.
    assert_eq!(fee.rate, FeeRate::from_sat_per_kwu(3087));
    assert_eq!(fee.basis, fees::FeeBasis::Estimate);
    assert!(!fee.is_guess());
    assert_eq!(fee.mempool_minimum, FeeRate::from_sat_per_kwu(250));
}

#[test]
fn more_work_than_was_ever_stood_on_is_not_believed_of_our_own_tip() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = MemoryNode::new();
    node.mine(3, 1);
    let tip = node.best_chain()[2];
    let honest = Follower::new(node.clone(), Network::Regtest).next(tip);
    let Ok(Step::Connect { work, .. }) = honest else { panic!("{honest:?}") };
    let lie = |asked: &str, _: &Value, mut result: Value| {
        if asked == "getblockheader" && result["chainwork"].is_string() {
            result["chainwork"] = json!("7f".repeat(32));
        }
        result
    };
    let endpoint = serve_node(dir.path(), node.clone(), lie);
    let mut follower = Follower::new(Node::new(endpoint), Network::Regtest);
    follower.remember_work(work);
    let told = follower.next(tip);
    assert!(matches!(told, Err(Fault::Contradiction { .. })), "{told:?}");
    // And so it is not remembered: an honest node goes on.
    let mut follower = Follower::new(node, Network::Regtest);
    follower.remember_work(work);
    assert!(matches!(follower.next(tip), Ok(Step::Connect { .. })));
    let reasons = follower.health().not_ready(primitives::Timestamp::EPOCH, Seconds(u64::MAX));
    assert!(!reasons.iter().any(|reason| reason.id() == "less-work"), "{reasons:?}");
}
