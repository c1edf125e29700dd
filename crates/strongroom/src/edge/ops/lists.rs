use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use custody::{Refusal, WithdrawalState, incident::Incident};
use primitives::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::edge::{
    Edge, Problem,
    recognise::PathText,
    v1::{
        AccountView, ListQuery, WithdrawalList, WithdrawalView, parse_id, view_account, view_page,
        view_withdrawal,
    },
};

/// Withdrawals in one state, newest first.
#[utoipa::path(get, path = "/ops/v1/withdrawals",
    params(("status" = String, Query, description = "a status of withdrawals, such as `in-review`"),
           ("limit" = Option<u32>, Query, description = "1 to 100"),
           ("cursor" = Option<String>, Query, description = "from the last page"),
           ("min_seq" = Option<u64>, Query, description = "wait until this journal entry shows")),
    responses((status = 200, body = WithdrawalList), (status = "4XX", body = Problem)))]
pub(super) async fn withdrawals(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<WithdrawalList>, Problem> {
    let raw = edge.operator(request).await?;
    let (query, status) = ListQuery::parse_with(raw.query(), "status")?;
    let status = status.unwrap_or_default();
    if !WithdrawalState::NAMES.contains(&status.as_str()) {
        let names = WithdrawalState::NAMES.join(", ");
        let detail = format!("query: `status` is one of {names}; found `{status}`");
        return Err(Problem::unreadable(detail));
    }
    query.wait(&edge).await?;
    let (mark, limit) = (query.mark()?, query.limit());
    let page = edge.list(move |lists| lists.withdrawals_in(&status, mark.as_ref(), limit)).await?;
    Ok(Json(view_page(&edge, page).await?))
}

/// One withdrawal.
#[utoipa::path(get, path = "/ops/v1/withdrawals/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem)))]
pub(super) async fn show_withdrawal(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<WithdrawalView>, Problem> {
    edge.operator(request).await?;
    let (id, network) = (parse_id(&id)?, edge.network);
    let pending = edge.core.read(move |state| {
        let withdrawal = state.withdrawal(id)?;
        Ok::<_, Refusal>(view_withdrawal(state, network, id, withdrawal))
    });
    Ok(Json(pending.answer().await??))
}

/// One customer's balances.
#[utoipa::path(get, path = "/ops/v1/accounts/{id}", params(("id" = String, Path)),
    responses((status = 200, body = AccountView), (status = "4XX", body = Problem)))]
pub(super) async fn show_account(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<AccountView>, Problem> {
    edge.operator(request).await?;
    let account = super::parse_account(&id)?;
    let view = edge.core.read(move |state| view_account(state, account)).answer().await??;
    Ok(Json(view))
}

/// Something that people must look at.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct IncidentView {
    /// Its place, counted from 1.
    number: usize,
    at: String,
    /// `deposit-reversed`, `unexplained-spend`, `deep-reorg` or `batch-failed`.
    incident: String,
    /// Whose deposit was reversed.
    account: Option<String>,
    /// The coin that was spent, or the output of the deposit.
    outpoint: Option<String>,
    /// The value of the coin or deposit.
    value_sat: Option<u64>,
    /// What of it the customer now owes.
    claim_sat: Option<u64>,
    /// The transaction that spent the coin, or of the batch.
    txid: Option<String>,
    /// Blocks that were disconnected.
    depth_blocks: Option<u32>,
}

/// Incidents.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct IncidentList {
    data: Vec<IncidentView>,
    /// For the next page; absent on the last.
    next_cursor: Option<String>,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/ops/v1/incidents",
    params(("limit" = Option<u32>, Query, description = "1 to 100"),
           ("cursor" = Option<String>, Query, description = "from the last page")),
    responses((status = 200, body = IncidentList), (status = "4XX", body = Problem)))]
pub(super) async fn incidents(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<IncidentList>, Problem> {
    let raw = edge.operator(request).await?;
    let query = ListQuery::parse(raw.query())?;
    let before = query.cursor.as_deref().map(str::parse::<usize>).transpose();
    let before =
        before.map_err(|_| Problem::unreadable("query: `cursor` is not from an answer"))?;
    let limit = query.limit().clamp(1, store::PAGE_MAX);
    let pending = edge.core.read(move |state| {
        let all = state.incidents();
        let end = before.map_or(all.len(), |before| before.saturating_sub(1).min(all.len()));
        let begin = end.saturating_sub(limit);
        let page = all.iter().enumerate().take(end).skip(begin);
        let data = page.map(|(place, (at, incident))| view(place.saturating_add(1), *at, incident));
        let mut data: Vec<_> = data.collect();
        data.reverse();
        let next_cursor = (begin > 0).then(|| begin.saturating_add(1).to_string());
        IncidentList { data, next_cursor, journal_seq: state.seq() }
    });
    Ok(Json(pending.answer().await?))
}

fn view(number: usize, at: Timestamp, incident: &Incident) -> IncidentView {
    let mut view = IncidentView {
        number,
        at: at.to_string(),
        incident: incident.id().to_owned(),
        account: None,
        outpoint: None,
        value_sat: None,
        claim_sat: None,
        txid: None,
        depth_blocks: None,
    };
    match incident {
        Incident::DepositReversed { deposit, account, value, claim } => {
            view.outpoint = Some(deposit.to_string());
            view.account = Some(account.to_string());
            view.value_sat = Some(value.to_sat());
            view.claim_sat = Some(claim.to_sat());
        }
        Incident::UnexplainedSpend { coin, value, by } => {
            view.outpoint = Some(coin.to_string());
            view.value_sat = Some(value.to_sat());
            view.txid = Some(by.to_string());
        }
        Incident::DeepReorg { depth } => view.depth_blocks = Some(*depth),
        Incident::BatchFailed { txid } => view.txid = Some(txid.to_string()),
    }
    view
}
