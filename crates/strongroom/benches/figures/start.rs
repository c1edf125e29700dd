//! `start`: a million accounts from a snapshot, in a process of its own, and its memory.

use std::{fs, path::Path, process::Command, time::Instant};

use primitives::{from_hex, to_hex};
use signer_protocol::TreeHead;
use strongroom::core::{self, Options};

use crate::{
    house::{DEPLOYMENT, IDENTITY},
    load::Watch,
    report::Lab,
};

/// Asks this program to open a house, to say what it took, and to end.
pub const PROBE: &str = "--open-and-say";

pub fn measure(lab: &mut Lab) {
    let house = lab.million();
    let watch = Watch::begin();
    let program = std::env::current_exe().expect("this program has a path");
    let head = house.options.witnessed.expect("a house with a snapshot has a head");
    let (size, root) = (head.size.to_string(), to_hex(&head.root));
    let output =
        Command::new(program).arg(PROBE).arg(&house.options.dir).args([size, root]).output();
    let output = output.expect("this program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line");
    let number = |name: &str| said[name].as_f64().expect("a number");
    let accounts = house.size.accounts as f64;
    let size = number("snapshot_bytes") / 1e6;
    let conditions = format!(
        "{accounts} accounts, each with a balance and a watched address, from a snapshot of {size:.0} MB, page cache warm"
    );
    lab.figure(&watch, "start/open", (number("seconds"), "s"), &conditions);
    let bytes = number("resident") / accounts;
    let what = "resident memory after the open over accounts: the core's state; a server keeps a second of the same size, for views and snapshots";
    lab.figure(&watch, "start/memory-per-account", (bytes, "bytes"), what);
}

/// Opens the house in `dir`, of which the head of `size` and `root` is witnessed, and prints
/// seconds and bytes.
pub fn probe(dir: &Path, size: &str, root: &str) {
    let size = size.parse().expect("a number");
    let root = from_hex(root).expect("64 digits");
    let (deployment, shard) = (DEPLOYMENT, IDENTITY.shard);
    let witnessed = Some(TreeHead { shard, size, root });
    let options = Options { dir: dir.to_owned(), deployment, shard, witnessed };
    let snapshots = fs::read_dir(options.snapshots()).expect("the folder of snapshots");
    let sizes = snapshots.map(|file| file.and_then(|file| file.metadata()).expect("a file").len());
    let snapshot_bytes = sizes.max().unwrap_or(0);
    let before = resident();
    let begun = Instant::now();
    let opened = core::open(&options).expect("a whole journal");
    let seconds = begun.elapsed().as_secs_f64();
    let resident = resident() - before;
    assert!(opened.began_with().is_some(), "it began with the snapshot");
    let line = serde_json::json!({
        "seconds": seconds, "snapshot_bytes": snapshot_bytes, "resident": resident,
    });
    println!("{line}");
    drop(opened);
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it is there");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("a number") * 1024
}
