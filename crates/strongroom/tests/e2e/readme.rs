//! What the README says to paste is pasted, as it stands there.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use chain::regtest::ClaimedPort;
use strongroom::house::Programs;

use crate::support::{program, repository, words};

/// The shell's lines below one heading, without what builds and fetches the programs.
fn story(page: &str, heading: &str) -> String {
    let section = page.split(heading).nth(1).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter(|line| !line.starts_with("cargo "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// `PATH` with the programs under test in front, and the node's.
fn path(bitcoind: &Path) -> std::ffi::OsString {
    let mut folders = vec![program().parent().unwrap().to_path_buf()];
    folders.push(bitcoind.parent().unwrap().to_path_buf());
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::join_paths(folders).unwrap()
}

#[test]
fn the_readme_s_own_house_pays_in_and_pays_out_as_written() {
    let programs = Programs::find(&program()).unwrap();
    let cli = programs.bitcoind.with_file_name("bitcoin-cli");
    assert!(cli.is_file(), "no {}: the README's story needs it", cli.display());
    let page = fs::read_to_string(repository("README.md")).unwrap();
    let mut story = story(&page, "\n## Running it for real\n");
    // Other tests and other people have these ports.
    let ports = ["8080", "8081", "18443"].map(|port| (port, ClaimedPort::new().unwrap()));
    for (port, claimed) in &ports {
        assert!(story.contains(port), "no {port} in {story}");
        story = story.replace(port, &claimed.number().to_string());
    }
    let home = tempfile::tempdir().unwrap();
    // What the story leaves behind where it fails ends with it: `timeout` gives it a group of its
    // own, and ends that too where a loop of the story waits in vain.
    let script = format!("set -e\ntrap 'trap \"\" TERM; kill 0' EXIT\n{story}echo to the end\n");
    let mut command = Command::new("timeout");
    command.args(["300", "sh", "-c", &script]).stdin(Stdio::null()).current_dir(home.path());
    command.env("HOME", home.path()).env("PATH", path(&programs.bitcoind));
    let output = command.output().unwrap();
    assert!(words(&output).contains("to the end"), "{}", words(&output));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}
