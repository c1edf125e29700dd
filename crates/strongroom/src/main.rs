//! The `strongroom` command: serves the house, asks it as a customer or operator would, and checks
//! a journal offline.

use std::process::ExitCode;

use clap::Parser;
use strongroom::cli::Cli;

fn main() -> ExitCode {
    strongroom::cli::run(Cli::parse())
}
