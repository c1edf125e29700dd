//! `serve`: everything is checked, then the sockets open.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use anyhow::{Context, ensure};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use signer::{Settings, Signer, SoftKeys, keys::keys_match};
use tracing_subscriber::EnvFilter;

use crate::{
    admin::serve_admin,
    cli,
    clocks::Clocks,
    connection::{House, accept, serve_requests, stop_if_broken},
    file_memory::FileMemory,
    key_file,
    layout::Layout,
    socket::listen,
};

/// How often the running time is stored; a crash forgets at most this much of it.
const CHECKPOINT_EVERY: Duration = Duration::from_mins(1);
/// Only this user.
const PRIVATE: u32 = 0o600;

/// Known answers, and with a folder the state of a signer that does not run.
pub(crate) fn selftest(dir: Option<&Path>) -> anyhow::Result<()> {
    signer::selftest()?;
    if let Some(dir) = dir {
        let layout = Layout(dir);
        let settings = layout.read_settings()?;
        Signer::open(settings, FileMemory::open(&layout.state())?)?;
    }
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn serve(arguments: &cli::Serve) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    ensure!(
        arguments.socket != arguments.admin_socket,
        "--socket and --admin-socket are both {}: the server must not reach the admin's socket; \
         give it a name of its own",
        arguments.socket.display()
    );
    let clocks = Clocks::start();
    signer::selftest()?;
    let layout = Layout(&arguments.dir);
    let settings = layout.read_settings()?;
    let keys = unlock(&layout, &settings, &arguments.passphrase)?;
    let deployment = settings.deployment();
    let signer = Signer::open(settings, FileMemory::open(&layout.state())?)?;
    let house = Arc::new(House::new(signer, keys, clocks));

    let mode = if arguments.socket_mode == "660" { 0o660 } else { PRIVATE };
    let requests = listen(&arguments.socket, mode)?;
    let admin = listen(&arguments.admin_socket, PRIVATE)?;
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("watching for signals")?;
    spawn("checkpoint", {
        let house = Arc::clone(&house);
        move || loop {
            thread::park_timeout(CHECKPOINT_EVERY);
            drop(checkpoint(&house));
        }
    })?;
    spawn("requests", {
        let house = Arc::clone(&house);
        move || accept(&requests, &house, serve_requests)
    })?;
    spawn("admin", {
        let house = Arc::clone(&house);
        move || accept(&admin, &house, |house, stream, _| serve_admin(house, stream))
    })?;
    tracing::info!(%deployment, socket = %arguments.socket.display(), "serving");

    signals.forever().next();
    // With the signer in hand no request is half done.
    let _last = checkpoint(&house);
    for socket in [&arguments.socket, &arguments.admin_socket] {
        if let Err(error) = fs::remove_file(socket) {
            tracing::warn!(%error, socket = %socket.display(), "the socket could not be removed");
        }
    }
    tracing::info!("stopped");
    Ok(())
}

fn unlock(
    layout: &Layout<'_>,
    settings: &Settings,
    passphrase: &cli::Passphrase,
) -> anyhow::Result<SoftKeys> {
    let seed = key_file::open(&layout.key(), key_file::read_passphrase(passphrase)?)?;
    let mut keys = seed.keys()?;
    ensure!(
        seed.network == settings.network && keys_match(&keys, &settings.descriptor),
        "the key file does not belong to the descriptor in signer.toml: put the files of one \
         installation together"
    );
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).context("drawing randomness")?;
    keys.blind(&entropy);
    Ok(keys)
}

/// Stores the signer's time; the caller gets the signer, still locked.
fn checkpoint(house: &House) -> std::sync::MutexGuard<'_, Signer<FileMemory>> {
    let mut signer = house.signer();
    if signer.checkpoint(house.clocks.now()).is_err() {
        stop_if_broken(&signer);
    }
    signer
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).with_context(|| format!("starting the thread `{name}`"))
}
