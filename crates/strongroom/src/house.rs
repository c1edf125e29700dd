//! A whole house on a throw-away regtest: a real node, a real signer process, a real server
//! process. The demo lives in it, and the end-to-end tests kill its parts.

mod config;
pub mod interrupt;
mod process;

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use bitcoin::Address;
use chain::regtest::RegtestNode;
use ed25519_dalek::SigningKey;
use primitives::{AccountId, DeploymentId, Network, Sats};
use serde_json::{Value, json};

pub use config::{DescriptorKind, HouseConfig};
pub use process::Process;

use crate::{
    client::{self, Ask, Caller, Client},
    clock,
};

/// How long anything in a house is waited for.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running house.
pub struct House {
    /// Everything is in this folder.
    pub dir: PathBuf,
    /// The node.
    pub node: RegtestNode,
    /// The signer's process, while it runs.
    pub signer: Option<Process>,
    /// The server's process, while it runs.
    pub server: Option<Process>,
    config: HouseConfig,
}

/// A customer of the house.
pub struct Customer {
    /// Their account.
    pub account: AccountId,
    /// Their signing key.
    pub key: SigningKey,
    /// Asks in their name.
    pub client: Client,
    /// Their deposit address.
    pub address: Address,
}

/// The programs that a house is made of.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `bitcoind`.
    pub bitcoind: PathBuf,
    /// `strongroom`.
    pub server: PathBuf,
    /// `strongroom-signer`.
    pub signer: PathBuf,
}

impl Programs {
    /// The programs beside this one, and a `bitcoind` as [`chain::regtest::find_bitcoind`] finds it.
    ///
    /// # Errors
    ///
    /// Which one is missing, and what to do.
    pub fn find(server: &Path) -> anyhow::Result<Self> {
        let bitcoind = chain::regtest::find_bitcoind().ok_or_else(|| {
            anyhow!("no bitcoind: set BITCOIND, put one on PATH, or run `cargo xtask setup`")
        })?;
        let named = std::env::var_os("STRONGROOM_SIGNER").map(PathBuf::from);
        let signer = named.unwrap_or_else(|| server.with_file_name("strongroom-signer"));
        if !signer.is_file() {
            bail!("no {}: build the workspace, or set STRONGROOM_SIGNER", signer.display());
        }
        Ok(Self { bitcoind, server: server.to_path_buf(), signer })
    }
}

