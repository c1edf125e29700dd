//! `strongroom-simulate`: runs seeds, shows a run step by step, and replays failures.

use std::{
    io::{self, Write},
    process::ExitCode,
    rc::Rc,
};

use anyhow::{Context, bail};
use clap::Parser;
use custody::planted::Bug;
use drill::{Kind, Options, simulate};

/// Runs the house in a made-up world and checks its invariants after every step.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds to run, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Steps of each run.
    #[arg(long, default_value_t = 400)]
    steps: u32,
    /// Failures after which it stops.
    #[arg(long, default_value_t = 1)]
    failures: u64,
    /// Prints each run's report as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Prints every step.
    #[arg(long)]
    trace: bool,
    /// The kind of world; drawn from the seed where it is left out.
    #[arg(long)]
    kind: Option<String>,
    /// Plants this bug; only in a build with the feature `planted-bugs`.
    #[arg(long)]
    bug: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        reader: arguments.trace.then(|| {
            let print: drill::Reader = Rc::new(|line: &str| {
                // A closed pipe ends the reader, not the run.
                let _closed = writeln!(io::stdout(), "{line}");
            });
            print
        }),
        kind: arguments.kind.as_deref().map(kind).transpose()?,
        bug: arguments.bug.as_deref().map(bug).transpose()?,
    };
    let mut failed = 0_u64;
    let end = arguments.seed.saturating_add(arguments.seeds);
    for seed in arguments.seed..end {
        let report = match simulate(seed, arguments.steps, &options) {
            Ok(report) => report,
            Err(failure) => {
                failed = failed.saturating_add(1);
                writeln!(io::stderr(), "{failure}")?;
                if failed >= arguments.failures {
                    return Ok(ExitCode::FAILURE);
                }
                continue;
            }
        };
        let mut out = io::stdout().lock();
        if arguments.json {
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
        } else {
            writeln!(
                out,
                "seed {seed}: {} steps of {}, {} crashes, {} recoveries, {} reorgs, \
                 {} withdrawals of which {} settled, {} events, trace {}",
                report.steps,
                report.kind,
                report.crashes(),
                report.recoveries,
                report.reorgs,
                report.withdrawals,
                report.settled,
                report.events,
                report.trace_digest,
            )?;
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn kind(name: &str) -> anyhow::Result<Kind> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    known.with_context(|| format!("no kind `{name}`; there are {:?}", Kind::ALL.map(Kind::name)))
}

fn bug(name: &str) -> anyhow::Result<Bug> {
    if !cfg!(feature = "planted-bugs") {
        bail!("this build plants no bugs: build with `--features planted-bugs`");
    }
    let known = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
    known.with_context(|| format!("no bug `{name}`; there are {:?}", Bug::ALL))
}
