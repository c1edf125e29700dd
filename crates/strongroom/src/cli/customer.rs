use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use primitives::{Network, Sats};

use super::{Failure, Page, Server, address, print, print_json};
use crate::{
    client::{self, Ask, Caller, Client, ClientFault},
    clock,
};

/// Who asks, and whom.
#[derive(Debug, Args)]
pub(crate) struct Customer {
    #[command(flatten)]
    server: Server,
    /// The file with the signing key.
    #[arg(long, env = "STRONGROOM_KEY_FILE")]
    key_file: PathBuf,
}

impl Customer {
    fn client(&self) -> Result<Client, ClientFault> {
        let key = client::read_key(&self.key_file)?;
        self.server.client(Caller::Key(key))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Balances.
    Account {
        #[command(flatten)]
        who: Customer,
    },
    /// A new deposit address.
    NewAddress {
        #[command(flatten)]
        who: Customer,
        /// The same key gives the same address; a random one if left out.
        #[arg(long)]
        idempotency_key: Option<String>,
    },
    /// Deposits, newest first.
    Deposits {
        #[command(flatten)]
        who: Customer,
        #[command(flatten)]
        page: Page,
    },
    /// Withdrawals, newest first.
    Withdrawals {
        #[command(flatten)]
        who: Customer,
        #[command(flatten)]
        page: Page,
    },
    /// Sign a payout intent and ask for its withdrawal.
    Withdraw {
        #[command(flatten)]
        who: Customer,
        /// The address that is paid.
        #[arg(long)]
        to: String,
        /// What it receives, in satoshis.
        #[arg(long)]
        amount_sat: u64,
        /// Hours within which it may be signed, at most 72.
        #[arg(long, default_value_t = 24)]
        valid_hours: u64,
    },
    /// One withdrawal.
    Withdrawal {
        #[command(flatten)]
        who: Customer,
        /// Its id, `wd_…`.
        id: String,
    },
    /// Take a withdrawal back.
    Cancel {
        #[command(flatten)]
        who: Customer,
        /// Its id, `wd_…`.
        id: String,
    },
}

/// Makes a key in a new file and prints its id.
pub(super) fn new_key(out: &Path) -> Result<(), Failure> {
    let key = client::new_key()?;
    client::write_key(out, &key)?;
    print(&client::key_id(&key).to_string())?;
    Ok(())
}

pub(super) fn run(command: CustomerCommand) -> Result<(), Failure> {
    let answer = match command {
        CustomerCommand::Account { who } => who.client()?.get("/v1/account")?,
        CustomerCommand::NewAddress { who, idempotency_key } => {
            let key = match idempotency_key {
                Some(key) => key,
                None => primitives::to_hex(&clock::random::<16>().map_err(|e| anyhow!(e))?),
            };
            who.client()?.post_once("/v1/deposit-addresses", &key)?
        }
        CustomerCommand::Deposits { who, page } => who.client()?.get(&page.of("/v1/deposits"))?,
        CustomerCommand::Withdrawals { who, page } => {
            who.client()?.get(&page.of("/v1/withdrawals"))?
        }
        CustomerCommand::Withdraw { who, to, amount_sat, valid_hours } => {
            withdraw(&who, &to, amount_sat, valid_hours)?
        }
        CustomerCommand::Withdrawal { who, id } => {
            who.client()?.get(&format!("/v1/withdrawals/{id}"))?
        }
        CustomerCommand::Cancel { who, id } => {
            who.client()?.post(&format!("/v1/withdrawals/{id}/cancel"), &serde_json::json!({}))?
        }
    };
    print_json(&answer)
}

fn withdraw(
    who: &Customer,
    to: &str,
    amount_sat: u64,
    valid_hours: u64,
) -> Result<serde_json::Value, Failure> {
    let client = who.client()?;
    let deployment = client.get("/v1/deployment")?;
    let account = client.get("/v1/account")?;
    let network: Network = client::text(&deployment, "network")?.parse()?;
    let address = address::parse(to, network)?;
    let fee = deployment.get("withdrawal_fee_sat").and_then(serde_json::Value::as_u64);
    let fee = fee.ok_or_else(|| anyhow!("no `withdrawal_fee_sat` in {deployment}"))?;
    let ask = Ask {
        network,
        deployment: client::text(&deployment, "deployment")?.parse()?,
        account: client::text(&account, "account")?.parse()?,
        script: address.script_pubkey().to_bytes(),
        amount: Sats::parse(amount_sat)?,
        fee: Sats::parse(fee)?,
        not_after: client::not_after(valid_hours.saturating_mul(3600)),
        nonce: clock::random().map_err(|error| anyhow!(error))?,
    };
    Ok(client.withdraw(&ask)?)
}
