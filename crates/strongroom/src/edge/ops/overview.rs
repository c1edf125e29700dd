use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
};
use custody::Custody;
use serde::Serialize;
use utoipa::ToSchema;

use crate::edge::{Edge, Problem};

/// The house at one moment, in satoshis.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct Overview {
    /// This interface is temporary: one token, one operator.
    operator_token: &'static str,
    journal_seq: u64,
    /// The last entry that lists show.
    views_seq: u64,
    /// The newest block: height and hash.
    tip_height: Option<u32>,
    tip_hash: Option<String>,
    accounts: usize,
    /// What customers own: available and held.
    customers_sat: u64,
    /// Each kind of ledger account by name, with the sum over all its owners.
    books: BTreeMap<String, u64>,
    /// The hot tier's coins: number and sum.
    coins: usize,
    coins_sat: u64,
    /// Whether books balance and coins equal books; else what is broken.
    invariants: String,
    /// Why nothing is released.
    stops: Vec<String>,
    not_ready: Vec<String>,
    incidents: usize,
    /// The signer's buckets, and whether it is halted.
    signer: SignerView,
}

/// The signer, as it describes itself now.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::edge) struct SignerView {
    /// Whether it answers. While it does not, nothing is known of the rest.
    reachable: bool,
    halted: Option<String>,
    /// Whether it runs without a witness of its own.
    evaluation_grade: Option<bool>,
    buckets: Vec<BucketView>,
    signed_total_sat: Option<u64>,
    signed_transactions: Option<u64>,
}

/// One of the signer's buckets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::edge) struct BucketView {
    name: String,
    capacity_sat: u64,
    left_sat: u64,
    refill_sat_per_hour: u64,
}

/// The house at one moment: books, coins, stops and the signer's limits.
#[utoipa::path(get, path = "/ops/v1/overview",
    responses((status = 200, body = Overview), (status = "4XX", body = Problem)))]
pub(super) async fn overview(
    State(edge): State<Arc<Edge>>,
    request: Request,
) -> Result<Json<Overview>, Problem> {
    edge.operator(request).await?;
    let mut overview = edge.replica.look(&edge.core, look).await?;
    overview.views_seq = edge.replica.applied();
    overview.not_ready = edge.status.reasons();
    let signer = Arc::clone(&edge.signer);
    let described = tokio::task::spawn_blocking(move || signer.describe()).await;
    if let Ok(Ok(description)) = described {
        let buckets = description.buckets.into_iter().map(|bucket| BucketView {
            name: bucket.name,
            capacity_sat: bucket.capacity.to_sat(),
            left_sat: bucket.left.to_sat(),
            refill_sat_per_hour: bucket.refill_per_hour.to_sat(),
        });
        overview.signer = SignerView {
            reachable: true,
            halted: description.halted,
            evaluation_grade: Some(description.evaluation_grade),
            buckets: buckets.collect(),
            signed_total_sat: Some(description.signed_total.to_sat()),
            signed_transactions: Some(description.signed_transactions),
        };
    }
    Ok(Json(overview))
}

fn look(state: &Custody) -> Overview {
    let totals = state.totals().unwrap_or_default();
    let total = |name: &str| totals.get(name).map_or(0, |sum| sum.to_sat());
    let coins = state.coins().iter().map(|(_, coin)| coin.value.to_sat());
    let tip = state.chain_state().map(|chain| chain.tip);
    Overview {
        operator_token: "temporary: one token stands for one operator until passkeys replace it",
        journal_seq: state.seq(),
        views_seq: 0,
        tip_height: tip.map(|tip| tip.height.0),
        tip_hash: tip.map(|tip| tip.hash.to_string()),
        accounts: state.accounts(),
        customers_sat: total("available").saturating_add(total("held")),
        books: totals.iter().map(|(name, sum)| ((*name).to_owned(), sum.to_sat())).collect(),
        coins: state.coins().len(),
        coins_sat: coins.fold(0, u64::saturating_add),
        invariants: state
            .check_invariants()
            .map_or_else(|broken| broken.to_string(), |()| "hold".to_owned()),
        stops: state.stops().map(|stop| stop.id().to_owned()).collect(),
        not_ready: Vec::new(),
        incidents: state.incidents().len(),
        signer: SignerView::default(),
    }
}
