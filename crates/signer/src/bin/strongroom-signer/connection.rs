//! The connections: each in a thread of its own with its own deadlines, so that one that hangs
//! blocks no other; the signer itself behind one mutex, one request at a time.
//!
//! Once a connection of the server has been answered, no older one is: what was asked there was
//! given up. Otherwise a copy of a request could be signed after another copy was refused, and a
//! refusal would not prove that nothing was signed.

use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bitcoin::{Transaction, consensus::encode};
use signer::{Signer, SoftKeys, refuse_message};
use signer_protocol::{Request, Response, message::decode_body};

use crate::{
    clocks::Clocks,
    file_memory::FileMemory,
    socket::{Frame, read_frame, write_frame},
};

/// The most connections of one listener at a time; each may hold a frame in memory.
const CONNECTIONS_MAX: usize = 8;
/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
pub(crate) struct House {
    signer: Mutex<Signer<FileMemory>>,
    pub(crate) keys: SoftKeys,
    pub(crate) clocks: Clocks,
    /// The newest of the server's connections that was answered; looked at and changed only with
    /// the signer in hand.
    newest: AtomicU64,
}

impl House {
    pub(crate) fn new(signer: Signer<FileMemory>, keys: SoftKeys, clocks: Clocks) -> Self {
        Self { signer: Mutex::new(signer), keys, clocks, newest: AtomicU64::new(0) }
    }

    /// The signer, for one request. A thread that died with it in hand may have left it half
    /// changed: then the process stops.
    pub(crate) fn signer(&self) -> MutexGuard<'_, Signer<FileMemory>> {
        self.signer.lock().unwrap_or_else(|_| {
            tracing::error!("a request ended in a panic; stopping");
            std::process::exit(1)
        })
    }
}

/// Ends the process after a fault: what is in memory may be ahead of what is durable.
pub(crate) fn stop_if_broken(signer: &Signer<FileMemory>) {
    if let Some(fault) = signer.broken() {
        tracing::error!(fault, "stopping after a fault");
        std::process::exit(1);
    }
}

/// Accepts connections for ever and gives each to `serve` in a thread.
pub(crate) fn accept(
    listener: &UnixListener,
    house: &Arc<House>,
    serve: fn(&House, UnixStream, u64) -> io::Result<()>,
) {
    let open = Arc::new(AtomicUsize::new(0));
    for (number, stream) in (1..).zip(listener.incoming()) {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of files, most likely: to try again at once would only burn the processor.
                thread::park_timeout(ACCEPT_PAUSE);
                continue;
            }
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(max = CONNECTIONS_MAX, "too many connections; one was closed");
            continue;
        }
        let (house, mine) = (Arc::clone(house), Arc::clone(&open));
        let run = move || {
            if let Err(error) = serve(&house, stream, number) {
                tracing::debug!(%error, "a connection ended");
            }
            mine.fetch_sub(1, Ordering::Relaxed);
        };
        if let Err(error) = thread::Builder::new().spawn(run) {
            open.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%error, "no thread for a connection");
        }
    }
}

/// Answers the server's frames, as long as no newer connection was answered.
pub(crate) fn serve_requests(house: &House, mut stream: UnixStream, number: u64) -> io::Result<()> {
    loop {
        let body = match read_frame(&mut stream)? {
            Frame::Body(body) => body,
            Frame::TooLarge(error) => {
                let response = refuse_message(&error);
                report(&[], &response);
                return write_frame(&mut stream, &response);
            }
            Frame::End => return Ok(()),
        };
        let response = match decode_body::<Request>(&body) {
            Ok(request) => match answer(house, request, number) {
                Some(response) => response,
                None => return Err(io::Error::other("a newer connection was answered")),
            },
            Err(error) => {
                let response = refuse_message(&error);
                report(&[], &response);
                response
            }
        };
        write_frame(&mut stream, &response)?;
    }
}

/// `None` where a newer connection was answered: nothing was done.
fn answer(house: &House, request: Request, number: u64) -> Option<Response> {
    let named = named(&request);
    let mut signer = house.signer();
    if number < house.newest.load(Ordering::Relaxed) {
        tracing::warn!("a newer connection was answered; a request of an older one is dropped");
        return None;
    }
    house.newest.store(number, Ordering::Relaxed);
    let response = signer.handle(request, house.clocks.now(), &house.keys);
    report(&named, &response);
    // After a fault nobody is answered: the outcome is unknown until the next start.
    stop_if_broken(&signer);
    Some(response)
}

/// The withdrawals that a request names, for the log.
fn named(request: &Request) -> Vec<String> {
    match request {
        Request::Sign(request) => {
            request.evidence.iter().map(|evidence| evidence.withdrawal.to_string()).collect()
        }
        Request::Describe
        | Request::WitnessedHead { .. }
        | Request::WitnessHead { .. }
        | Request::UsableKeys { .. } => Vec::new(),
    }
}

/// Every signature and every refusal, by id and tag; no request as a whole.
fn report(withdrawals: &[String], response: &Response) {
    let withdrawals = withdrawals.join(" ");
    match response {
        Response::Signed(signed) => {
            let transaction = encode::deserialize::<Transaction>(&signed.transaction);
            let txid = transaction.map(|transaction| transaction.compute_txid().to_string());
            let txid = txid.unwrap_or_default();
            tracing::info!(txid, withdrawals, repeated = signed.repeated, "signed");
        }
        Response::Refused { tag, detail } => {
            tracing::warn!(%tag, detail, withdrawals, "refused");
        }
        Response::Fault { detail } => tracing::error!(detail, withdrawals, "fault"),
        Response::Description(_) | Response::Witnessed { .. } | Response::UsableKeys { .. } => {}
    }
}
