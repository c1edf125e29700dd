use std::sync::Arc;

use access::Scope;
use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use custody::{Command, Custody, Refusal, Withdrawal, WithdrawalRequest, WithdrawalState};
use primitives::{AccountId, KeyId, Network, WithdrawalId};
use serde::{Deserialize, Serialize};
use store::Page;
use utoipa::ToSchema;

use super::{ListQuery, account::own, address, cursor, time};
use crate::edge::{
    Edge, Problem,
    recognise::{BODY_MAX, PathText, Raw, parse_json},
};

/// What a customer asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct WithdrawalRequestBody {
    /// The canonical bytes of the payout intent, in padded base64.
    intent: String,
    /// The signature over the intent's hash, in padded base64; without it the signer has only the
    /// server's word.
    intent_signature: Option<String>,
}

/// A withdrawal, as its customer sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct WithdrawalView {
    /// Its id, `wd_…`, made from the intent's hash.
    id: String,
    account: String,
    amount_sat: u64,
    fee_sat: u64,
    address: String,
    /// `cooling-down`, `in-review`, `queued`, `batched`, `signed`, `broadcast`, `confirmed`,
    /// `settled`, `refused`, `rejected`, `cancelled` or `failed`.
    status: String,
    /// What the customer handed in: `customer-signed` with a signature over the intent, else
    /// `server-vouched`. The signer counts a signature only of a key that its own list has held for
    /// the cool-down; until then it counts the payout as `server-vouched` too.
    evidence_class: String,
    requested_at: String,
    /// The last moment at which it may be signed.
    not_after: String,
    /// When it may be paid at the earliest, or when its cool-down ends.
    releases_at: Option<String>,
    /// The transaction that pays it.
    txid: Option<String>,
    confirmations: u32,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

pub(in crate::edge) fn view_withdrawal(
    state: &Custody,
    network: Network,
    id: WithdrawalId,
    withdrawal: &Withdrawal,
) -> WithdrawalView {
    let batch = withdrawal.state.batch().and_then(|batch| state.batch(batch).ok());
    let releases_at = match &withdrawal.state {
        WithdrawalState::Queued { releases_at } => Some(*releases_at),
        WithdrawalState::CoolingDown { until } => Some(*until),
        WithdrawalState::InReview { .. }
        | WithdrawalState::Batched { .. }
        | WithdrawalState::Signed { .. }
        | WithdrawalState::Broadcast { .. }
        | WithdrawalState::Confirmed { .. }
        | WithdrawalState::Settled { .. }
        | WithdrawalState::Refused { .. }
        | WithdrawalState::Rejected { .. }
        | WithdrawalState::Cancelled
        | WithdrawalState::Failed { .. } => None,
    };
    let tip = state.chain_state().map(|chain| chain.tip.height);
    let depth = batch.and_then(|batch| batch.state.height()).zip(tip);
    let class = if withdrawal.signature.is_some() { "customer-signed" } else { "server-vouched" };
    WithdrawalView {
        id: id.to_string(),
        account: withdrawal.account.to_string(),
        amount_sat: withdrawal.amount.to_sat(),
        fee_sat: withdrawal.fee.to_sat(),
        address: address(network, &withdrawal.script()),
        status: withdrawal.state.name().to_owned(),
        evidence_class: class.to_owned(),
        requested_at: time(withdrawal.requested_at),
        not_after: time(withdrawal.not_after),
        releases_at: releases_at.map(time),
        txid: batch.map(|batch| batch.txid.to_string()),
        confirmations: depth.map_or(0, |(height, tip)| height.confirmations_at(tip).0),
        journal_seq: state.seq(),
    }
}

