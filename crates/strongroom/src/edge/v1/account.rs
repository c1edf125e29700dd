use std::sync::Arc;

use access::Scope;
use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use custody::{Command, Custody, Refusal, books};
use primitives::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ListQuery, address};
use crate::edge::{
    Edge, Problem,
    recognise::{BODY_MAX, Raw, idempotency},
};

/// A customer's balances, in satoshis.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct AccountView {
    account: String,
    /// What may be traded with.
    available_sat: u64,
    /// What withdrawals under way reserve.
    held_sat: u64,
    /// Available and held.
    total_sat: u64,
    /// What of the available balance may be withdrawn now.
    withdrawable_sat: u64,
    /// What the customer owes since a credited deposit vanished.
    claim_sat: u64,
    /// Whether nothing leaves the account.
    frozen: bool,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

pub(in crate::edge) fn view_account(
    state: &Custody,
    id: AccountId,
) -> Result<AccountView, Refusal> {
    let account = state.account(id)?;
    let balance = |code| state.ledger().balance(books::of(id, code));
    let (available, held) = (balance(books::AVAILABLE), balance(books::HELD));
    let claim = balance(books::CLAIM);
    Ok(AccountView {
        account: id.to_string(),
        available_sat: available.to_sat(),
        held_sat: held.to_sat(),
        total_sat: available.to_sat().saturating_add(held.to_sat()),
        withdrawable_sat: available.saturating_sub(claim).saturating_sub(account.maturing).to_sat(),
        claim_sat: claim.to_sat(),
        frozen: account.frozen || account.adrift > 0,
        journal_seq: state.seq(),
    })
}

/// The caller's own account.
pub(super) fn own(account: Option<AccountId>) -> Result<AccountId, Problem> {
    account.ok_or_else(|| {
        Problem::new("not-a-customer", 403, "the trading service has no account".to_owned())
    })
}

/// The caller's own balances.
#[utoipa::path(get, path = "/v1/account", responses(
    (status = 200, body = AccountView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn read_account(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<AccountView>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let account = own(edge.recognise(&raw, Scope::Read, |_| Ok(()))?.account())?;
    let view = edge.core.read(move |state| view_account(state, account)).answer().await??;
    Ok(Json(view))
}

/// An address to which the customer may deposit, for ever.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct AddressView {
    address: String,
    /// Its place on the external keychain of the hot descriptor.
    index: u32,
    /// The journal's entry after which lists show it.
    journal_seq: u64,
}

/// A new deposit address.
#[utoipa::path(post, path = "/v1/deposit-addresses",
    params(("Idempotency-Key" = String, Header, description = "same key and body, same answer")),
    responses((status = 201, body = AddressView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn assign_address(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<(StatusCode, Json<AddressView>), Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Read, |parts| idempotency(&parts, "customer"))?;
    // Two customers may choose the same key: it is scoped to who asks.
    let who = own(asked.account())?.to_string();
    let scoped = raw.idempotency(&who)?;
    let Some(key) = scoped else {
        let detail = "send an Idempotency-Key: the same key gives the same address".to_owned();
        return Err(Problem::new("idempotency-key-missing", 428, detail));
    };
    let asked = asked.map(|_| Some(key));
    let network = edge.network;
    let show = move |state: &Custody, made: Option<u64>| {
        let index = made.and_then(|index| u32::try_from(index).ok());
        let index = index.ok_or(Refusal::NumbersExhausted { what: "addresses" })?;
        let script = state.address(index).map(|known| known.script.clone()).unwrap_or_default();
        let address = address(network, &script);
        Ok::<_, Refusal>(AddressView { address, index, journal_seq: state.seq() })
    };
    let pending = match edge.made_before(key).await? {
        Some(made) => edge.core.read(move |state| show(state, Some(made))),
        None => edge.core.execute(Command::AssignAddress { asked }, move |state, outcome| {
            outcome?;
            show(state, state.idempotent(Some(&key))?)
        }),
    };
    Ok((StatusCode::CREATED, Json(pending.answer().await??)))
}

/// An account's addresses.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct AddressList {
    data: Vec<AddressView>,
    /// Where the next page begins, if this one is full.
    next_cursor: Option<String>,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

/// The caller's deposit addresses, oldest first.
#[utoipa::path(get, path = "/v1/deposit-addresses",
    params(("min_seq" = Option<u64>, Query, description = "wait until this journal entry shows"),
           ("limit" = Option<usize>, Query, description = "rows of a page, 1 to 100"),
           ("cursor" = Option<u32>, Query, description = "the first index to show")),
    responses((status = 200, body = AddressList), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn addresses(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<AddressList>, Problem> {
    let raw = Raw::read(request, BODY_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Read, |parts| ListQuery::parse(parts.query))?;
    let (account, query) = (own(asked.account())?, asked.into_request());
    query.wait(&edge).await?;
    let from = query.cursor.as_deref().unwrap_or("0").parse();
    let from = from.map_err(|_| Problem::unreadable("query: `cursor` is an index"))?;
    let limit = query.limit();
    let (rows, applied) = edge.list(move |lists| lists.addresses(account, from, limit)).await?;
    let full = rows.len() >= limit;
    let next = rows.last().filter(|_| full).and_then(|(index, _)| index.checked_add(1));
    let data = rows.into_iter().map(|(index, script)| AddressView {
        address: address(edge.network, &script),
        index,
        journal_seq: applied,
    });
    let next_cursor = next.map(|next| next.to_string());
    Ok(Json(AddressList { data: data.collect(), next_cursor, journal_seq: applied }))
}
