//! `/livez`, `/readyz` and `/metrics`, on a listener of their own.

use std::{fmt::Write, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use custody::{Custody, books, incident::Stop};
use serde::Serialize;

use crate::{
    core::{Core, witness::Witness},
    replica::Replica,
    status::Status,
};

/// What the monitor may see.
pub struct Monitor {
    /// The core.
    pub core: Core,
    /// Why nothing is released.
    pub status: Arc<Status>,
    /// How far the signer's head witness is.
    pub witness: Arc<Witness>,
    /// How far the views are.
    pub replica: Arc<Replica>,
}

/// Whether the house releases, and if not, why.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

/// The monitor's interface.
pub fn router(monitor: Arc<Monitor>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(monitor)
}

async fn readyz(State(monitor): State<Arc<Monitor>>) -> (StatusCode, Json<Readiness>) {
    let mut reasons = monitor.status.reasons();
    let stops = monitor.core.read(|state| state.stops().map(Stop::id).collect::<Vec<_>>());
    match stops.answer().await {
        Ok(stops) => reasons.extend(stops.iter().map(|stop| format!("releases-stopped: {stop}"))),
        Err(error) => reasons.push(error.to_string()),
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons }))
}

async fn metrics(State(monitor): State<Arc<Monitor>>) -> Result<String, StatusCode> {
    let text = monitor.replica.look(&monitor.core, measure).await;
    let mut text = text.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    gauge(&mut text, "strongroom_journal_entries", monitor.witness.size());
    gauge(&mut text, "strongroom_journal_witnessed_entries", monitor.witness.witnessed());
    gauge(&mut text, "strongroom_views_entries", monitor.replica.applied());
    let ready = u64::from(monitor.status.reasons().is_empty());
    gauge(&mut text, "strongroom_ready", ready);
    Ok(text)
}

fn measure(state: &Custody) -> String {
    let mut text = String::new();
    let balance = |code| state.ledger().balance(books::house(code)).to_sat();
    gauge(&mut text, "strongroom_hot_balance_satoshis", balance(books::AT_REST));
    gauge(&mut text, "strongroom_hot_outgoing_satoshis", balance(books::OUTGOING));
    gauge(&mut text, "strongroom_hot_incoming_satoshis", balance(books::INCOMING));
    let totals = state.totals().unwrap_or_default();
    let customers =
        ["available", "held"].map(|name| totals.get(name).map_or(0, |sum| sum.to_sat()));
    gauge(
        &mut text,
        "strongroom_customers_satoshis",
        customers.into_iter().fold(0, u64::saturating_add),
    );
    let height = state.chain_state().map_or(0, |chain| u64::from(chain.tip.height.0));
    gauge(&mut text, "strongroom_chain_tip_height", height);
    let depth = state.chain_state().map_or(0, |chain| u64::from(chain.reorg_depth()));
    gauge(&mut text, "strongroom_reorg_depth_blocks", depth);
    let broken = u64::from(state.check_invariants().is_err());
    gauge(&mut text, "strongroom_invariants_broken", broken);
    let stops = u64::try_from(state.stops().count()).unwrap_or(u64::MAX);
    gauge(&mut text, "strongroom_releases_stopped", stops);
    text
}

fn gauge(text: &mut String, name: &str, value: u64) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "# TYPE {name} gauge\n{name} {value}");
}
