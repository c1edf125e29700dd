//! The command line. Data goes to standard output, talk to standard error.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused by a rule, 5 unreachable, 6 a check failed,
//! 130 interrupted, 141 whoever read the output is gone.

mod address;
mod customer;
mod journal;
mod operator;

use std::{
    io::{ErrorKind, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    client::{self, Caller, Client, ClientFault},
    config::Config,
    demo, edge,
    house::interrupt::Interrupted,
    serve,
};

/// Keeps the bitcoin of an exchange's customers: serves them and its operators, asks the server in
/// their name, shows all of it on a throw-away regtest, checks a journal offline.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, arg_required_else_help = true)]
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
    /// Check a configuration file: say that it can be used, or exit 1 with the first key that cannot
    /// work.
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
    /// The server's base address in plain HTTP, such as `http://127.0.0.1:8080`.
    #[arg(long, env = "STRONGROOM_SERVER")]
    server: String,
    /// The name that requests are signed for and sent with, where it is not that of `--server`:
    /// one of `http.authorities`, such as `api.exchange.example`.
    #[arg(long, env = "STRONGROOM_AUTHORITY")]
    authority: Option<String>,
}

impl Server {
    fn client(&self, caller: Caller) -> Result<Client, ClientFault> {
        client::check_base(&self.server)?;
        let client = Client::new(&self.server, caller);
        Ok(match &self.authority {
            Some(authority) => client.with_authority(authority),
            None => client,
        })
    }
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most this many, 1 to 100.
    #[arg(long)]
    limit: Option<u64>,
    /// Where to go on: `next_cursor` of the page before.
    #[arg(long)]
    cursor: Option<String>,
}

impl Page {
    /// `path`, a list with or without a query, asked for this part only.
    fn of(&self, path: &str) -> String {
        let limit = self.limit.map(|limit| format!("limit={limit}"));
        let cursor = self.cursor.as_ref().map(|cursor| format!("cursor={cursor}"));
        limit.into_iter().chain(cursor).fold(path.to_owned(), |target, parameter| {
            let sign = if target.contains('?') { '&' } else { '?' };
            format!("{target}{sign}{parameter}")
        })
    }
}

/// Why a command had no success, as an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    Failed(anyhow::Error),
    Client(ClientFault),
    Interrupted(Interrupted),
    /// The check's own words were printed already.
    CheckFailed,
    /// There is nobody to tell.
    ReaderGone,
}

/// Whoever read standard output does so no longer, as `head` does when it has enough.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
struct ReaderGone;

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<ClientFault>() {
            Ok(fault) => return Self::Client(fault),
            Err(error) => error,
        };
        if error.is::<ReaderGone>() {
            return Self::ReaderGone;
        }
        error.downcast::<Interrupted>().map_or_else(Self::Failed, Self::Interrupted)
    }
}

/// Runs a command and says how it went.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let filter = EnvFilter::try_from_env("STRONGROOM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("strongroom=info,warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people: a file or the system's journal would keep their codes.
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let failure = match carry_out(cli.command) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    let (code, text) = match failure {
        Failure::CheckFailed => (6, None),
        // As a shell counts those that SIGPIPE ended.
        Failure::ReaderGone => (141, None),
        Failure::Client(
            fault @ (ClientFault::Unreachable { .. } | ClientFault::Stranger { .. }),
        ) => (5, Some(fault.to_string())),
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
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => Ok(written?),
    }
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
