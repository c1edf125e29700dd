//! A second process: the test binary runs itself again with one test that does what the
//! environment asks. In an ordinary run that test has nothing to do.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use primitives::to_hex;
use store::{Journal, SqliteJournal};

use crate::support::{Random, opening, records};

const TASK: &str = "STRONGROOM_STORE_CHILD";
const PATH: &str = "STRONGROOM_STORE_PATH";

/// Starts a process that does `task` on the journal at `path`. With `limit`, no file of it can
/// grow beyond so many blocks of 512 bytes: writing then fails as it does on a full disk.
pub(crate) fn start(task: &str, path: &Path, limit: Option<u32>) -> Child {
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new("/bin/sh");
    let limit = limit.map_or_else(String::new, |blocks| format!("ulimit -f {blocks};"));
    command.args(["-c", &format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"")]).arg(exe);
    command.args(["--exact", "child::the_second_process_does_what_it_is_asked", "--nocapture"]);
    command.env(TASK, task).env(PATH, path).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn the_second_process_does_what_it_is_asked() {
    let (Ok(task), Ok(path)) = (std::env::var(TASK), std::env::var(PATH)) else { return };
    match task.as_str() {
        "append" => append_until_killed(Path::new(&path)),
        "append-until-fault" => append_until_fault(Path::new(&path)),
        "open" => match SqliteJournal::open(&opening(Path::new(&path))) {
            Ok(journal) => println!("\nopened {}", journal.size()),
            Err(fault) => println!("\nfault {}\n{fault}", fault.id()),
        },
        other => panic!("no such task: {other}"),
    }
}

/// Says each size and root once it is durable.
fn append_until_killed(path: &Path) {
    let mut journal = SqliteJournal::open(&opening(path)).unwrap();
    let mut random = Random::seeded(journal.size());
    loop {
        let batch = records(journal.next_seq(), 1 + random.below(20));
        journal.append(journal.next_seq(), &batch).unwrap();
        println!("\nacknowledged {} {}", journal.size(), to_hex(&journal.head().root));
    }
}

fn append_until_fault(path: &Path) {
    let mut journal = SqliteJournal::open(&opening(path)).unwrap();
    for _ in 0..100_000 {
        let batch = records(journal.next_seq(), 20);
        if let Err(fault) = journal.append(journal.next_seq(), &batch) {
            println!("\nfirst {}", fault.id());
            let again = journal.append(journal.next_seq(), &batch).unwrap_err();
            println!("second {}", again.id());
            let read = journal.read(1, &mut |_| std::ops::ControlFlow::Continue(()));
            println!("reading {}", read.unwrap_err().id());
            // As the house does: nothing is tidied up after a fault of an append.
            std::process::abort();
        }
        println!("\nacknowledged {} {}", journal.size(), to_hex(&journal.head().root));
    }
}
