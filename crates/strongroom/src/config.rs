//! The configuration file: TOML, every key known, no secret inside. Amounts are whole satoshis and
//! times whole seconds; each key names its unit. Reference: `docs/reference/configuration.md`.

mod check;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use chain::fees::{FeeLimits, TargetBlocks};
use custody::{
    Params,
    deposit::finality::{ConfirmationTable, FinalityModel},
    descriptor::HotDescriptor,
};
use primitives::{BlockHash, BlockHeight, BlockRef, DeploymentId, FeeRate, Network, Sats, Seconds};
use serde::Deserialize;
use signer_protocol::Description;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is no configuration of this program")]
    Toml {
        /// Its path.
        path: PathBuf,
        /// Line and reason.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value that cannot work.
    #[error("{key}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

/// Everything that the operator configures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `mainnet`, `testnet3`, `testnet4`, `signet` or `regtest`.
    pub network: String,
    /// Whether the operator says that they know what this release lacks; mainnet needs it.
    #[serde(default)]
    pub accept_evaluation_grade: bool,
    /// The folder of journal, snapshots and views.
    pub data_dir: PathBuf,
    /// The customers' interface.
    pub http: Http,
    /// The bitcoin node.
    pub node: NodeConfig,
    /// The signer.
    pub signer: SignerConfig,
    /// The operators' interface.
    pub operator: OperatorConfig,
    /// Deposits.
    #[serde(default)]
    pub deposits: Deposits,
    /// Withdrawals.
    #[serde(default)]
    pub withdrawals: Withdrawals,
    /// Batches.
    #[serde(default)]
    pub payouts: Payouts,
    /// Reorgs.
    #[serde(default)]
    pub reorgs: Reorgs,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where customers and operators are served.
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub monitor_listen: SocketAddr,
    /// The names under which customers reach this house, with the port unless it is 443: what
    /// they sign as `@authority`.
    pub authorities: Vec<String>,
    /// How far ahead of ours a customer's clock may run.
    #[serde(default = "five")]
    pub clock_skew_seconds: u64,
    /// How long a signed request may be valid.
    #[serde(default = "sixty")]
    pub request_lifetime_seconds: u64,
    /// Requests whose nonces are remembered at once.
    #[serde(default = "million")]
    pub nonces_max: usize,
}

/// `[node]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Host and port of the node's RPC.
    pub rpc: String,
    /// The node's cookie, or a file with `user:password`.
    pub credentials_file: PathBuf,
    /// Pause between two looks at the node.
    #[serde(default = "thousand")]
    pub poll_millis: u64,
    /// A tip older than this releases nothing; 0 for never, on regtest only.
    #[serde(default = "three_hours")]
    pub stale_after_seconds: u64,
}

/// `[signer]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerConfig {
    /// The signer's socket.
    pub socket: PathBuf,
    /// The deployment that must be behind it, 64 digits; asked of the signer where left out.
    pub deployment: Option<String>,
}

/// `[operator]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorConfig {
    /// A file with the temporary operator token, readable by this user alone. Temporary: passkeys
    /// replace it.
    pub token_file: PathBuf,
}

/// `[deposits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deposits {
    /// Never fewer confirmations than this.
    pub confirmations_floor: u32,
    /// The same confirmations for every value; 0 for the model below.
    pub confirmations_fixed: u32,
    /// Share of all work that an attacker is believed to have, in thousandths, below 500.
    pub attacker_permille: u32,
    /// Loss accepted on average for one deposit.
    pub accepted_loss_sat: u64,
    /// Work of a majority attacker in thousandths of the honest work, above 1000.
    pub majority_permille: u32,
    /// Subsidy and fees of one block.
    pub block_reward_sat: u64,
    /// Confirmations beyond those of crediting until a deposit may be withdrawn.
    pub withdrawable_extra_confirmations: u32,
    /// Blocks that a credited deposit may be missing after a reorg before it is reversed.
    pub adrift_blocks_max: u32,
}

impl Default for Deposits {
    fn default() -> Self {
        Self {
            confirmations_floor: 2,
            confirmations_fixed: 0,
            attacker_permille: 100,
            accepted_loss_sat: 100_000,
            majority_permille: 1_250,
            block_reward_sat: 312_500_000,
            withdrawable_extra_confirmations: 1,
            adrift_blocks_max: 6,
        }
    }
}

