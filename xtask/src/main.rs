//! `cargo xtask`: the project's own commands. They get what is missing, say what they do, and end
//! with a clear sentence when something cannot be had.

mod bitcoind;
mod run;
#[cfg(test)]
mod tidy;

use std::{env, process::ExitCode};

use run::{Step, Trouble};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--exit] [--keep DIR]    the main job on a throw-away regtest; Ctrl-C ends it
  test [FILTER]                 everything that must hold: format, lints, all tests
  setup                         get what demo and test need (a bitcoind), once
  simulate --seed N --steps M [--json]
                                one run of the simulator; a failure prints its seed
  bench [NAME] [--json] [--dir FOLDER]
                                the benchmarks, built for release
  openapi [--check]             write openapi/v1.json, or compare it
  build                         the programs, for trying them by hand";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["demo", rest @ ..] => demo(rest),
        ["test", rest @ ..] => test(rest),
        ["setup"] => setup().map(drop),
        ["build"] => build(),
        ["simulate", rest @ ..] => simulate(rest),
        ["bench", rest @ ..] => bench(rest),
        ["openapi", rest @ ..] => openapi(rest),
        _ => {
            run::say(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            run::say(&format!("\nxtask: {trouble}"));
            ExitCode::FAILURE
        }
    }
}

/// A node for what runs next, which finds it by the environment.
fn setup() -> Result<Step, Trouble> {
    let node = bitcoind::find_or_install(&mut |line| run::say(&format!("xtask: {line}")))
        .map_err(|missing| Trouble::new(missing.to_string()))?;
    run::say(&format!("xtask: bitcoind is {}", node.display()));
    Ok(Step::with_bitcoind(node))
}

fn build() -> Result<(), Trouble> {
    run::say("xtask: building strongroom and strongroom-signer (some minutes the first time)");
    Step::default().cargo(&["build", "--package", "strongroom", "--package", "signer", "--bins"])
}

/// Ends as the demo itself, so that a Ctrl-C comes back to the shell when all is cleaned up.
fn demo(rest: &[&str]) -> Result<(), Trouble> {
    let step = setup()?;
    build()?;
    let program = run::target_dir().join("debug").join("strongroom");
    step.become_program(&program, &[&["demo"], rest].concat())
}

fn test(rest: &[&str]) -> Result<(), Trouble> {
    let step = setup()?;
    if rest.is_empty() {
        tools(&step)?;
    }
    // The end-to-end tests start these programs.
    build()?;
    run::say("xtask: all tests");
    // cargo-nextest runs the same tests faster; without it cargo's own runner does.
    let nextest = run::has_cargo_tool("nextest");
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    step.cargo(&[runner, &["--workspace"], rest].concat())?;
    if !rest.is_empty() {
        return Ok(());
    }
    if nextest {
        step.cargo(&["test", "--workspace", "--doc", "--quiet"])?;
    }
    run::say("xtask: the simulator finds every planted bug");
    step.cargo(&[runner, &["--package", "drill", "--features", "planted-bugs"]].concat())?;
    run::say("xtask: the demo, as a newcomer runs it");
    step.xtask(&["demo", "--exit"])
}

/// Formatting and lints: a check that is left out would let pass what it is there for.
fn tools(step: &Step) -> Result<(), Trouble> {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !run::has_cargo_tool(tool) {
            let what = "is not installed; get it with `rustup component add";
            return Err(Trouble::new(format!("`cargo {tool}` {what} {component}`")));
        }
    }
    run::say("xtask: formatting");
    step.cargo(&["fmt", "--all", "--check"])?;
    run::say("xtask: lints");
    step.cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
}

fn simulate(rest: &[&str]) -> Result<(), Trouble> {
    let program = ["run", "--quiet", "--package", "drill", "--bin", "strongroom-simulate", "--"];
    Step::default().cargo(&[&program, rest].concat())
}

fn bench(rest: &[&str]) -> Result<(), Trouble> {
    let program = ["bench", "--quiet", "--package", "strongroom", "--bench", "figures", "--"];
    Step::default().cargo(&[&program, rest].concat())
}

fn openapi(rest: &[&str]) -> Result<(), Trouble> {
    let program =
        ["run", "--quiet", "--package", "strongroom", "--bin", "strongroom", "--", "openapi"];
    let text = Step::default().cargo_output(&program)?;
    let path = run::root().join("openapi").join("v1.json");
    let trouble = |error: std::io::Error| Trouble::new(format!("{}: {error}", path.display()));
    if rest == ["--check"] {
        let held = std::fs::read_to_string(&path).map_err(trouble)?;
        let what = "openapi/v1.json is not what the code says; run `cargo xtask openapi`";
        return if held == text { Ok(()) } else { Err(Trouble::new(what.to_owned())) };
    }
    std::fs::write(&path, text).map_err(trouble)
}
