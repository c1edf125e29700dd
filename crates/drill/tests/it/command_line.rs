//! `strongroom-simulate` as an operator of continuous integration sees it.

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strongroom-simulate")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_report_is_one_line_of_json_with_stable_names() {
    let output = simulate(&["--seed", "5", "--seeds", "2", "--steps", "60", "--json"]);
    assert!(output.status.success());
    let reports: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[1]["seed"], 6);
    assert_eq!(reports[0]["steps"], 60);
    for name in ["kind", "server_crashes", "recoveries", "reorgs", "events", "trace_digest"] {
        assert!(reports[0].get(name).is_some(), "{name}");
    }
}

#[test]
fn a_trace_shows_every_step() {
    let output = simulate(&["--seed", "5", "--steps", "60", "--kind", "calm", "--trace"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).starts_with("seed 5: calm\n"));
    assert!(text(&output.stdout).lines().count() > 60);
}

#[test]
fn an_unknown_kind_is_named_and_a_bug_needs_its_own_build() {
    let output = simulate(&["--kind", "sunny"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("no kind `sunny`"));
    let output = simulate(&["--bug", "SkippedHold"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("planted-bugs"));
}
