//! What every story needs: a house that looks after itself, and words for what is waited for.

pub(crate) mod chain;
pub(crate) mod raw;
pub(crate) mod story;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use strongroom::{
    client::ClientFault,
    house::{DescriptorKind, House, Programs},
    signer_client::SignerClient,
};
use tempfile::TempDir;

/// A house in a folder that goes when the test ends.
pub(crate) struct Stage {
    house: Option<House>,
    dir: TempDir,
}

impl std::ops::Deref for Stage {
    type Target = House;
    fn deref(&self) -> &House {
        self.house.as_ref().expect("a stage has a house until it finishes")
    }
}

impl std::ops::DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut House {
        self.house.as_mut().expect("a stage has a house until it finishes")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for log in ["server.log", "signer.log"] {
            let text = std::fs::read_to_string(self.dir.path().join("house").join(log))
                .unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- the end of {log}\n{end}");
        }
    }
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_strongroom"))
}

/// Runs `strongroom` to its end.
pub(crate) fn strongroom(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

/// Both outputs of a program, for messages.
pub(crate) fn words(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The code with which something was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientFault>) -> String {
    let fault = answer.expect_err("a refusal");
    fault.code().unwrap_or_else(|| panic!("a refusal, found {fault}")).to_owned()
}

/// A number of an answer.
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("no number `{field}` in {value}"))
}

/// A text of an answer.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}")).to_owned()
}

/// Has a process stand still (`STOP`) or go on (`CONT`).
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.unwrap().success(), "SIG{name} for {process}");
}

impl Stage {
    /// A house that releases.
    pub(crate) fn new() -> Self {
        let stage = Self::unready();
        stage.wait_until_ready().unwrap();
        stage
    }

    /// A house that may not release yet.
    pub(crate) fn unready() -> Self {
        Self::of(DescriptorKind::Taproot)
    }

    /// A house whose hot wallet is of this kind.
    pub(crate) fn of(kind: DescriptorKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::find(&program()).unwrap();
        let house = House::build(&dir.path().join("house"), &programs, kind).unwrap();
        Self { house: Some(house), dir }
    }

    /// Replaces a line of the server's configuration; it counts from the next start.
    pub(crate) fn configure(&self, old: &str, new: &str) {
        let path = self.config();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "no `{old}` in {text}");
        std::fs::write(path, text.replace(old, new)).unwrap();
    }

    /// The server's configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.house().dir.join("strongroom.toml")
    }

    fn house(&self) -> &House {
        self
    }

    /// `kill -9` for the server, a change of its configuration, and a new start.
    pub(crate) fn restart_with(&mut self, old: &str, new: &str) {
        self.kill_server();
        self.configure(old, new);
        self.start_server().unwrap();
        self.wait_until_ready().unwrap();
    }

    /// Ends the server as an operator would.
    pub(crate) fn end_server(&mut self) {
        self.server.take().unwrap().end().unwrap();
    }

    /// `strongroom-signer` on the admin socket.
    pub(crate) fn signer_admin(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.signer_program());
        command.args(arguments).arg("--admin-socket").arg(self.admin_socket());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", words(&output));
        words(&output)
    }

    /// What every story ends with.
    pub(crate) fn finish(mut self) {
        self.balance();
        self.end_server();
        let witnessed = self.witnessed();
        let journal = self.journal();
        let checked = strongroom(&[
            "journal",
            "verify",
            journal.to_str().unwrap(),
            "--witnessed",
            &witnessed,
            "--replay",
        ]);
        assert!(checked.status.success(), "journal verify: {}", words(&checked));
        self.house.take().unwrap().close().unwrap();
    }

    /// The head that the signer has witnessed last, as the command line takes it.
    pub(crate) fn witnessed(&self) -> String {
        let signer = SignerClient::new(&self.house().dir.join("signer.sock"));
        let head = signer.witnessed(0).unwrap().expect("the signer has witnessed a head");
        format!("{}:{}", head.size, primitives::to_hex(&head.root))
    }
}
