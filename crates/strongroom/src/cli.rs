//! The command line. Data goes to standard output, talk to standard error.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a rule, 5 unreachable, 6 a check failed,
//! 130 interrupted.

mod customer;
mod journal;
mod operator;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    client::ClientFault, config::Config, demo, edge, house::interrupt::Interrupted, serve,
};

/// Custody and withdrawal security of an exchange.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve customers and operators until SIGINT or SIGTERM.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Run the main job on a throw-away regtest: node, signer, server, three customers.
    Demo(demo::DemoArgs),
    /// Check a configuration file and print nothing but what is wrong.
    ConfigCheck {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Check a journal offline.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Make a signing key in a new file and print its id.
    KeyNew {
        /// The new file.
        #[arg(long)]
        out: PathBuf,
    },
    /// Ask as a customer: account, addresses, deposits, withdrawals.
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Ask as an operator, with the temporary token.
    #[command(subcommand)]
    Ops(operator::OperatorCommand),
    /// Print the description of the HTTP interface (OpenAPI 3.1).
    Openapi,
}

/// Where the server is.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server's base address, such as `http://127.0.0.1:8080`.
    #[arg(long, env = "STRONGROOM_SERVER")]
    server: String,
}

/// Why a command had no success, as an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    Failed(anyhow::Error),
    Client(ClientFault),
    Interrupted(Interrupted),
    /// The check's own words were printed already.
    CheckFailed,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<ClientFault>() {
            Ok(fault) => return Self::Client(fault),
            Err(error) => error,
        };
        error.downcast::<Interrupted>().map_or_else(Self::Failed, Self::Interrupted)
    }
}

/// Runs a command and says how it went.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let filter = EnvFilter::try_from_env("STRONGROOM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("strongroom=info,warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let failure = match carry_out(cli.command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (code, text) = match failure {
        Failure::CheckFailed => (6, None),
        Failure::Client(fault @ ClientFault::Unreachable { .. }) => (5, Some(fault.to_string())),
        Failure::Client(fault @ ClientFault::Refused { .. }) => (3, Some(fault.to_string())),
        Failure::Client(fault @ ClientFault::Local { .. }) => (1, Some(fault.to_string())),
        Failure::Interrupted(interrupted) => (130, Some(interrupted.to_string())),
        Failure::Failed(error) => (1, Some(format!("{error:#}"))),
    };
    if let Some(text) = text {
        say(&text);
    }
    ExitCode::from(code)
}

fn carry_out(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve { config } => serve::serve(&config)?,
        Command::Demo(args) => demo::run(&args)?,
        Command::ConfigCheck { config } => {
            Config::load(&config)?.check()?;
            say("the configuration can be used, as far as it can be seen without signer and node");
        }
        Command::Journal(command) => journal::run(command)?,
        Command::KeyNew { out } => customer::new_key(&out)?,
        Command::Customer(command) => customer::run(command)?,
        Command::Ops(command) => operator::run(command)?,
        Command::Openapi => print(&edge::openapi_json()?)?,
    }
    Ok(())
}

/// Data, to standard output.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

/// An answer of the server, to standard output.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Talk, to standard error.
pub(crate) fn say(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "strongroom: {text}");
}
