//! A [`MemoryNode`] behind HTTP, with a hand on its answers.

use std::path::Path;

use bitcoin::consensus::encode::serialize_hex;
use chain::{
    follow::Source,
    rpc::{Endpoint, RpcError},
};
use primitives::{BlockHash, BlockHeight};
use serde_json::{Value, json};

use super::{
    fake_http::{Reply, serve},
    memory_node::{MemoryNode, not_found},
};

/// Serves `node`; `twist` may change each result, knowing method and parameters.
pub fn serve_node(
    dir: &Path,
    mut node: MemoryNode,
    mut twist: impl FnMut(&str, &Value, Value) -> Value + Send + 'static,
) -> Endpoint {
    serve(dir, move |request| {
        let call: Value = serde_json::from_str(&request.body).unwrap();
        let method = call["method"].as_str().unwrap();
        let answer = if let Some(result) = answer(&mut node, method, &call["params"]) {
            let result = twist(method, &call["params"], result);
            json!({ "result": result, "error": null, "id": call["id"] })
        } else {
            let RpcError { code, message } = not_found();
            json!({ "error": { "code": code, "message": message }, "id": call["id"] })
        };
        Reply::Body(200, answer.to_string())
    })
}

fn answer(node: &mut MemoryNode, method: &str, params: &Value) -> Option<Value> {
    let hash = || BlockHash::parse(params[0].as_str().unwrap()).unwrap();
    Some(match method {
        "getblockchaininfo" => {
            let info = node.chain_info().unwrap();
            json!({
                "chain": info.network, "blocks": info.blocks, "headers": info.headers,
                "bestblockhash": info.best.to_string(), "initialblockdownload": false,
                "chainwork": info.work.to_string(), "time": info.tip_time.to_seconds(),
            })
        }
        "getblockhash" => {
            let height = u32::try_from(params[0].as_u64().unwrap()).unwrap();
            json!(node.best_at(height)?.to_string())
        }
        "getblockheader" if params[1] == json!(true) => {
            let place = node.place(hash()).unwrap()?;
            json!({
                "height": place.height.0, "confirmations": if place.on_best_chain { 1 } else { -1 },
                "nextblockhash": place.next.map(|next| next.to_string()),
                "chainwork": place.work.to_string(),
            })
        }
        "getblockheader" => json!(serialize_hex(&node.header(hash()).ok()?)),
        "getblock" => json!(serialize_hex(&node.block(hash()).ok()?)),
        "getchaintips" => {
            let invalid = node.has_invalid_branch(BlockHeight(0)).unwrap();
            json!([{ "height": 1000, "status": if invalid { "invalid" } else { "active" } }])
        }
        other => panic!("the fake node does not know {other}"),
    })
}
