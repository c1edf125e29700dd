use std::sync::Arc;

use access::Scope;
use axum::{
    Json,
    extract::{Request, State},
};
use custody::{Custody, Deposit};
use primitives::{DepositId, Outpoint, Txid};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ListQuery, account::own, cursor, time};
use crate::edge::{
    Edge, Problem,
    recognise::{BODY_MAX, PathText, Raw},
};

/// A deposit.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct DepositView {
    /// Its id, `dep_…`.
    id: String,
    txid: String,
    vout: u32,
    amount_sat: u64,
    /// `detected`, `confirming`, `credited`, `adrift`, `suspense` or `orphaned`.
    status: String,
    confirmations: u32,
    /// What its value needs until it is credited.
    required_confirmations: u32,
    /// Whether it may be withdrawn.
    withdrawable: bool,
    seen_at: String,
}

fn view(state: &Custody, outpoint: &Outpoint, deposit: &Deposit) -> DepositView {
    let tip = state.chain_state().map(|chain| chain.tip.height);
    let confirmations = deposit.state.height().zip(tip);
    DepositView {
        id: deposit.id(outpoint).to_string(),
        txid: outpoint.txid.to_string(),
        vout: outpoint.vout,
        amount_sat: deposit.value.to_sat(),
        status: deposit.state.name().to_owned(),
        confirmations: confirmations.map_or(0, |(height, tip)| height.confirmations_at(tip).0),
        required_confirmations: state.required_confirmations(outpoint, deposit).0,
        withdrawable: deposit.state.is_withdrawable(),
        seen_at: time(deposit.seen_at),
    }
}

/// A page of deposits.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct DepositList {
    data: Vec<DepositView>,
    /// For the next page; absent on the last.
    next_cursor: Option<String>,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

/// The caller's deposits, newest first.
#[utoipa::path(get, path = "/v1/deposits",
    params(("limit" = Option<u32>, Query, description = "1 to 100"),
           ("cursor" = Option<String>, Query, description = "from the last page"),
           ("min_seq" = Option<u64>, Query, description = "wait until this journal entry shows")),
    responses((status = 200, body = DepositList), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn list_deposits(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<DepositList>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Read, |parts| ListQuery::parse(parts.query))?;
    let (account, query) = (own(asked.account())?, asked.into_request());
    query.wait(&edge).await?;
    let (mark, limit) = (query.mark()?, query.limit());
    let page = edge.list(move |lists| lists.deposits(account, mark.as_ref(), limit)).await?;
    let rows = page.rows;
    let pending = edge.core.read(move |state| {
        let known = rows.iter().filter_map(|outpoint| Some((outpoint, state.deposit(outpoint)?)));
        known.map(|(outpoint, deposit)| view(state, outpoint, deposit)).collect()
    });
    let data = pending.answer().await?;
    Ok(Json(DepositList { data, next_cursor: cursor(page.next), journal_seq: page.applied }))
}

/// One of the caller's deposits.
#[utoipa::path(get, path = "/v1/deposits/{id}", params(("id" = String, Path)),
    responses((status = 200, body = DepositView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn read_deposit(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<DepositView>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let account = own(edge.recognise(&raw, Scope::Read, |_| Ok(()))?.account())?;
    let unknown = || Problem::new("deposit-unknown", 404, format!("no deposit {id}"));
    let parsed: DepositId = id.parse().map_err(|_| unknown())?;
    let outpoint = Outpoint { txid: Txid(*parsed.txid()), vout: parsed.vout() };
    let pending = edge.core.read(move |state| {
        let owned = |deposit: &&Deposit| deposit.account == Some(account);
        let deposit = state.deposit(&outpoint).filter(owned)?;
        Some(view(state, &outpoint, deposit))
    });
    pending.answer().await?.map(Json).ok_or_else(unknown)
}
