//! Figures of the whole: `cargo xtask bench [NAME] [--json] [--dir FOLDER]`.
//!
//! Real parts: the core with its two threads, the SQLite journal on a disk, signatures that are
//! made and checked. It measures and judges nothing: machines differ, and a loaded one lies, so
//! each figure says what other processes took of the machine while it was measured.
//! `docs/benchmarks.md` says what was found, and what each figure means.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement reads the clock, computes with fractions, prints, and stops at the first surprise"
)]

mod batch;
mod block;
mod chain;
mod decisions;
mod device;
mod house;
mod http;
mod load;
mod people;
mod replay;
mod report;
mod start;
mod transfers;

use std::{path::PathBuf, process::ExitCode};

use report::Lab;

type Measure = fn(&mut Lab);

/// Every measurement, by the name under which it can be asked for.
const ALL: [(&str, Measure); 7] = [
    ("build-batch", batch::measure),
    ("replay", replay::measure),
    ("http-withdrawals", http::measure),
    ("start", start::measure),
    ("ledger-transfers", transfers::measure),
    ("connect-block", block::measure),
    ("withdrawal-decisions", decisions::measure),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut json, mut dir, mut name) = (false, PathBuf::from("."), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--dir" => dir = arguments.next().expect("--dir is followed by a folder").into(),
            "--bench" => {} // cargo says this to every benchmark
            start::PROBE => {
                let mut next = || arguments.next().expect("folder, size and root");
                start::probe(&PathBuf::from(next()), &next(), &next());
                return ExitCode::SUCCESS;
            }
            other => name = Some(other.to_owned()),
        }
    }
    let known = |name: &String| ALL.iter().any(|(known, _)| known == name);
    if name.as_ref().is_some_and(|name| !known(name)) {
        println!("the figures are: {}", ALL.map(|(name, _)| name).join(", "));
        return ExitCode::from(2);
    }
    let mut lab = Lab::new(&dir, json);
    for (known, measure) in ALL {
        if name.as_ref().is_none_or(|name| name == known) {
            measure(&mut lab);
        }
    }
    ExitCode::SUCCESS
}
