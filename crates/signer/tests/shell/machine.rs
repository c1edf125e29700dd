//! A folder with a signer in it, and its process.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use signer::{
    Settings,
    sample::{self, Batch},
};
use signer_protocol::{
    Request, Response, SignedTransaction,
    message::{decode_body, encode_frame},
};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";

pub(crate) struct Machine {
    folder: TempDir,
    pub(crate) settings: Settings,
}

/// The process; killed at the latest when dropped.
pub(crate) struct Process {
    child: Child,
    log: BufReader<ChildStderr>,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom-signer"));
    command.env_remove("STRONGROOM_SIGNER_PASSPHRASE_FILE").env_remove("RUST_LOG");
    command
}

/// A file that nobody else may read, as a passphrase must be in.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

impl Machine {
    /// A new signer on regtest, made by `init` with more `arguments`.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_private(&folder.path().join("passphrase"), PASSPHRASE);
        let dir = folder.path().join("signer");
        let done = program()
            .args(["init", "--network", "regtest", "--scrypt-work-factor", "2"])
            .args(["--capacity-sat", "1000000000"])
            .args(arguments)
            .arg("--dir")
            .arg(&dir)
            .arg("--passphrase-file")
            .arg(folder.path().join("passphrase"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let settings = fs::read_to_string(dir.join("signer.toml")).unwrap();
        let settings = Settings::parse_toml(&settings).unwrap();
        let printed = String::from_utf8(done.stdout).unwrap();
        assert!(printed.contains(&settings.descriptor.to_string()));
        assert!(printed.contains(&settings.deployment().to_string()));
        Self { folder, settings }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn serve_command(&self) -> Command {
        let mut command = program();
        command.arg("serve").arg("--dir").arg(self.path("signer"));
        command.arg("--socket").arg(self.path("socket"));
        command.arg("--admin-socket").arg(self.path("admin"));
        command.arg("--passphrase-file").arg(self.path("passphrase"));
        command
    }

    /// Starts the signer and waits until it says that it serves.
    pub(crate) fn serve(&self) -> Process {
        let mut child = self.serve_command().stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("serving") {
            let read = log.read_line(&mut seen).unwrap();
            assert!(read > 0, "the signer ended: {seen}");
        }
        Process { child, log }
    }

    /// Starts the signer where it must refuse to start.
    pub(crate) fn serve_in_vain(&self) -> Output {
        self.serve_command().output().unwrap()
    }

    /// Runs a command against the admin socket.
    pub(crate) fn admin(&self, arguments: &[&str]) -> Output {
        program().args(arguments).arg("--admin-socket").arg(self.path("admin")).output().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        program().args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    pub(crate) fn status(&self) -> String {
        let output = self.admin(&["status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path("socket")).unwrap()
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        let mut stream = self.connect();
        send(&mut stream, request);
        receive(&mut stream).unwrap()
    }

    pub(crate) fn sign(&self, batch: &Batch) -> SignedTransaction {
        match self.ask(&batch.request()) {
            Response::Signed(signed) => signed,
            other => panic!("expected a signature, found {other:?}"),
        }
    }

    /// The sample batch with coins and withdrawals of its own, valid for an hour from now.
    pub(crate) fn batch(&self, number: u32) -> Batch {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let plan = sample::a_batch(&self.settings).with(|plan| {
            plan.coins[0].number = 2 * number;
            plan.coins[1].number = 2 * number + 1;
            for (place, payout) in plan.payouts.iter_mut().enumerate() {
                let nonce = u64::from(2 * number) + place as u64;
                *payout = sample::Payout::new(nonce, 10_000);
                payout.not_after = now + 3_600;
            }
        });
        plan.build().unwrap()
    }
}

pub(crate) fn send(stream: &mut UnixStream, request: &Request) {
    stream.write_all(&encode_frame(request).unwrap()).unwrap();
}

/// The answer, or `None` where the other side is gone or slow.
pub(crate) fn receive(stream: &mut UnixStream) -> Option<Response> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(decode_body(&body).unwrap())
}

impl Process {
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the rest of the log. The exit must be clean.
    pub(crate) fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_gone = self.child.wait();
    }
}
