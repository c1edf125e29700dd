//! `strongroom serve`: wiring. Opens the journal only after it was compared with what the signer
//! has witnessed, and serves until it is asked to end.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use access::{NonceMemory, Settings, Verifier};
use anyhow::{Context, anyhow};
use chain::{node::Node, rpc::Endpoint};
use custody::{Command, Custody, Params};
use primitives::{BlockHash, BlockHeight, BlockRef, Seconds};
use signer_protocol::Description;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    clock,
    config::{Config, bitcoin_network},
    core::{self, Options, Running},
    edge::{self, Edge, health::Monitor},
    replica::Replica,
    signer_client::{SignerClient, SignerFault},
    status::Status,
    worker::{self, Ending, Shared},
};

/// Pause between two tries to reach the signer or the node at the start.
const RETRY: Duration = Duration::from_secs(1);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// What keeps the house from opening, with what was tried and what to do.
pub fn serve(config_path: &Path) -> anyhow::Result<()> {
    let config = Config::load(config_path)?;
    let token = config.operator_token()?;
    let signer = Arc::new(SignerClient::new(&config.signer.socket));
    let description = wait_for_signer(&signer)?;
    // Before anything is made: a journal belongs to one installation for ever.
    config.params(&description, NOWHERE)?;
    let customers = bind(config.http.listen)?;
    let monitors = bind(config.http.monitor_listen)?;
    let witnessed = signer.witnessed(SHARD)?;
    let options = Options {
        dir: config.data_dir.clone(),
        deployment: description.deployment,
        shard: SHARD,
        witnessed,
    };
    let opened = core::open(&options)?;
    opened.state().check_invariants().context("the books of this journal do not hold")?;
    let params = parameters(&config, &description, opened.state())?;
    let started = clock::now().max(opened.state().now());
    let (running, replica) = opened.run(&options)?;
    let configured = Command::Configure { params: Box::new(params) };
    running.core().execute(configured, |_, outcome| outcome).wait()??;

    let status = Arc::new(Status::default());
    // Until the first look at the node nobody knows whether anything may be released.
    let nobody = "starting: the node was not asked yet".to_owned();
    status.set("chain", &[nobody], Duration::from_millis(config.node.poll_millis));
    let shared = Shared {
        core: running.core(),
        status: Arc::clone(&status),
        signer: Arc::clone(&signer),
        witness: running.witness(),
        ending: Ending::default(),
    };
    let threads = worker::start(&config, &shared)?;
    let mut settings = Settings::new(config.http.authorities.clone(), started);
    settings.clock_skew_max = Seconds(config.http.clock_skew_seconds);
    settings.lifetime_max = Seconds(config.http.request_lifetime_seconds);
    let edge = Arc::new(Edge {
        core: running.core(),
        replica: Arc::clone(&replica),
        keys: running.keys(),
        verifier: Verifier::new(settings),
        nonces: Mutex::new(NonceMemory::new(config.http.nonces_max)),
        operator_token: Edge::token_hash(&token),
        signer,
        status,
        network: config.network()?,
    });
    tracing::warn!(
        "operators are recognised by one token, which is temporary: it stands for one operator \
         until passkeys replace it"
    );
    let served = listen((customers, monitors), edge, &shared, &replica);
    shared.ending.end();
    for thread in threads {
        let _ended = thread.join();
    }
    close(running, shared);
    served
}

/// In place of the start block, where the other parameters are checked alone.
const NOWHERE: BlockRef = BlockRef { height: BlockHeight(0), hash: BlockHash([0; 32]) };

/// An installation starts with one shard.
const SHARD: u16 = 0;

fn close(running: Running, shared: Shared) {
    running.save();
    // The next start uses the snapshot only if the signer has witnessed the entry that names it.
    if let Err(fault) = shared.witness.tell(&shared.signer) {
        tracing::warn!(%fault, "the signer was not told of the last entries; the next start replays more");
    }
    drop(shared);
    running.stop();
    tracing::info!("closed");
}

/// The journal is opened only when the signer has said what it has witnessed: until then nobody
/// knows whether the journal is whole.
fn wait_for_signer(signer: &SignerClient) -> anyhow::Result<Description> {
    let mut said = false;
    loop {
        match signer.describe() {
            Ok(description) => return Ok(description),
            Err(SignerFault::Unreachable { socket, source }) => {
                if !said {
                    tracing::warn!(socket = %socket.display(), %source, "waiting for the signer");
                    said = true;
                }
                std::thread::sleep(RETRY);
            }
            Err(fault) => return Err(fault).context("the signer does not say who it is"),
        }
    }
}

/// The parameters: of the journal's own start block, or of the node's newest at the very beginning.
fn parameters(config: &Config, signer: &Description, state: &Custody) -> anyhow::Result<Params> {
    let start = match state.params() {
        Ok(params) => params.start,
        Err(_) => newest_block(config)?,
    };
    Ok(config.params(signer, start)?)
}

fn newest_block(config: &Config) -> anyhow::Result<BlockRef> {
    let endpoint = Endpoint::new(config.node.rpc.clone(), config.node.credentials_file.clone());
    let mut node = Node::new(endpoint);
    let network = bitcoin_network(config.network()?);
    let mut said = false;
    loop {
        let tip = node.check_network(network).and_then(|()| node.chain_info());
        match tip {
            Ok(info) => {
                return Ok(BlockRef { height: BlockHeight(info.blocks), hash: info.best });
            }
            Err(fault) if fault.is_transient() => {
                if !said {
                    tracing::warn!(%fault, "waiting for the node, whose newest block begins the journal");
                    said = true;
                }
                std::thread::sleep(RETRY);
            }
            Err(fault) => return Err(anyhow!(fault).context("the node cannot be followed")),
        }
    }
}

fn listen(
    (customers, monitors): (StdListener, StdListener),
    edge: Arc<Edge>,
    shared: &Shared,
    replica: &Arc<Replica>,
) -> anyhow::Result<()> {
    let monitor = Arc::new(Monitor {
        core: shared.core.clone(),
        status: Arc::clone(&shared.status),
        witness: Arc::clone(&shared.witness),
        replica: Arc::clone(replica),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (end, ended) = watch::channel(false);
        let customers = TcpListener::from_std(customers).context("listening for customers")?;
        let monitors = TcpListener::from_std(monitors).context("listening for the monitor")?;
        let addresses = (customers.local_addr()?, monitors.local_addr()?);
        tracing::info!(customers = %addresses.0, monitor = %addresses.1, "serving");
        let customers =
            axum::serve(customers, edge::router(edge)).with_graceful_shutdown(until(ended.clone()));
        let monitors = axum::serve(monitors, edge::health::router(monitor))
            .with_graceful_shutdown(until(ended));
        let both = async { tokio::try_join!(customers, monitors) };
        let asked = async {
            wait_for_end().await?;
            let _nobody_serves = end.send(true);
            // Requests under way may end; connections that only stay open do not hold us.
            tokio::time::sleep(Duration::from_secs(2)).await;
            anyhow::Ok(())
        };
        tokio::select! {
            served = both => served.map(|_| ()).context("serving"),
            asked = asked => asked,
        }
    })
}

fn bind(address: SocketAddr) -> anyhow::Result<StdListener> {
    let bound = StdListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.with_context(|| format!("listening on {address}; is another process there?"))
}

async fn until(mut ended: watch::Receiver<bool>) {
    let _gone = ended.wait_for(|ended| *ended).await;
}

async fn wait_for_end() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("asked to end");
    Ok(())
}
