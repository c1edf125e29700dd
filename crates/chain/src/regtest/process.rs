use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{ClaimedPort, harness};
use crate::{Fault, deadline::Deadline, node::Node, rpc::Endpoint};

/// Starting takes about 0.6 s; a machine with busy cores takes longer.
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A stranger may take a port between our look and the node's.
const PORT_TRIES: u32 = 5;

/// One `bitcoind`, killed and reaped when dropped.
pub(super) struct Process {
    bitcoind: PathBuf,
    dir: PathBuf,
    port: ClaimedPort,
    child: Option<Child>,
}

impl Process {
    pub(super) fn start(bitcoind: &Path, dir: &Path) -> Result<Self, Fault> {
        let tried =
            |error: io::Error| harness(format!("make {}", dir.display()), error.to_string());
        fs::create_dir_all(dir).map_err(tried)?;
        let dir = dir.canonicalize().map_err(tried)?;
        let claim = || ClaimedPort::new().map_err(|e| harness("claim a port", e.to_string()));
        let mut process = Self { bitcoind: bitcoind.to_owned(), dir, port: claim()?, child: None };
        let mut last = harness("start bitcoind", "no attempt was made");
        for _ in 0..PORT_TRIES {
            match process.launch() {
                Ok(()) => return Ok(process),
                Err(fault) if process.child.is_none() => {
                    last = fault;
                    process.port = claim()?;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    pub(super) fn restart(&mut self) -> Result<(), Fault> {
        self.kill();
        self.launch()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::new(format!("127.0.0.1:{}", self.port.number()), self.dir.join("regtest/.cookie"))
    }

    pub(super) const fn dir(&self) -> &PathBuf {
        &self.dir
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only for a process that is already gone.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Waits until the process has ended; kills it otherwise. One that did not answer may be ending
    /// already: Ctrl-C in a terminal reaches every process of the group.
    pub(super) fn wait_for_end(&mut self) -> Result<(), Fault> {
        let Some(child) = self.child.as_mut() else { return Ok(()) };
        let ended = Deadline::after(STOP_LIMIT).poll(|| child.try_wait().transpose()).is_some();
        self.kill();
        if ended {
            return Ok(());
        }
        Err(harness("stop bitcoind", "it did not end and was killed"))
    }

    /// Starts the process and waits until it answers with the cookie in our folder, so that a
    /// stranger on the same port is never taken for ours. No child is left where it ended.
    fn launch(&mut self) -> Result<(), Fault> {
        // What an earlier run left is not ours to show to whoever listens on the port now.
        let _none = fs::remove_file(self.endpoint().credentials_file);
        let tried = format!("start {}", self.bitcoind.display());
        let spawned = self.command().and_then(|mut command| command.spawn());
        self.child = Some(spawned.map_err(|error| harness(&tried, error.to_string()))?);
        let mut node = Node::new(self.endpoint());
        let child = &mut self.child;
        let outcome = Deadline::after(START_LIMIT).poll(|| {
            match child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => {}
                Some(Ok(Some(status))) => return Some(Err(format!("it ended with {status}"))),
                Some(Err(error)) => return Some(Err(error.to_string())),
                None => return Some(Err("it is not there".to_owned())),
            }
            match node.chain_info() {
                Ok(_) => Some(Ok(())),
                Err(fault) if fault.is_transient() => None,
                Err(Fault::Unauthorized { .. }) => None,
                Err(fault) => Some(Err(fault.to_string())),
            }
        });
        match outcome {
            Some(Ok(())) => Ok(()),
            Some(Err(found)) => {
                self.kill();
                Err(harness(tried, format!("{found}; its last words: {}", self.last_words())))
            }
            None => {
                let found = format!("no answer within {} s", START_LIMIT.as_secs());
                Err(harness(tried, format!("{found}; its last words: {}", self.last_words())))
            }
        }
    }

    fn command(&self) -> io::Result<Command> {
        let mut datadir = OsString::from("-datadir=");
        datadir.push(&self.dir);
        let mut command = Command::new(&self.bitcoind);
        command.arg(datadir).arg(format!("-rpcport={}", self.port.number())).args([
            "-regtest",
            "-server",
            "-listen=0",
            "-dnsseed=0",
            "-rpcbind=127.0.0.1",
            "-rpcallowip=127.0.0.1",
            // Regtest would accept what mainnet does not relay.
            "-acceptnonstdtxn=0",
            // The wallet would wait for the disk at every address.
            "-unsafesqlitesync=1",
            "-txindex=1",
            "-fallbackfee=0.0001",
            "-dbcache=4",
            "-maxmempool=10",
            "-par=1",
            "-printtoconsole=0",
        ]);
        if is_knots(&self.bitcoind)? {
            // Options that others do not know. Knots stops working in November 2028 without the
            // first. Without the second it takes a payment with lock time 21 for an inscription
            // ("parasite-cat21"), and a wallet on a young chain draws that lock time now and then.
            command.args(["-softwareexpiry=0", "-rejectparasites=0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(self.dir.join("stderr"))?);
        Ok(command)
    }

    fn last_words(&self) -> String {
        let end_of = |name: &str| end_of_file(&self.dir.join(name)).unwrap_or_default();
        format!("{} {}", end_of("stderr").trim(), end_of("regtest/debug.log").trim())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_knots(bitcoind: &Path) -> io::Result<bool> {
    let output = Command::new(bitcoind).arg("-version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("Knots"))
}

fn end_of_file(path: &Path) -> io::Result<String> {
    const BYTES_MAX: u64 = 600;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
