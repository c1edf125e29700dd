//! Threads that drive what the core has decided: the chain, payouts, and the head witness. They
//! hold nothing that matters: killed at any moment, they begin again from the core's state.

mod chain_worker;
mod payout_worker;
mod witness_worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use chain::{node::Node, rpc::Endpoint};

pub(crate) use chain_worker::ChainWorker;
pub(crate) use payout_worker::PayoutWorker;
pub(crate) use witness_worker::WitnessWorker;

use crate::{
    config::{Config, ConfigFault, bitcoin_network},
    core::{Core, witness::Witness},
    signer_client::SignerClient,
    status::Status,
};

/// What tells every worker to end.
#[derive(Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Asks the workers to end.
    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps for `pause`, or until the end is asked.
    fn pause(&self, pause: Duration) {
        let slice = Duration::from_millis(20);
        let mut left = pause;
        while !left.is_zero() && !self.is_asked() {
            thread::sleep(left.min(slice));
            left = left.saturating_sub(slice);
        }
    }
}

/// What the workers share.
#[derive(Clone)]
pub struct Shared {
    /// The core.
    pub core: Core,
    /// Why nothing is released.
    pub status: Arc<Status>,
    /// The signer.
    pub signer: Arc<SignerClient>,
    /// How far the journal and the signer's witness are.
    pub witness: Arc<Witness>,
    /// When to end.
    pub ending: Ending,
}

/// Starts all workers.
///
/// # Errors
///
/// [`ConfigFault`] for a network or fee setting that cannot be.
pub fn start(config: &Config, shared: &Shared) -> Result<Vec<JoinHandle<()>>, ConfigFault> {
    let network = bitcoin_network(config.network()?);
    let endpoint = || Endpoint::new(config.node.rpc.clone(), config.node.credentials_file.clone());
    let chain = ChainWorker::new(shared.clone(), endpoint(), network, &config.node);
    let payouts = PayoutWorker::new(shared.clone(), Node::new(endpoint()), &config.payouts)?;
    let witness = WitnessWorker::new(shared.clone());
    Ok(vec![
        thread::spawn(move || chain.run()),
        thread::spawn(move || payouts.run()),
        thread::spawn(move || witness.run()),
    ])
}
