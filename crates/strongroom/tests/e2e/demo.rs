//! The demo as a stranger runs it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use strongroom::house::wait_for;

use crate::support::{program, words};

/// The demo, with its throw-away folders below `scratch`.
fn demo(scratch: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg("demo").env("TMPDIR", scratch);
    command
}

/// Processes whose command line names `folder`.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(folder) {
            found.push(line);
        }
    }
    found
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", words(output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Every step held."), "{}", words(output));
}

#[test]
fn a_kept_demo_leaves_its_folder_and_nothing_else_and_is_not_run_over() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = scratch.path().join("kept");
    let temporary = scratch.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = demo(&temporary).args(["--exit", "--keep"]).arg(&kept).output().unwrap();
    succeeds(&output);
    assert!(kept.join("data/journal.sqlite").is_file());
    assert_eq!(processes_in(&kept), Vec::<String>::new());
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    let journal = kept.join("data/journal.sqlite");
    let verified = Command::new(program()).args(["journal", "verify"]).arg(&journal).output();
    assert!(verified.unwrap().status.success());

    let before = fs::metadata(&journal).unwrap().modified().unwrap();
    let again = demo(&temporary).args(["--exit", "--keep"]).arg(&kept).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "{}", words(&again));
    assert!(words(&again).contains("must not exist yet"), "{}", words(&again));
    assert_eq!(fs::metadata(&journal).unwrap().modified().unwrap(), before);
}

#[test]
fn a_demo_that_is_not_kept_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let output = demo(scratch.path()).arg("--exit").output().unwrap();
    succeeds(&output);
    let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(processes_in(scratch.path()), Vec::<String>::new());
}

/// Sends a signal to a process, or with a `-` in front of its id to a whole group.
fn signal(name: &str, whom: &str) {
    assert!(Command::new("kill").args([name, "--", whom]).status().unwrap().success());
}

fn leaves_nothing(scratch: &Path) {
    wait_for("every process to be gone", || Ok(processes_in(scratch).is_empty().then_some(())))
        .unwrap();
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
}

/// Runs one of the lines that the demo suggests, as a person pastes it, with what was exported.
fn try_line(exports: &str, line: &str) {
    let script = format!("{exports}\n{line}");
    let output = Command::new("sh").args(["-ec", &script]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", words(&output));
}

#[test]
fn what_the_demo_suggests_works_and_control_c_ends_it_well() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = demo(scratch.path());
    // A group of its own, so that a signal reaches all of its processes, as from a terminal.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("Try next")), "it invites to try more");
    let suggested = lines.by_ref().take_while(|line| !line.contains("Ctrl-C ends it"));
    let suggested: Vec<_> = suggested.map(|line| line.trim().to_owned()).collect();
    let (exports, tried): (Vec<_>, Vec<_>) = suggested
        .iter()
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("export "));
    assert_eq!(exports.len(), 1, "{suggested:#?}");
    // A machine may have no curl; `edge` reads the same without one.
    let (curls, tried): (Vec<_>, Vec<_>) =
        tried.into_iter().partition(|line| line.starts_with("curl "));
    // A node without `bitcoin-cli` cannot be asked to pay in.
    let pays = tried.iter().filter(|line| line.contains("sendtoaddress")).count();
    assert_eq!((curls.len(), tried.len()), (3, 9 + 2 * pays), "{suggested:#?}");
    for line in &tried {
        try_line(exports[0], line);
    }

    // What was asked for leaves with the blocks that the demo goes on mining.
    let mined = || {
        let line = tried.iter().find(|line| line.contains("customer withdrawals"));
        let script = format!("{}\n{}", exports[0], line.unwrap().replace("--limit 3", "--limit 1"));
        let output = Command::new("sh").args(["-ec", &script]).output()?;
        let seen = words(&output);
        Ok((seen.contains("\"confirmed\"") || seen.contains("\"settled\"")).then_some(()))
    };
    wait_for("the newest withdrawal to be in a block", mined).unwrap();

    signal("-INT", &format!("-{}", child.id()));
    let rest: Vec<String> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{rest:#?} {}", words(&output));
    leaves_nothing(scratch.path());
}

#[test]
fn a_demo_that_is_interrupted_amid_its_story_ends_its_children_and_leaves_nothing() {
    // The program alone, as a supervisor would do it, and its whole group, as a terminal does; a
    // terminal that is closed hangs up.
    for (name, sign, until) in
        [("-INT", "", "1. "), ("-TERM", "", "3. "), ("-INT", "-", "5. "), ("-HUP", "-", "5. ")]
    {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = demo(scratch.path());
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with(until)), "the story comes to {until}");
        signal(name, &format!("{sign}{}", child.id()));
        let rest: Vec<String> = lines.collect();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{rest:#?} {}", words(&output));
        assert!(words(&output).contains("interrupted"), "{}", words(&output));
        leaves_nothing(scratch.path());
    }
}