/// `[withdrawals]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Withdrawals {
    /// The smallest amount.
    pub min_sat: u64,
    /// What one costs.
    pub fee_sat: u64,
    /// What an intent may offer at most.
    pub fee_max_sat: u64,
    /// From acceptance to the first moment at which it may be batched.
    pub release_window_seconds: u64,
    /// Amounts from here on cool down first.
    pub cool_down_from_sat: u64,
    /// How long they cool down.
    pub cool_down_seconds: u64,
    /// Amounts from here on go to review.
    pub review_from_sat: u64,
    /// Operators who must approve.
    pub review_approvals: u8,
    /// The protection fund's share of fee income, in hundredths of a percent.
    pub fund_share_bps: u16,
}

impl Default for Withdrawals {
    fn default() -> Self {
        Self {
            min_sat: 10_000,
            fee_sat: 2_000,
            fee_max_sat: 50_000,
            release_window_seconds: 600,
            cool_down_from_sat: 200_000_000,
            cool_down_seconds: 6 * 3600,
            review_from_sat: 1_000_000_000,
            review_approvals: 1,
            fund_share_bps: 1_000,
        }
    }
}

/// `[payouts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Payouts {
    /// Confirmations after which a payout counts as final and a coin may be spent.
    pub final_confirmations: u32,
    /// Payouts in one batch.
    pub batch_outputs_max: u32,
    /// Coins in one batch.
    pub batch_inputs_max: u32,
    /// The sum of payouts in one batch.
    pub batch_total_max_sat: u64,
    /// Pause before a refused batch is tried again.
    pub retry_seconds: u64,
    /// Blocks within which a batch should confirm.
    pub fee_target_blocks: u16,
    /// Never less than this rate, in satoshis per 1,000 weight units (250 = 1 sat/vB).
    pub fee_rate_floor_sat_per_kwu: u64,
    /// Never more than this rate.
    pub fee_rate_max_sat_per_kwu: u64,
    /// How often a batch that waits for its block is given to the node again.
    pub rebroadcast_seconds: u64,
    /// Pause between two rounds of the payout worker.
    pub round_millis: u64,
}

impl Default for Payouts {
    fn default() -> Self {
        Self {
            final_confirmations: 6,
            // With the change they are the 200 outputs that a signer takes by default.
            batch_outputs_max: 199,
            batch_inputs_max: 100,
            batch_total_max_sat: 2_000_000_000,
            retry_seconds: 60,
            fee_target_blocks: 6,
            fee_rate_floor_sat_per_kwu: 250,
            // 50 sat/vB: the largest batch stays below the signer's cap of 0.01 BTC in fees.
            fee_rate_max_sat_per_kwu: 12_500,
            rebroadcast_seconds: 60,
            round_millis: 1_000,
        }
    }
}

/// `[reorgs]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reorgs {
    /// Depth from which releases stop until a person resumes them.
    pub stop_depth: u32,
}

impl Default for Reorgs {
    fn default() -> Self {
        Self { stop_depth: 6 }
    }
}

const fn five() -> u64 {
    5
}
const fn sixty() -> u64 {
    60
}
const fn thousand() -> u64 {
    1_000
}
const fn three_hours() -> u64 {
    3 * 3600
}
const fn million() -> usize {
    1_000_000
}

impl Payouts {
    /// Within how many blocks a batch should confirm.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`] for a target that nodes do not estimate.
    pub fn fee_target(&self) -> Result<TargetBlocks, ConfigFault> {
        TargetBlocks::parse(self.fee_target_blocks)
            .map_err(|error| value("payouts.fee_target_blocks", &error))
    }

    /// The lowest and highest fee rate of a batch.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`] for limits that leave no rate.
    pub fn fee_limits(&self) -> Result<FeeLimits, ConfigFault> {
        let floor = FeeRate::from_sat_per_kwu(self.fee_rate_floor_sat_per_kwu);
        let cap = FeeRate::from_sat_per_kwu(self.fee_rate_max_sat_per_kwu);
        FeeLimits::parse(floor, cap)
            .map_err(|error| value("payouts.fee_rate_floor_sat_per_kwu", &error))
    }
}

