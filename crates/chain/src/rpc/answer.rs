//! The envelope around a result: `{"result": …, "error": …, "id": …}`.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::Fault;

/// The node's own no.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("the node answered {code}: {message}")]
pub struct RpcError {
    /// A number below zero. Source: Bitcoin Core, `src/rpc/protocol.h`.
    pub code: i64,
    /// Its words.
    pub message: String,
}

impl RpcError {
    /// `RPC_INVALID_ADDRESS_OR_KEY`: no such block or transaction.
    pub const NOT_FOUND: i64 = -5;
    /// `RPC_INVALID_PARAMETER`: for a height, above the tip.
    pub const BAD_PARAMETER: i64 = -8;
    /// `RPC_DESERIALIZATION_ERROR`: the bytes are no transaction.
    pub const NOT_DECODED: i64 = -22;
    /// `RPC_VERIFY_ERROR`: its inputs are missing or spent, or a limit of the call.
    pub const VERIFY_FAILED: i64 = -25;
    /// `RPC_VERIFY_REJECTED`: refused by consensus or by the node's relay policy.
    pub const REJECTED: i64 = -26;
    /// `RPC_VERIFY_ALREADY_IN_UTXO_SET`: confirmed, with an output that is not yet spent.
    pub const ALREADY_CONFIRMED: i64 = -27;
    /// `RPC_IN_WARMUP`: starting.
    pub const WARMING_UP: i64 = -28;
}

#[derive(Deserialize)]
struct Answer<'a> {
    /// `None` where the field is missing, which is not the result `null`.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcError>,
    #[serde(default)]
    id: Option<usize>,
}

impl Answer<'_> {
    fn read<T: DeserializeOwned>(&self, tried: &str) -> Result<Result<T, RpcError>, Fault> {
        if let Some(error) = &self.error {
            return Ok(Err(error.clone()));
        }
        let result = self.result.ok_or_else(|| strange(tried, "neither result nor error"))?;
        serde_json::from_str(result.get()).map(Ok).map_err(|error| not_understood(tried, &error))
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// One envelope. It must be an object: serde would read `[]` as one without fields.
fn envelope<'a>(tried: &str, raw: &'a RawValue) -> Result<Answer<'a>, Fault> {
    if !raw.get().starts_with('{') {
        return Err(strange(tried, "no object where an answer should be"));
    }
    serde_json::from_str(raw.get()).map_err(|error| not_understood(tried, &error))
}

pub(super) fn one<T: DeserializeOwned>(tried: &str, body: &[u8]) -> Result<T, Fault> {
    let raw: &RawValue =
        serde_json::from_slice(body).map_err(|error| not_understood(tried, &error))?;
    let answer = envelope(tried, raw)?.read(tried)?;
    answer.map_err(|cause| Fault::Rpc { tried: tried.to_owned(), cause })
}

/// The results of a batch in the order of their ids; the node may answer in any order.
pub(super) fn many<T: DeserializeOwned>(
    tried: &str,
    body: &[u8],
    expected: usize,
) -> Result<Vec<Result<T, RpcError>>, Fault> {
    if body.first() == Some(&b'{') {
        // The batch as a whole was refused.
        let refused = one::<IgnoredAny>(tried, body).err();
        return Err(refused.unwrap_or_else(|| strange(tried, "one answer to many calls")));
    }
    let raw: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|error| not_understood(tried, &error))?;
    let answers: Result<Vec<Answer>, Fault> =
        raw.into_iter().map(|raw| envelope(tried, raw)).collect();
    let mut answers = answers?;
    answers.sort_by_key(|answer| answer.id);
    if !answers.iter().map(|answer| answer.id).eq((0..expected).map(Some)) {
        let found = format!("{} answers to {expected} calls, or foreign ids", answers.len());
        return Err(strange(tried, &found));
    }
    answers.iter().map(|answer| answer.read(tried)).collect()
}

fn strange(tried: &str, found: &str) -> Fault {
    Fault::NotUnderstood { tried: tried.to_owned(), found: found.to_owned() }
}

fn not_understood(tried: &str, error: &serde_json::Error) -> Fault {
    strange(tried, &format!("unexpected JSON ({error})"))
}
