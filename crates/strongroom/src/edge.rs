//! The HTTP edge: parses bytes, has the caller recognised, asks the core or the views, answers.
//!
//! `/v1` is for customers and the trading service, who sign each request (RFC 9421); `/ops/v1` for
//! operators, until passkeys come with a temporary token; `/livez`, `/readyz` and `/metrics` stand
//! on a listener of their own.

pub mod health;
mod openapi;
mod ops;
mod problem;
mod recognise;
mod v1;
mod views;

use std::sync::{Arc, Mutex};

use access::{NonceMemory, Verifier};
use axum::Router;
use primitives::Network;
use sha2::{Digest, Sha256};

pub use openapi::openapi_json;
pub use problem::Problem;

use crate::{
    core::{Core, Keys},
    replica::Replica,
    signer_client::SignerClient,
    status::Status,
};

/// What every handler may use.
pub struct Edge {
    /// The core.
    pub core: Core,
    /// Views for lists.
    pub replica: Arc<Replica>,
    /// Keys by id, as far as they are durable.
    pub keys: Arc<Keys>,
    /// Recognises signatures.
    pub verifier: Verifier,
    /// Nonces that were used.
    pub nonces: Mutex<NonceMemory>,
    /// SHA-256 of the temporary operator token.
    pub operator_token: [u8; 32],
    /// For the overview.
    pub signer: Arc<SignerClient>,
    /// Why nothing is released.
    pub status: Arc<Status>,
    /// How addresses are written.
    pub network: Network,
}

impl Edge {
    /// The hash under which a token is kept and compared: the time that a comparison takes tells
    /// nothing about the token.
    #[must_use]
    pub fn token_hash(token: &str) -> [u8; 32] {
        Sha256::digest(token.as_bytes()).into()
    }
}

/// The customers' and operators' interface.
pub fn router(edge: Arc<Edge>) -> Router {
    Router::new()
        .merge(v1::router())
        .merge(ops::router())
        .route("/openapi.json", axum::routing::get(openapi::serve))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(edge)
}