/// What a journal never changes, and what one of its coins weighs.
struct Installation {
    network: Network,
    deployment: DeploymentId,
    descriptor: String,
    gap_external: u32,
    input_weight: u64,
    start: BlockRef,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::File`], [`ConfigFault::Toml`], which names line and key, and
    /// [`ConfigFault::Value`] for what cannot work whatever signer and node say.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFault::File { path: path.to_path_buf(), source })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigFault::Toml {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        config.check_values()?;
        Ok(config)
    }

    /// The bitcoin network.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`] for a name that is none.
    pub fn network(&self) -> Result<Network, ConfigFault> {
        self.network.parse().map_err(|error| value("network", &error))
    }

    /// The operator's token, without white space around it.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`] for a token that cannot be read, is too short, or may be read by
    /// others.
    pub fn operator_token(&self) -> Result<String, ConfigFault> {
        use std::os::unix::fs::PermissionsExt;
        let path = &self.operator.token_file;
        let file = |error| ConfigFault::Value {
            key: "operator.token_file",
            reason: format!("{} cannot be read: {error}", path.display()),
        };
        let mode = std::fs::metadata(path).map_err(file)?.permissions().mode();
        if mode & 0o077 != 0 {
            let reason = format!("{} may be read by others; chmod 600 it", path.display());
            return Err(ConfigFault::Value { key: "operator.token_file", reason });
        }
        let token = std::fs::read_to_string(path).map_err(file)?.trim().to_owned();
        if token.len() < 32 {
            let reason = "the token has fewer than 32 characters; `openssl rand -hex 32` makes one";
            return Err(ConfigFault::Value {
                key: "operator.token_file",
                reason: reason.to_owned(),
            });
        }
        Ok(token)
    }

    /// Everything that can be said without a signer and a node.
    ///
    /// # Errors
    ///
    /// [`ConfigFault`] names the first key that cannot work.
    pub fn check(&self) -> Result<(), ConfigFault> {
        let network = self.network()?;
        self.operator_token()?;
        self.payouts.fee_target()?;
        self.payouts.fee_limits()?;
        if let Some(text) = &self.signer.deployment {
            let parsed = text.parse::<DeploymentId>();
            parsed.map_err(|error| value("signer.deployment", &error))?;
        }
        let nobody = Installation {
            network,
            deployment: DeploymentId([0; 32]),
            descriptor: String::new(),
            gap_external: 1,
            input_weight: 0,
            start: BlockRef { height: BlockHeight(0), hash: BlockHash([0; 32]) },
        };
        self.domain(nobody).map(drop)
    }

    /// The parameters of the core, for this signer and from this block on.
    ///
    /// # Errors
    ///
    /// [`ConfigFault::Value`] names the first key that cannot work.
    pub fn params(&self, signer: &Description, start: BlockRef) -> Result<Params, ConfigFault> {
        let network = self.network()?;
        if signer.network != network {
            let reason = format!("the signer signs for {}, not for {network}", signer.network);
            return Err(ConfigFault::Value { key: "signer.socket", reason });
        }
        if self.signer.deployment.as_ref().is_some_and(|id| *id != signer.deployment.to_string()) {
            let wanted = self.signer.deployment.as_deref().unwrap_or_default();
            let reason = format!(
                "{wanted} is wanted, but the signer behind the socket is {}",
                signer.deployment
            );
            return Err(ConfigFault::Value { key: "signer.deployment", reason });
        }
        let descriptor = HotDescriptor::parse(&signer.descriptor)
            .map_err(|refusal| value("signer.socket", &refusal))?;
        self.domain(Installation {
            network,
            deployment: signer.deployment,
            descriptor: signer.descriptor.clone(),
            gap_external: signer.gap_external,
            input_weight: descriptor.input_weight(),
            start,
        })
    }

    fn domain(&self, installation: Installation) -> Result<Params, ConfigFault> {
        let fee_rate_max = FeeRate::from_sat_per_kwu(self.payouts.fee_rate_max_sat_per_kwu);
        let deposit_min = fee_rate_max.fee_for_weight(installation.input_weight);
        let too_much = || ConfigFault::Value {
            key: "payouts.fee_rate_max_sat_per_kwu",
            reason: "more than all bitcoin for one input".to_owned(),
        };
        let params = Params {
            network: installation.network,
            deployment: installation.deployment,
            descriptor: installation.descriptor,
            start: installation.start,
            gap_external: installation.gap_external,
            confirmations: self.confirmations()?,
            withdrawable_extra: self.deposits.withdrawable_extra_confirmations,
            final_confirmations: self.payouts.final_confirmations,
            reorg_stop_depth: self.reorgs.stop_depth,
            adrift_blocks_max: self.deposits.adrift_blocks_max,
            deposit_min: deposit_min.ok_or_else(too_much)?,
            withdrawal_min: sats("withdrawals.min_sat", self.withdrawals.min_sat)?,
            withdrawal_fee: sats("withdrawals.fee_sat", self.withdrawals.fee_sat)?,
            withdrawal_fee_max: sats("withdrawals.fee_max_sat", self.withdrawals.fee_max_sat)?,
            release_window: Seconds(self.withdrawals.release_window_seconds),
            cool_down_from: sats(
                "withdrawals.cool_down_from_sat",
                self.withdrawals.cool_down_from_sat,
            )?,
            cool_down: Seconds(self.withdrawals.cool_down_seconds),
            review_from: sats("withdrawals.review_from_sat", self.withdrawals.review_from_sat)?,
            review_approvals: self.withdrawals.review_approvals,
            batch_outputs_max: self.payouts.batch_outputs_max,
            batch_inputs_max: self.payouts.batch_inputs_max,
            batch_total_max: sats("payouts.batch_total_max_sat", self.payouts.batch_total_max_sat)?,
            batch_retry: Seconds(self.payouts.retry_seconds),
            fee_rate_max,
            fund_share_bps: self.withdrawals.fund_share_bps,
        };
        match params.fault() {
            // What the file alone can have wrong was refused when it was read, under its own key.
            Some(reason) => Err(ConfigFault::Value {
                key: "signer.socket",
                reason: format!("with what the signer says the house cannot open: {reason}"),
            }),
            None => Ok(params),
        }
    }

    fn confirmations(&self) -> Result<ConfirmationTable, ConfigFault> {
        let deposits = &self.deposits;
        if deposits.confirmations_fixed > 0 {
            return Ok(ConfirmationTable::fixed(deposits.confirmations_fixed));
        }
        if !(1..500).contains(&deposits.attacker_permille) {
            let reason = "a minority attacker has 1 to 499 thousandths of all work".to_owned();
            return Err(ConfigFault::Value { key: "deposits.attacker_permille", reason });
        }
        if deposits.majority_permille <= 1_000 {
            let reason = "a majority attacker has more than 1000 thousandths of the honest work";
            let reason = reason.to_owned();
            return Err(ConfigFault::Value { key: "deposits.majority_permille", reason });
        }
        Ok(ConfirmationTable::new(&FinalityModel {
            attacker_permille: deposits.attacker_permille,
            accepted_loss: sats("deposits.accepted_loss_sat", deposits.accepted_loss_sat)?,
            majority_permille: deposits.majority_permille,
            block_reward: sats("deposits.block_reward_sat", deposits.block_reward_sat)?,
            floor: deposits.confirmations_floor,
        }))
    }
}

fn value(key: &'static str, error: &dyn std::error::Error) -> ConfigFault {
    ConfigFault::Value { key, reason: error.to_string() }
}

fn sats(key: &'static str, sats: u64) -> Result<Sats, ConfigFault> {
    Sats::parse(sats).map_err(|error| value(key, &error))
}

/// Our network in the words of the bitcoin library.
#[must_use]
pub const fn bitcoin_network(network: Network) -> bitcoin::Network {
    match network {
        Network::Mainnet => bitcoin::Network::Bitcoin,
        Network::Testnet3 => bitcoin::Network::Testnet,
        Network::Testnet4 => bitcoin::Network::Testnet4,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    }
}