/// Asks for a withdrawal. Asking twice with the same intent is asking once, for ever.
#[utoipa::path(post, path = "/v1/withdrawals", request_body = WithdrawalRequestBody,
    responses((status = 202, body = WithdrawalView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn request_withdrawal(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<(StatusCode, Json<WithdrawalView>), Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Withdraw, |parts| {
        parse_json::<WithdrawalRequestBody>(parts.body)
    })?;
    let key = asked.key();
    let asked = asked.try_map(|body| parse_request(&body, key))?;
    let (id, network) = (asked.request().id(), edge.network);
    let command = Command::RequestWithdrawal { asked };
    let pending = edge.core.execute(command, move |state, outcome| {
        outcome?;
        Ok::<_, Refusal>(view_withdrawal(state, network, id, state.withdrawal(id)?))
    });
    Ok((StatusCode::ACCEPTED, Json(pending.answer().await??)))
}

fn parse_request(body: &WithdrawalRequestBody, key: KeyId) -> Result<WithdrawalRequest, Problem> {
    let decode = |name: &str, text: &str| {
        STANDARD.decode(text).map_err(|error| Problem::unreadable(format!("{name}: {error}")))
    };
    let intent = decode("intent", &body.intent)?;
    let signed = match &body.intent_signature {
        None => None,
        Some(text) => {
            let signature = decode("intent_signature", text)?;
            let signature = signature.try_into().map_err(|_| {
                Problem::unreadable("intent_signature: an Ed25519 signature has 64 bytes")
            })?;
            Some((key, signature))
        }
    };
    Ok(WithdrawalRequest::parse(intent, signed)?)
}

/// One of the caller's withdrawals.
#[utoipa::path(get, path = "/v1/withdrawals/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn read_withdrawal(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<WithdrawalView>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let account = own(edge.recognise(&raw, Scope::Read, |_| Ok(()))?.account())?;
    let (id, network) = (parse_id(&id)?, edge.network);
    let pending = edge.core.read(move |state| {
        let withdrawal = owned(state, id, account)?;
        Ok::<_, Refusal>(view_withdrawal(state, network, id, withdrawal))
    });
    Ok(Json(pending.answer().await??))
}

fn owned(state: &Custody, id: WithdrawalId, account: AccountId) -> Result<&Withdrawal, Refusal> {
    let withdrawal = state.withdrawal(id)?;
    if withdrawal.account == account {
        Ok(withdrawal)
    } else {
        Err(Refusal::WithdrawalUnknown { withdrawal: id })
    }
}

pub(in crate::edge) fn parse_id(id: &str) -> Result<WithdrawalId, Problem> {
    id.parse().map_err(|_| Problem::new("withdrawal-unknown", 404, format!("no withdrawal {id}")))
}

/// Takes a withdrawal back, as long as no batch carries it.
#[utoipa::path(post, path = "/v1/withdrawals/{id}/cancel", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn cancel_withdrawal(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<WithdrawalView>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let id = parse_id(&id)?;
    let asked = edge.recognise(&raw, Scope::Withdraw, |_| Ok(id))?;
    let network = edge.network;
    let command = Command::CancelWithdrawal { asked };
    let pending = edge.core.execute(command, move |state, outcome| {
        outcome?;
        Ok::<_, Refusal>(view_withdrawal(state, network, id, state.withdrawal(id)?))
    });
    Ok(Json(pending.answer().await??))
}

/// A page of withdrawals.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct WithdrawalList {
    data: Vec<WithdrawalView>,
    /// For the next page; absent on the last.
    next_cursor: Option<String>,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

/// The caller's withdrawals, newest first.
#[utoipa::path(get, path = "/v1/withdrawals",
    params(("limit" = Option<u32>, Query, description = "1 to 100"),
           ("cursor" = Option<String>, Query, description = "from the last page"),
           ("min_seq" = Option<u64>, Query, description = "wait until this journal entry shows")),
    responses((status = 200, body = WithdrawalList), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn list_withdrawals(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<WithdrawalList>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Read, |parts| ListQuery::parse(parts.query))?;
    let (account, query) = (own(asked.account())?, asked.into_request());
    query.wait(&edge).await?;
    let (mark, limit) = (query.mark()?, query.limit());
    let page = edge.list(move |lists| lists.withdrawals(account, mark.as_ref(), limit)).await?;
    Ok(Json(view_page(&edge, page).await?))
}

/// The withdrawals of a page as they are now.
pub(in crate::edge) async fn view_page(
    edge: &Edge,
    page: Page<WithdrawalId>,
) -> Result<WithdrawalList, Problem> {
    let (network, rows) = (edge.network, page.rows);
    let pending = edge.core.read(move |state| {
        let known = rows.iter().filter_map(|id| Some((*id, state.withdrawal(*id).ok()?)));
        known.map(|(id, withdrawal)| view_withdrawal(state, network, id, withdrawal)).collect()
    });
    let data = pending.answer().await?;
    Ok(WithdrawalList { data, next_cursor: cursor(page.next), journal_seq: page.applied })
}
