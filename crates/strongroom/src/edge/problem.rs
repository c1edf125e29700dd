//! Errors as `application/problem+json` (RFC 9457). A refusal names its rule; a fault names only
//! the id under which the operator finds it in the log.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use primitives::to_hex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{clock, core::NoAnswer};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The stable name of the rule that said no, or `fault`.
    code: String,
    /// The HTTP status.
    status: u16,
    /// What was found and what to do.
    detail: String,
}

impl Problem {
    /// A problem with this code, status and text.
    #[must_use]
    pub fn new(code: &str, status: u16, detail: String) -> Self {
        Self { kind: format!("/problems/{code}"), code: code.to_owned(), status, detail }
    }

    /// A body or parameter that cannot be read.
    #[must_use]
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new("request-unreadable", 422, detail.into())
    }

    /// Something broke: the caller learns an id, the operator finds the reason under it.
    #[must_use]
    pub fn fault(reason: &dyn std::fmt::Display) -> Self {
        let id = clock::random::<8>().map_or_else(|_| "none".to_owned(), |id| to_hex(&id));
        tracing::error!(fault = id, %reason, "a request failed");
        Self::new("fault", 500, format!("something broke here; its id is {id}"))
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl From<custody::Refusal> for Problem {
    fn from(refusal: custody::Refusal) -> Self {
        Self::new(refusal.id(), refusal.status(), refusal.to_string())
    }
}

impl From<access::Refusal> for Problem {
    fn from(refusal: access::Refusal) -> Self {
        Self::new(refusal.id(), refusal.http_status(), refusal.to_string())
    }
}

impl From<NoAnswer> for Problem {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Busy => Self::new("busy", 503, error.to_string()),
            NoAnswer::Stopped => Self::new("stopping", 503, error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// For a path that knows other methods; the answer's `allow` names them.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::new("method-not-allowed", 405, "not with this method; see `allow`".to_owned())
}

/// For every path that is none.
pub(super) async fn not_found() -> Problem {
    Problem::new("path-unknown", 404, "no such path; /openapi.json lists them all".to_owned())
}
