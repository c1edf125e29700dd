//! `/ops/v1`: what operators may ask. Temporary: one token stands for one operator until passkeys
//! and roles replace it.

mod lists;
mod overview;

use std::sync::Arc;

use access::{Principal, Scope, Scopes};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    routing::{get, post},
};
use custody::{Command, Custody, Refusal, incident::Stop, withdrawal::OperatorId};
use primitives::{AccountId, KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Edge, Problem,
    recognise::{BODY_MAX, PathText, Raw},
    v1::{WithdrawalView, view_withdrawal},
};

/// The one operator behind the temporary token.
const OPERATOR: OperatorId = OperatorId(1);

pub(super) mod paths {
    //! For the generated OpenAPI document.
    pub(in crate::edge) use super::{
        __path_approve, __path_deny, __path_freeze, __path_open_account, __path_register_key,
        __path_resume, __path_revoke_key, __path_stop, __path_thaw,
        lists::{
            __path_incidents, __path_show_account, __path_show_withdrawal, __path_withdrawals,
        },
        overview::__path_overview,
    };
}

pub(super) fn router() -> Router<Arc<Edge>> {
    Router::new()
        .route("/ops/v1/overview", get(overview::overview))
        .route("/ops/v1/incidents", get(lists::incidents))
        .route("/ops/v1/withdrawals", get(lists::withdrawals))
        .route("/ops/v1/withdrawals/{id}", get(lists::show_withdrawal))
        .route("/ops/v1/accounts/{id}", get(lists::show_account))
        .route("/ops/v1/accounts", post(open_account))
        .route("/ops/v1/accounts/{id}/freeze", post(freeze))
        .route("/ops/v1/accounts/{id}/thaw", post(thaw))
        .route("/ops/v1/keys", post(register_key))
        .route("/ops/v1/keys/{key}/revoke", post(revoke_key))
        .route("/ops/v1/withdrawals/{id}/approve", post(approve))
        .route("/ops/v1/withdrawals/{id}/deny", post(deny))
        .route("/ops/v1/releases/{stop}/stop", post(stop))
        .route("/ops/v1/releases/{stop}/resume", post(resume))
}

impl Edge {
    /// Reads a request of an operator.
    async fn operator(&self, request: Request) -> Result<Raw, Problem> {
        let raw = Raw::read(request, BODY_MAX).await?;
        let token = raw.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let detail = match token {
            Some(token) if Self::token_hash(token) == self.operator_token => return Ok(raw),
            Some(_) => {
                "the token that was sent is not this server's: it is what stood in \
                 operator.token_file when the server started"
            }
            None => "send `Authorization: Bearer` and the temporary operator token",
        };
        Err(Problem::new("operator-unknown", 401, detail.to_owned()))
    }

    /// Has a command decided that has nothing to show but the journal's entry.
    async fn order(&self, command: Command) -> Result<Json<Done>, Problem> {
        let pending = self.core.execute(command, |state, outcome| outcome.map(|()| state.seq()));
        Ok(Json(Done { journal_seq: pending.answer().await?? }))
    }
}

/// It is done and durable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The journal's last entry.
    journal_seq: u64,
}

/// An account that was opened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Opened {
    account: String,
    journal_seq: u64,
}

/// Opens an account.
#[utoipa::path(post, path = "/ops/v1/accounts",
    params(("Idempotency-Key" = String, Header, description = "same key, same account")),
    responses((status = 201, body = Opened), (status = "4XX", body = Problem)))]
async fn open_account(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<(StatusCode, Json<Opened>), Problem> {
    let raw = edge.operator(request).await?;
    let Some(key) = raw.idempotency("operator")? else {
        let detail = "send an Idempotency-Key: the same key gives the same account".to_owned();
        return Err(Problem::new("idempotency-key-missing", 428, detail));
    };
    let show = |state: &Custody, made: Option<u64>| {
        let account = made.and_then(AccountId::from_number);
        let account = account.ok_or(Refusal::NumbersExhausted { what: "accounts" })?;
        Ok::<_, Refusal>(Opened { account: account.to_string(), journal_seq: state.seq() })
    };
    let pending = match edge.made_before(key).await? {
        Some(made) => edge.core.read(move |state| show(state, Some(made))),
        None => edge.core.execute(
            Command::OpenAccount { idempotency: Some(key) },
            move |state, outcome| {
                outcome?;
                show(state, state.idempotent(Some(&key))?)
            },
        ),
    };
    Ok((StatusCode::CREATED, Json(pending.answer().await??)))
}

/// A key to be registered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    /// The Ed25519 public key, `key_` and 64 hexadecimal digits.
    key: String,
    /// Whose, `acct_…`; absent for the exchange's own trading service.
    account: Option<String>,
    /// `read`, `trade`, `withdraw`, `settle`.
    scopes: Vec<String>,
    /// When it ends, in seconds since 1970.
    expires_at: Option<u64>,
}

