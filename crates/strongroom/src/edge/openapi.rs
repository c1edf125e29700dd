//! The generated description of the interface (OpenAPI 3.1), committed as `openapi/v1.json`.

use axum::{http::header, response::IntoResponse};
use utoipa::OpenApi;

use super::{Problem, ops, v1};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Strongroom",
        description = "Custody and withdrawal security of an exchange. Customers sign requests as \
                       docs/request-signing.md says, and payout intents as docs/payout-intent.md says."
    ),
    paths(
        v1::paths::deployment,
        v1::paths::read_account,
        v1::paths::assign_address,
        v1::paths::addresses,
        v1::paths::list_deposits,
        v1::paths::read_deposit,
        v1::paths::request_withdrawal,
        v1::paths::list_withdrawals,
        v1::paths::read_withdrawal,
        v1::paths::cancel_withdrawal,
        v1::paths::settle,
        ops::paths::overview,
        ops::paths::incidents,
        ops::paths::withdrawals,
        ops::paths::show_withdrawal,
        ops::paths::show_account,
        ops::paths::open_account,
        ops::paths::freeze,
        ops::paths::thaw,
        ops::paths::register_key,
        ops::paths::revoke_key,
        ops::paths::approve,
        ops::paths::deny,
        ops::paths::stop,
        ops::paths::resume,
    ),
    components(schemas(Problem))
)]
struct Description;

/// The description as pretty JSON.
///
/// # Errors
///
/// Where it cannot be written as JSON.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Description::openapi().to_pretty_json()
}

pub(super) async fn serve() -> Result<impl IntoResponse, Problem> {
    let text = openapi_json().map_err(|error| Problem::fault(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
