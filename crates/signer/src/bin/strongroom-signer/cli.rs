//! The command line. Secrets never stand on it: other users can read it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use primitives::{AccountId, KeyId, Network};

/// Holds the key of the hot wallet, and signs payouts that it has examined itself, within a limit of
/// its own.
#[derive(Parser)]
#[command(name = "strongroom-signer", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Draw a new key and write its encrypted file, the settings and an empty state.
    Init(Init),
    /// Serve requests until SIGTERM.
    Serve(Serve),
    /// Compute known answers; with --dir also verify the state of a signer that does not run.
    Selftest(Selftest),
    #[command(flatten)]
    Admin(Admin),
}

#[derive(Args)]
pub(crate) struct Init {
    /// A folder that does not exist yet or is empty.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// mainnet, testnet3, testnet4, signet or regtest.
    #[arg(long)]
    pub(crate) network: Network,
    /// What kind of addresses the hot wallet has.
    #[arg(long, value_enum, default_value_t = Kind::Tr)]
    pub(crate) descriptor_kind: Kind,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
    /// Work of scrypt, as the exponent of 2; below 15 only on regtest. Default: about a second.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=22))]
    pub(crate) scrypt_work_factor: Option<u8>,
    /// What the outer bucket holds, in satoshis; the other limits follow from it.
    #[arg(long, default_value_t = 100_000_000)]
    pub(crate) capacity_sat: u64,
    /// What flows back into the outer bucket in an hour. Default: a tenth of the capacity.
    #[arg(long)]
    pub(crate) refill_sat_per_hour: Option<u64>,
    /// The bucket for what only the server vouches for. Default: a quarter of the capacity.
    #[arg(long)]
    pub(crate) server_vouched_capacity_sat: Option<u64>,
    /// What flows back into it in an hour. Default: a tenth of its capacity.
    #[arg(long)]
    pub(crate) server_vouched_refill_sat_per_hour: Option<u64>,
    /// The most that one transaction pays the network, in satoshis.
    #[arg(long)]
    pub(crate) fee_sat_max: Option<u64>,
    /// How long a customer's key cools down, in seconds of running time.
    #[arg(long)]
    pub(crate) key_cool_down_seconds: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Taproot, spent by key (BIP-86).
    Tr,
    /// Witness key hash (BIP-84).
    Wpkh,
}

#[derive(Args)]
pub(crate) struct Passphrase {
    /// A file with the passphrase of the key file, mode 600; else the file that the environment variable
    /// `STRONGROOM_SIGNER_PASSPHRASE_FILE` names.
    #[arg(long)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The signer's folder.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// The socket for the server.
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// Who may connect to the server's socket, as file mode: 600 (only this user) or 660.
    #[arg(long, default_value = "600", value_parser = ["600", "660"])]
    pub(crate) socket_mode: String,
    /// The socket for whoever runs this host; always only for this user.
    #[arg(long)]
    pub(crate) admin_socket: PathBuf,
    #[command(flatten)]
    pub(crate) passphrase: Passphrase,
}

#[derive(Args)]
pub(crate) struct Selftest {
    /// The signer's folder.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct AdminSocket {
    /// The admin socket of the running signer.
    #[arg(long)]
    pub(crate) admin_socket: PathBuf,
}

#[derive(Args)]
pub(crate) struct CustomerKey {
    #[command(flatten)]
    pub(crate) socket: AdminSocket,
    /// The account, `acct_…`.
    #[arg(long)]
    pub(crate) account: AccountId,
    /// The customer's Ed25519 key, `key_…`.
    #[arg(long)]
    pub(crate) key: KeyId,
}

#[derive(Subcommand)]
pub(crate) enum Admin {
    /// Sign nothing more, at once and across restarts.
    Halt {
        #[command(flatten)]
        socket: AdminSocket,
        /// Why: one line.
        #[arg(long)]
        reason: String,
    },
    /// End a halt.
    Resume(AdminSocket),
    /// During a halt: take the wall clock as it is, even if it was once ahead.
    AcceptClock(AdminSocket),
    /// How the signer stands.
    Status {
        #[command(flatten)]
        socket: AdminSocket,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List a customer's key; its cool-down begins.
    AddKey(CustomerKey),
    /// Take a customer's key from the list, at once.
    RemoveKey(CustomerKey),
}
