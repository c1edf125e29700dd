use std::sync::Arc;

use access::Scope;
use axum::{
    Json,
    extract::{Request, State},
};
use custody::{Command, Settlement, event::CustomerTransfer};
use primitives::{Sats, from_hex};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::edge::{
    Edge, Problem,
    recognise::{Raw, SETTLEMENT_MAX, parse_json},
};

/// Transfers between customers, posted whole or not at all.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct SettlementRequest {
    /// The trading service's own id: 32 hexadecimal digits. Asking twice is asking once.
    id: String,
    /// 1 to 10,000 transfers, in order.
    transfers: Vec<TransferRequest>,
}

/// One transfer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct TransferRequest {
    /// Who pays, `acct_…`.
    from: String,
    /// Who receives, `acct_…`.
    to: String,
    amount_sat: u64,
}

/// A settlement that is posted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct SettlementView {
    id: String,
    transfers: usize,
    /// The journal's last entry that this shows.
    journal_seq: u64,
}

/// Posts transfers between customers, by the trading service's key with the scope `settle`.
#[utoipa::path(post, path = "/v1/settlements", request_body = SettlementRequest,
    responses((status = 200, body = SettlementView), (status = "4XX", body = Problem)))]
pub(in crate::edge) async fn settle(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<SettlementView>, Problem> {
    let raw = Raw::read(request, SETTLEMENT_MAX).await?;
    let asked = edge.recognise(&raw, Scope::Settle, |parts| parse(&parse_json(parts.body)?))?;
    let (id, transfers) = (asked.request().id, asked.request().transfers.len());
    let command = Command::SettleTransfers { asked };
    let pending = edge.core.execute(command, |state, outcome| outcome.map(|()| state.seq()));
    let journal_seq = pending.answer().await??;
    Ok(Json(SettlementView { id: primitives::to_hex(&id), transfers, journal_seq }))
}

fn parse(body: &SettlementRequest) -> Result<Settlement, Problem> {
    let id = from_hex(&body.id).map_err(|error| Problem::unreadable(format!("id: {error}")))?;
    let transfers = body.transfers.iter().enumerate().map(|(number, transfer)| {
        let wrong = |error: &dyn std::fmt::Display| {
            Problem::unreadable(format!("transfers[{number}]: {error}"))
        };
        Ok(CustomerTransfer {
            from: transfer.from.parse().map_err(|error| wrong(&error))?,
            to: transfer.to.parse().map_err(|error| wrong(&error))?,
            amount: Sats::parse(transfer.amount_sat).map_err(|error| wrong(&error))?,
        })
    });
    Ok(Settlement { id, transfers: transfers.collect::<Result<_, Problem>>()? })
}
