//! `/v1`: what customers and the trading service may ask.

mod account;
mod deposits;
mod settlements;
mod withdrawals;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use bitcoin::{Address, Script};
use primitives::{Network, Timestamp};
use serde::{Deserialize, Serialize};
use store::PageMark;
use utoipa::ToSchema;

use super::{Edge, Problem};
use crate::{clock, config::bitcoin_network};

pub(super) use account::{AccountView, view_account};
pub(super) use withdrawals::{
    WithdrawalList, WithdrawalView, parse_id, view_page, view_withdrawal,
};

pub(super) mod paths {
    //! For the generated OpenAPI document.
    pub(in crate::edge) use super::{
        __path_deployment,
        account::{__path_addresses, __path_assign_address, __path_read_account},
        deposits::{__path_list_deposits, __path_read_deposit},
        settlements::__path_settle,
        withdrawals::{
            __path_cancel_withdrawal, __path_list_withdrawals, __path_read_withdrawal,
            __path_request_withdrawal,
        },
    };
}

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/v1/deployment", get(deployment))
        .route("/v1/account", get(account::read_account))
        .route("/v1/deposit-addresses", get(account::addresses).post(account::assign_address))
        .route("/v1/deposits", get(deposits::list_deposits))
        .route("/v1/deposits/{id}", get(deposits::read_deposit))
        .route(
            "/v1/withdrawals",
            get(withdrawals::list_withdrawals).post(withdrawals::request_withdrawal),
        )
        .route("/v1/withdrawals/{id}", get(withdrawals::read_withdrawal))
        .route("/v1/withdrawals/{id}/cancel", post(withdrawals::cancel_withdrawal))
        .route("/v1/settlements", post(settlements::settle))
}

/// What everybody may know of this installation.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is named as clients know it")]
pub(super) struct Deployment {
    /// `mainnet`, `testnet3`, `testnet4`, `signet` or `regtest`.
    network: String,
    /// The installation's id, which every payout intent names: 64 hexadecimal digits.
    deployment: String,
    /// What a withdrawal costs now; an intent must offer at least this.
    withdrawal_fee_sat: u64,
    /// What an intent may offer at most.
    withdrawal_fee_max_sat: u64,
    /// The smallest withdrawal.
    withdrawal_min_sat: u64,
    /// The smallest deposit that is credited.
    deposit_min_sat: u64,
    /// From acceptance of a withdrawal to the first moment at which it may be paid.
    release_window_seconds: u64,
    /// The server's clock.
    now: String,
    /// Signed requests created before this moment are refused.
    requests_accepted_from: String,
}

/// What everybody may know of this installation.
#[utoipa::path(get, path = "/v1/deployment", responses((status = 200, body = Deployment)))]
async fn deployment(State(edge): State<Arc<Edge>>) -> Result<Json<Deployment>, Problem> {
    let params = edge.core.read(|state| state.params().cloned()).answer().await??;
    Ok(Json(Deployment {
        network: params.network.to_string(),
        deployment: params.deployment.to_string(),
        withdrawal_fee_sat: params.withdrawal_fee.to_sat(),
        withdrawal_fee_max_sat: params.withdrawal_fee_max.to_sat(),
        withdrawal_min_sat: params.withdrawal_min.to_sat(),
        deposit_min_sat: params.deposit_min.to_sat(),
        release_window_seconds: params.release_window.0,
        now: clock::now().to_string(),
        requests_accepted_from: edge.verifier.accepted_from().to_string(),
    }))
}

/// How a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    limit: Option<usize>,
    pub(super) cursor: Option<String>,
    min_seq: Option<u64>,
}

/// How many rows a page may have.
fn limit(value: &str) -> Result<usize, Problem> {
    let number = value.parse().ok().filter(|number| (1..=store::PAGE_MAX).contains(number));
    number.ok_or_else(|| {
        let most = store::PAGE_MAX;
        Problem::unreadable(format!("query: `limit` is a number from 1 to {most}, found `{value}`"))
    })
}

/// How long a list waits until it shows `min_seq`.
const MIN_SEQ_WAIT: Duration = Duration::from_secs(5);

impl ListQuery {
    /// Reads the query string of a request.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        Self::parse_with(query, "").map(|(parsed, _)| parsed)
    }

    /// Reads a query string with one more parameter that is called `more`.
    pub(super) fn parse_with(
        query: Option<&str>,
        more: &str,
    ) -> Result<(Self, Option<String>), Problem> {
        let (mut parsed, mut found) = (Self::default(), None);
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || {
                value.parse().map_err(|_| {
                    Problem::unreadable(format!("query: `{name}` is a number, found `{value}`"))
                })
            };
            match name {
                "limit" => parsed.limit = Some(limit(value)?),
                "min_seq" => parsed.min_seq = Some(number()?),
                "cursor" => parsed.cursor = Some(value.to_owned()),
                _ if name == more => found = Some(value.to_owned()),
                _ => return Err(Problem::unreadable(format!("query: no parameter `{name}`"))),
            }
        }
        Ok((parsed, found))
    }

    /// Waits until lists show what the caller has written.
    pub(super) async fn wait(&self, edge: &Edge) -> Result<(), Problem> {
        let seq = self.min_seq.unwrap_or(0);
        if edge.replica.reach(seq, MIN_SEQ_WAIT).await || edge.replica.has_failed() {
            return Ok(());
        }
        let shown = edge.replica.applied();
        let detail = format!("lists show entry {shown}, {seq} was asked; ask again");
        Err(Problem::new("views-behind", 503, detail))
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(store::PAGE_MAX)
    }

    pub(super) fn mark(&self) -> Result<Option<PageMark>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mark = cursor
            .split_once('.')
            .and_then(|(at, key)| Some(PageMark { at: at.parse().ok()?, key: key.to_owned() }));
        mark.map(Some).ok_or_else(|| Problem::unreadable("query: `cursor` is not from an answer"))
    }
}

/// The cursor of the next page, as opaque text.
fn cursor(next: Option<PageMark>) -> Option<String> {
    next.map(|mark| format!("{}.{}", mark.at, mark.key))
}

/// A script as an address of this network, or as hexadecimal where it has none.
pub(super) fn address(network: Network, script: &[u8]) -> String {
    let script = Script::from_bytes(script);
    Address::from_script(script, bitcoin_network(network))
        .map_or_else(|_| script.to_hex_string(), |address| address.to_string())
}

fn time(at: Timestamp) -> String {
    at.to_string()
}
