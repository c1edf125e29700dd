use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use chain::regtest::{ClaimedPort, RegtestNode};
use primitives::to_hex;

use super::{Process, Programs};
use crate::clock;

/// What the signer's outermost bucket holds in a house, in satoshis: 5 BTC.
const SIGNER_CAPACITY_SAT: &str = "500000000";

/// What the hot wallet's addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorKind {
    /// `tr(KEY)`, segwit v1.
    Taproot,
    /// `wpkh(KEY)`, segwit v0.
    WitnessKeyHash,
}

impl DescriptorKind {
    /// As `strongroom-signer init --descriptor-kind` takes it.
    const fn name(self) -> &'static str {
        match self {
            Self::Taproot => "tr",
            Self::WitnessKeyHash => "wpkh",
        }
    }
}

/// The files, ports and programs of a house.
pub struct HouseConfig {
    dir: PathBuf,
    programs: Programs,
    port: ClaimedPort,
    monitor_port: ClaimedPort,
    token: String,
}

impl HouseConfig {
    /// Initialises the signer and writes the server's configuration.
    pub(super) fn write(
        dir: &Path,
        programs: &Programs,
        node: &RegtestNode,
        kind: DescriptorKind,
    ) -> anyhow::Result<Self> {
        let token = to_hex(&clock::random::<32>().map_err(|error| anyhow::anyhow!(error))?);
        let config = Self {
            dir: dir.to_path_buf(),
            programs: programs.clone(),
            port: ClaimedPort::new()?,
            monitor_port: ClaimedPort::new()?,
            token,
        };
        write_private(&dir.join("operator-token"), &config.token)?;
        config.init_signer(kind)?;
        let endpoint = node.endpoint();
        let text = config.server_toml(&endpoint.address, &endpoint.credentials_file);
        fs::write(config.server_config(), text)?;
        Ok(config)
    }

    fn init_signer(&self, kind: DescriptorKind) -> anyhow::Result<()> {
        let passphrase = to_hex(&clock::random::<16>().map_err(|error| anyhow::anyhow!(error))?);
        write_private(&self.dir.join("signer-passphrase"), &passphrase)?;
        let mut command = self.signer_command("init");
        command.args(["--network", "regtest", "--capacity-sat", SIGNER_CAPACITY_SAT]);
        command.args(["--descriptor-kind", kind.name()]);
        // Nobody waits two days in a demo, and no secret of a regtest is worth a second of scrypt.
        command.args(["--key-cool-down-seconds", "0", "--scrypt-work-factor", "2"]);
        let output = command.output().context("running strongroom-signer init")?;
        if !output.status.success() {
            bail!("strongroom-signer init: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn signer_command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.programs.signer);
        command.arg(subcommand).arg("--dir").arg(self.dir.join("signer"));
        command.env("STRONGROOM_SIGNER_PASSPHRASE_FILE", self.dir.join("signer-passphrase"));
        command
    }

    pub(super) fn start_signer(&self) -> anyhow::Result<Process> {
        // A socket that a killed signer left behind is no sign of life.
        let _absent = fs::remove_file(self.signer_socket());
        let mut command = self.signer_command("serve");
        command.arg("--socket").arg(self.signer_socket());
        command.arg("--admin-socket").arg(self.admin_socket());
        Process::start("strongroom-signer", command, &self.dir.join("signer.log"))
    }

    pub(super) fn start_server(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(&self.programs.server);
        command.args(["serve", "--config"]).arg(self.server_config());
        Process::start("strongroom", command, &self.dir.join("server.log"))
    }

    pub(super) fn signer_socket(&self) -> PathBuf {
        self.dir.join("signer.sock")
    }

    pub(super) fn admin_socket(&self) -> PathBuf {
        self.dir.join("signer-admin.sock")
    }

    pub(super) fn signer_program(&self) -> &Path {
        &self.programs.signer
    }

    fn server_config(&self) -> PathBuf {
        self.dir.join("strongroom.toml")
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    pub(super) fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port.number())
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Short times and few confirmations: a person watches.
    fn server_toml(&self, rpc: &str, credentials: &Path) -> String {
        let (port, monitor) = (self.port.number(), self.monitor_port.number());
        let dir = self.dir.display();
        let credentials = credentials.display();
        format!(
            r#"# Written for a throw-away regtest. Never use it for money.
network = "regtest"
data_dir = "{dir}/data"

[http]
listen = "127.0.0.1:{port}"
monitor_listen = "127.0.0.1:{monitor}"
authorities = ["127.0.0.1:{port}"]
clock_skew_seconds = 0

[node]
rpc = "{rpc}"
credentials_file = "{credentials}"
poll_millis = 100
stale_after_seconds = 0

[signer]
socket = "{dir}/signer.sock"

[operator]
token_file = "{dir}/operator-token"

[deposits]
confirmations_fixed = 3
withdrawable_extra_confirmations = 0

[withdrawals]
release_window_seconds = 1
cool_down_from_sat = 300000000
cool_down_seconds = 3
review_from_sat = 200000000

[payouts]
final_confirmations = 3
retry_seconds = 2
fee_rate_floor_sat_per_kwu = 500
rebroadcast_seconds = 1
round_millis = 100
"#
        )
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    Ok(())
}
