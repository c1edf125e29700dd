//! `strongroom-signer`: the shell around the signer. It owns the sockets, the files, the clocks
//! and the randomness; what is signed is decided by the library, which has none of them.
//!
//! Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 5 the signer cannot be reached, 6 its
//! state failed verification, 141 whoever read the output is gone.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;

mod admin;
mod cli;
mod clocks;
mod connection;
mod file_memory;
mod init;
mod key_file;
mod layout;
mod serve;
mod socket;

use cli::{Cli, Command};

/// The signer's socket cannot be reached.
const UNREACHABLE: u8 = 5;
/// The stored state failed its verification.
const STATE: u8 = 6;

/// An error that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Unreachable {
    what: String,
    #[source]
    source: std::io::Error,
}

/// Whoever read standard output does so no longer, as `head` does when it has enough.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
struct ReaderGone;

/// What was asked for, to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => Ok(written?),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Init(arguments) => init::init(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Selftest(arguments) => serve::selftest(arguments.dir.as_deref()),
        Command::Admin(command) => admin::client::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // As a shell counts those that SIGPIPE ended; there is nobody to tell.
        Err(error) if error.is::<ReaderGone>() => ExitCode::from(141),
        Err(error) => {
            eprintln!("strongroom-signer: {error:#}");
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let state = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<signer::Fault>().is_some_and(signer::Fault::is_state)
    };
    if error.chain().any(state) {
        ExitCode::from(STATE)
    } else if error.chain().any(<dyn std::error::Error>::is::<Unreachable>) {
        ExitCode::from(UNREACHABLE)
    } else {
        ExitCode::FAILURE
    }
}