/// Lets a key be used.
#[utoipa::path(post, path = "/ops/v1/keys", request_body = KeyRequest,
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn register_key(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let body: KeyRequest = edge.operator(request).await?.json()?;
    let wrong = |field: &str, error: &dyn std::fmt::Display| {
        Problem::unreadable(format!("{field}: {error}"))
    };
    let key: KeyId = body.key.parse().map_err(|error| wrong("key", &error))?;
    let principal = match &body.account {
        Some(account) => {
            Principal::Account(account.parse().map_err(|error| wrong("account", &error))?)
        }
        None => Principal::Service,
    };
    let mut scopes = Scopes::NONE;
    for name in &body.scopes {
        let scope = Scope::from_name(name);
        scopes = scopes.with(scope.ok_or_else(|| wrong("scopes", &format!("no scope `{name}`")))?);
    }
    let expires = body.expires_at.map(Timestamp::parse_seconds).transpose();
    let expires = expires.map_err(|error| wrong("expires_at", &error))?;
    let command = Command::RegisterKey { key, principal, scopes, expires };
    edge.order(command).await
}

/// Lets a key be used no longer, effective at once for requests under way.
#[utoipa::path(post, path = "/ops/v1/keys/{key}/revoke", params(("key" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn revoke_key(
    State(edge): State<Arc<Edge>>,
    PathText(key): PathText,
    request: Request,
) -> Result<Json<Done>, Problem> {
    edge.operator(request).await?;
    let key = key.parse().map_err(|_| Problem::unreadable(format!("no key {key}")))?;
    edge.order(Command::RevokeKey { key }).await
}

fn parse_account(id: &str) -> Result<AccountId, Problem> {
    id.parse().map_err(|_| Problem::new("account-unknown", 404, format!("no account {id}")))
}

/// Lets nothing leave an account.
#[utoipa::path(post, path = "/ops/v1/accounts/{id}/freeze", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn freeze(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<Done>, Problem> {
    edge.operator(request).await?;
    edge.order(Command::FreezeAccount { account: parse_account(&id)?, by: OPERATOR }).await
}

/// Lifts the freeze of an account.
#[utoipa::path(post, path = "/ops/v1/accounts/{id}/thaw", params(("id" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn thaw(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<Done>, Problem> {
    edge.operator(request).await?;
    edge.order(Command::ThawAccount { account: parse_account(&id)?, by: OPERATOR }).await
}

/// Approves a withdrawal in review.
#[utoipa::path(post, path = "/ops/v1/withdrawals/{id}/approve", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem)))]
async fn approve(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<WithdrawalView>, Problem> {
    edge.operator(request).await?;
    let withdrawal = super::v1::parse_id(&id)?;
    edge.review(Command::ApproveWithdrawal { withdrawal, by: OPERATOR }, withdrawal).await
}

/// Denies a withdrawal in review.
#[utoipa::path(post, path = "/ops/v1/withdrawals/{id}/deny", params(("id" = String, Path)),
    responses((status = 200, body = WithdrawalView), (status = "4XX", body = Problem)))]
async fn deny(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<WithdrawalView>, Problem> {
    edge.operator(request).await?;
    let withdrawal = super::v1::parse_id(&id)?;
    edge.review(Command::DenyWithdrawal { withdrawal, by: OPERATOR }, withdrawal).await
}

impl Edge {
    async fn review(
        &self,
        command: Command,
        id: primitives::WithdrawalId,
    ) -> Result<Json<WithdrawalView>, Problem> {
        let network = self.network;
        let pending = self.core.execute(command, move |state, outcome| {
            outcome?;
            Ok::<_, Refusal>(view_withdrawal(state, network, id, state.withdrawal(id)?))
        });
        Ok(Json(pending.answer().await??))
    }
}

fn parse_stop(id: &str) -> Result<Stop, Problem> {
    let stop = Stop::ALL.into_iter().find(|stop| stop.id() == id);
    stop.ok_or_else(|| Problem::unreadable(format!("no reason to stop is called `{id}`")))
}

/// Stops all releases: nothing is signed or broadcast any more.
#[utoipa::path(post, path = "/ops/v1/releases/{stop}/stop", params(("stop" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn stop(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<Done>, Problem> {
    edge.operator(request).await?;
    edge.order(Command::StopReleases { stop: parse_stop(&id)? }).await
}

/// Lifts one reason to stop.
#[utoipa::path(post, path = "/ops/v1/releases/{stop}/resume", params(("stop" = String, Path)),
    responses((status = 200, body = Done), (status = "4XX", body = Problem)))]
async fn resume(
    State(edge): State<Arc<Edge>>,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<Done>, Problem> {
    edge.operator(request).await?;
    edge.order(Command::ResumeReleases { stop: parse_stop(&id)?, by: OPERATOR }).await
}
