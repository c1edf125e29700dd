use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Page, Server, print_json};
use crate::client::{Caller, Client};

/// Which operator asks, and whom.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    #[command(flatten)]
    server: Server,
    /// The file with the temporary operator token.
    #[arg(long, env = "STRONGROOM_OPERATOR_TOKEN_FILE")]
    token_file: PathBuf,
}

impl Operator {
    fn client(&self) -> anyhow::Result<Client> {
        let path = &self.token_file;
        let token =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let token = token.trim();
        ensure!(!token.is_empty(), "{} holds no token: it is empty", path.display());
        Ok(self.server.client(Caller::Operator(token.to_owned()))?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        Ok(self.client()?.post(path, body)?)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Books, coins, stops and the signer's limits.
    Overview {
        #[command(flatten)]
        who: Operator,
    },
    /// What people must look at, newest first.
    Incidents {
        #[command(flatten)]
        who: Operator,
        #[command(flatten)]
        page: Page,
    },
    /// The newest withdrawals in one state.
    Withdrawals {
        #[command(flatten)]
        who: Operator,
        /// `cooling-down`, `in-review`, `queued`, `batched`, `signed`, `broadcast`, `confirmed`,
        /// `settled`, `refused`, `rejected`, `cancelled` or `failed`.
        #[arg(long, default_value = "in-review")]
        status: String,
        #[command(flatten)]
        page: Page,
    },
    /// One withdrawal.
    Withdrawal {
        #[command(flatten)]
        who: Operator,
        /// Its id, `wd_…`.
        id: String,
    },
    /// One customer's balances.
    Account {
        #[command(flatten)]
        who: Operator,
        /// Its id, `acct_…`.
        account: String,
    },
    /// Open an account.
    OpenAccount {
        #[command(flatten)]
        who: Operator,
        /// The same key opens the same account.
        #[arg(long)]
        idempotency_key: String,
    },
    /// Let a key be used.
    RegisterKey {
        #[command(flatten)]
        who: Operator,
        /// The key's id, `key_…`.
        #[arg(long)]
        key: String,
        /// Whose; left out for the exchange's own trading service.
        #[arg(long)]
        account: Option<String>,
        /// `read`, `trade`, `withdraw`, `settle`; several by comma.
        #[arg(long, value_delimiter = ',', default_value = "read,withdraw")]
        scopes: Vec<String>,
    },
    /// Let a key be used no longer.
    RevokeKey {
        #[command(flatten)]
        who: Operator,
        /// The key's id, `key_…`.
        key: String,
    },
    /// Approve a withdrawal in review.
    Approve {
        #[command(flatten)]
        who: Operator,
        /// Its id, `wd_…`.
        id: String,
    },
    /// Deny a withdrawal in review.
    Deny {
        #[command(flatten)]
        who: Operator,
        /// Its id, `wd_…`.
        id: String,
    },
    /// Let nothing leave an account.
    Freeze {
        #[command(flatten)]
        who: Operator,
        /// Its id, `acct_…`.
        account: String,
    },
    /// Lift the freeze of an account.
    Thaw {
        #[command(flatten)]
        who: Operator,
        /// Its id, `acct_…`.
        account: String,
    },
    /// Stop all releases.
    Stop {
        #[command(flatten)]
        who: Operator,
    },
    /// Lift one reason to stop: `operator`, `deep-reorg`, `unexplained-spend` or `drift`.
    Resume {
        #[command(flatten)]
        who: Operator,
        /// The reason.
        #[arg(default_value = "operator")]
        stop: String,
    },
}

pub(super) fn run(command: OperatorCommand) -> Result<(), Failure> {
    let nothing = json!({});
    let answer = match command {
        OperatorCommand::Overview { who } => who.client()?.get("/ops/v1/overview")?,
        OperatorCommand::Incidents { who, page } => {
            who.client()?.get(&page.of("/ops/v1/incidents"))?
        }
        OperatorCommand::Withdrawals { who, status, page } => {
            who.client()?.get(&page.of(&format!("/ops/v1/withdrawals?status={status}")))?
        }
        OperatorCommand::Withdrawal { who, id } => {
            who.client()?.get(&format!("/ops/v1/withdrawals/{id}"))?
        }
        OperatorCommand::Account { who, account } => {
            who.client()?.get(&format!("/ops/v1/accounts/{account}"))?
        }
        OperatorCommand::OpenAccount { who, idempotency_key } => {
            who.client()?.post_once("/ops/v1/accounts", &idempotency_key)?
        }
        OperatorCommand::RegisterKey { who, key, account, scopes } => {
            let body = json!({ "key": key, "account": account, "scopes": scopes });
            who.post("/ops/v1/keys", &body)?
        }
        OperatorCommand::RevokeKey { who, key } => {
            who.post(&format!("/ops/v1/keys/{key}/revoke"), &nothing)?
        }
        OperatorCommand::Approve { who, id } => {
            who.post(&format!("/ops/v1/withdrawals/{id}/approve"), &nothing)?
        }
        OperatorCommand::Deny { who, id } => {
            who.post(&format!("/ops/v1/withdrawals/{id}/deny"), &nothing)?
        }
        OperatorCommand::Freeze { who, account } => {
            who.post(&format!("/ops/v1/accounts/{account}/freeze"), &nothing)?
        }
        OperatorCommand::Thaw { who, account } => {
            who.post(&format!("/ops/v1/accounts/{account}/thaw"), &nothing)?
        }
        OperatorCommand::Stop { who } => who.post("/ops/v1/releases/operator/stop", &nothing)?,
        OperatorCommand::Resume { who, stop } => {
            who.post(&format!("/ops/v1/releases/{stop}/resume"), &nothing)?
        }
    };
    print_json(&answer)
}
