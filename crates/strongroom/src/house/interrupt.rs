//! Ctrl-C while a house runs, or the end of its terminal: noticed at the next look, so that whoever owns the house drops it and
//! nothing is left behind.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::clock;

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENING: OnceLock<()> = OnceLock::new();

/// A person asked for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// From now on SIGINT, SIGTERM and SIGHUP are noted instead of ending the process at once.
///
/// # Errors
///
/// Where the operating system lets nobody listen.
pub fn listen() -> io::Result<()> {
    if LISTENING.set(()).is_err() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        ASKED.store(true, Ordering::Relaxed);
    })?;
    Ok(())
}

/// Whether a person asked for the end.
///
/// # Errors
///
/// [`Interrupted`] where they did.
pub fn check() -> Result<(), Interrupted> {
    if ASKED.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
}

/// Until a person asks for the end, does `what` each time that `pause` is over.
///
/// # Errors
///
/// That of `what`.
pub fn repeat(pause: Duration, mut what: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut done = clock::monotonic();
    while check().is_ok() {
        thread::sleep(Duration::from_millis(50));
        if done.elapsed() >= pause {
            what()?;
            done = clock::monotonic();
        }
    }
    Ok(())
}
