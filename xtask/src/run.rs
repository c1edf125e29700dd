//! Running other programs.

use std::{
    env, fmt,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Why a command had no success, in one sentence.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl Trouble {
    pub(crate) const fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What programs are run with.
#[derive(Debug, Default)]
pub(crate) struct Step {
    bitcoind: Option<PathBuf>,
}

impl Step {
    pub(crate) const fn with_bitcoind(path: PathBuf) -> Self {
        Self { bitcoind: Some(path) }
    }

    /// Runs cargo in the project's folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<(), Trouble> {
        self.finish(cargo(), arguments)
    }

    /// Runs cargo and gives what it wrote to standard output.
    pub(crate) fn cargo_output(&self, arguments: &[&str]) -> Result<String, Trouble> {
        let mut command = cargo();
        let output = self.prepare(&mut command, arguments).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| Trouble(format!("cargo cannot be run: {error}")))?;
        if !output.status.success() {
            return Err(Trouble(format!("cargo {} failed", arguments.join(" "))));
        }
        String::from_utf8(output.stdout).map_err(|error| Trouble(error.to_string()))
    }

    /// Runs this program once more, as `cargo xtask` would.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Result<(), Trouble> {
        let own = env::current_exe();
        let own = own.map_err(|error| Trouble(format!("this program is not found: {error}")))?;
        self.finish(Command::new(own), arguments)
    }

    /// Becomes a program that was built; comes back only where it cannot be run.
    pub(crate) fn become_program(&self, program: &Path, arguments: &[&str]) -> Result<(), Trouble> {
        let error = self.prepare(&mut Command::new(program), arguments).exec();
        Err(Trouble(format!("{} cannot be run: {error}", program.display())))
    }

    fn prepare<'a>(&self, command: &'a mut Command, arguments: &[&str]) -> &'a mut Command {
        if let Some(bitcoind) = &self.bitcoind {
            command.env("BITCOIND", bitcoind);
        }
        command.args(arguments)
    }

    fn finish(&self, mut command: Command, arguments: &[&str]) -> Result<(), Trouble> {
        let name = command.get_program().to_string_lossy().into_owned();
        let status = self.prepare(&mut command, arguments).status();
        let status = status.map_err(|error| Trouble(format!("{name} cannot be run: {error}")))?;
        if status.success() {
            return Ok(());
        }
        Err(Trouble(format!("`{name} {}` failed ({status})", arguments.join(" "))))
    }
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether `cargo NAME` is there.
pub(crate) fn has_cargo_tool(name: &str) -> bool {
    let tried =
        cargo().args([name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Talk, to standard error.
pub(crate) fn say(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