impl House {
    /// Starts node, signer and server in `dir`, with coins for the node's own wallet.
    ///
    /// # Errors
    ///
    /// What could not be started.
    pub fn build(dir: &Path, programs: &Programs, kind: DescriptorKind) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let node = RegtestNode::start(&programs.bitcoind, &dir.join("node"))
            .context("starting bitcoind")?;
        node.mine(110)?;
        let config = HouseConfig::write(dir, programs, &node, kind)?;
        let mut house = Self { dir: dir.to_path_buf(), node, signer: None, server: None, config };
        house.start_signer()?;
        house.start_server()?;
        Ok(house)
    }

    /// Starts the signer and waits until it answers.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub fn start_signer(&mut self) -> anyhow::Result<()> {
        self.signer = Some(self.config.start_signer()?);
        let socket = self.config.signer_socket();
        wait_for("the signer's socket", || Ok(socket.exists().then_some(())))
    }

    /// Starts the server and waits until it is alive.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub fn start_server(&mut self) -> anyhow::Result<()> {
        let mut server = self.config.start_server()?;
        let monitor = self.monitor();
        let alive = wait_for("the server", || {
            if let Some(status) = server.exited()? {
                bail!("the server ended with {status}; see {}", server.log().display());
            }
            Ok(monitor.get("/livez").ok())
        });
        self.server = Some(server);
        alive.map(|_| ())
    }

    /// Waits until the house releases.
    ///
    /// # Errors
    ///
    /// Where it does not, with the reasons that it gives.
    pub fn wait_until_ready(&self) -> anyhow::Result<()> {
        let monitor = self.monitor();
        let ready = || Ok(monitor.get("/readyz").ok().map(|_| ()));
        wait_for("/readyz", ready).map_err(|error| match monitor.get("/readyz") {
            Err(fault) => error.context(fault.to_string()),
            Ok(_) => error,
        })
    }

    /// `kill -9` for the server.
    pub fn kill_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// `kill -9` for the signer.
    pub fn kill_signer(&mut self) {
        if let Some(signer) = self.signer.take() {
            signer.kill();
        }
    }

    /// The customers' and operators' base address.
    #[must_use]
    pub fn url(&self) -> String {
        self.config.url()
    }

    /// The monitor's base address.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        self.config.monitor_url()
    }

    /// The journal's file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("data").join("journal.sqlite")
    }

    /// The file with the temporary operator token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.dir.join("operator-token")
    }

    /// The signer's socket for halts.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.config.admin_socket()
    }

    /// The signer's program.
    #[must_use]
    pub fn signer_program(&self) -> &Path {
        self.config.signer_program()
    }

    /// Asks without credentials.
    #[must_use]
    pub fn anyone(&self) -> Client {
        Client::new(&self.url(), Caller::Anyone)
    }

    /// Asks the monitor.
    #[must_use]
    pub fn monitor(&self) -> Client {
        Client::new(&self.monitor_url(), Caller::Anyone)
    }

    /// Asks as the operator.
    #[must_use]
    pub fn operator(&self) -> Client {
        Client::new(&self.url(), Caller::Operator(self.config.token().to_owned()))
    }

    /// Opens an account with a key and a deposit address.
    ///
    /// # Errors
    ///
    /// What the server refused.
    pub fn customer(&self, name: &str) -> anyhow::Result<Customer> {
        let operator = self.operator();
        let opened = operator.post_once("/ops/v1/accounts", name)?;
        let account = client::text(&opened, "account")?;
        let key = client::new_key()?;
        let body = json!({
            "key": client::key_id(&key).to_string(),
            "account": account,
            "scopes": ["read", "trade", "withdraw"],
        });
        operator.post("/ops/v1/keys", &body)?;
        self.list_key(&account, &key)?;
        let client = Client::new(&self.url(), Caller::Key(key.clone()));
        let address = client.new_address("first")?;
        let address: Address<_> = address.parse()?;
        let address = address.require_network(bitcoin::Network::Regtest)?;
        Ok(Customer { account: account.parse()?, key, client, address })
    }

    /// Has the signer list a customer's key, on the signer's own host.
    fn list_key(&self, account: &str, key: &SigningKey) -> anyhow::Result<()> {
        let mut command = Command::new(self.signer_program());
        command.args(["add-key", "--account", account, "--key", &client::key_id(key).to_string()]);
        let output = command.arg("--admin-socket").arg(self.admin_socket()).output()?;
        if !output.status.success() {
            bail!("strongroom-signer add-key: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// The trading service, with a key of its own.
    ///
    /// # Errors
    ///
    /// What the server refused.
    pub fn trading_service(&self) -> anyhow::Result<Client> {
        let key = client::new_key()?;
        let id = client::key_id(&key).to_string();
        let body = json!({ "key": id, "scopes": ["read", "settle"] });
        self.operator().post("/ops/v1/keys", &body)?;
        Ok(Client::new(&self.url(), Caller::Key(key)))
    }

    /// What `customer` signs to have `amount` paid to `to`.
    ///
    /// # Errors
    ///
    /// Where the server does not say who it is.
    pub fn ask(&self, customer: &Customer, to: &Address, amount: Sats) -> anyhow::Result<Ask> {
        let deployment = self.anyone().get("/v1/deployment")?;
        let id: DeploymentId = client::text(&deployment, "deployment")?.parse()?;
        let fee = deployment.get("withdrawal_fee_sat").and_then(Value::as_u64);
        Ok(Ask {
            network: Network::Regtest,
            deployment: id,
            account: customer.account,
            script: to.script_pubkey().to_bytes(),
            amount,
            fee: Sats::parse(fee.ok_or_else(|| anyhow!("no fee in {deployment}"))?)?,
            not_after: client::not_after(24 * 3600),
            nonce: clock::random().map_err(|error| anyhow!(error))?,
        })
    }

    /// Ends everything in order.
    ///
    /// # Errors
    ///
    /// What did not end well.
    pub fn close(mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.take() {
            server.end()?;
        }
        if let Some(signer) = self.signer.take() {
            signer.end()?;
        }
        self.node.stop()?;
        Ok(())
    }
}

/// Asks `found` until it finds, at most for [`PATIENCE`], or until a person interrupts.
///
/// # Errors
///
/// That of `found`, [`interrupt::Interrupted`], or that the time is over.
pub fn wait_for<T>(
    what: &str,
    mut found: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = clock::monotonic();
    loop {
        interrupt::check()?;
        if let Some(found) = found()? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            bail!("waited {} s for {what}", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
