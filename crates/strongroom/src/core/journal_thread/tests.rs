use std::{
    ops::ControlFlow,
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::mpsc::{TryRecvError, channel},
    thread,
    time::Duration,
};

use custody::event::BatchBroadcast;
use primitives::{BatchId, DeploymentId};
use signer_protocol::merkle::Frontier;
use store::{Appended, CrashPoint, Durability, Fault, Identity, MemoryJournal, Position};

use super::*;

/// A failing test ends after this long; a passing one never waits for it.
const PATIENCE: Duration = Duration::from_mins(1);
/// Set where this program runs as the child that must die.
const CHILD: &str = "STRONGROOM_TEST_FAILED_APPEND";

fn memory() -> MemoryJournal {
    MemoryJournal::new(Identity { deployment: DeploymentId([7; 32]), shard: 0 })
}

fn witness() -> Arc<Witness> {
    Arc::new(Witness::new(0, Frontier::new(), Vec::new(), Frontier::new()))
}

fn turn(events: usize, reveal: impl FnOnce() + Send + 'static) -> Turn {
    let event = || (Timestamp::EPOCH, BatchBroadcast { batch: BatchId(1) }.into());
    let events = std::iter::repeat_with(event).take(events).collect();
    Turn { events, reveals: vec![Box::new(reveal)] }
}

/// A journal whose appends say that they have begun, and wait until they may go on.
struct Waiting {
    inner: MemoryJournal,
    begun: Sender<()>,
    go: Receiver<()>,
}

impl Journal for Waiting {
    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    fn position(&self) -> &Position {
        self.inner.position()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn append(&mut self, expected_seq: u64, records: &[Record]) -> Result<Appended, Fault> {
        self.begun.send(()).unwrap();
        self.go.recv().unwrap();
        self.inner.append(expected_seq, records)
    }

    fn read(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.inner.read(from, visit)
    }
}

#[test]
fn nobody_is_answered_and_nobody_reads_before_the_append_has_returned() {
    let (begun, has_begun) = channel();
    let (go, may_go) = channel();
    let (turns, waiting_turns) = channel();
    let (answers, answered) = channel();
    let (entries, replica) = channel();
    let witness = witness();
    let told = Arc::clone(&witness);
    let journal = Box::new(Waiting { inner: memory(), begun, go: may_go });
    let keys = Keys::default();
    let thread = thread::spawn(move || run(journal, &waiting_turns, &told, &keys, Some(&entries)));
    let answer = |text| {
        let answers = answers.clone();
        move || answers.send(text).unwrap()
    };
    // The second turn only reads; what it saw is the first one's.
    turns.send(turn(2, answer("first"))).unwrap();
    turns.send(turn(0, answer("second"))).unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answered.try_recv(), Err(TryRecvError::Empty));
    assert!(replica.try_recv().is_err());
    assert_eq!(witness.size(), 0, "the signer is told of nothing that is not durable");
    go.send(()).unwrap();
    assert_eq!(answered.recv_timeout(PATIENCE), Ok("first"));
    assert_eq!(answered.recv_timeout(PATIENCE), Ok("second"));
    let heard = replica.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(heard, Heard::Entries(entries) if entries.len() == 2));
    assert_eq!(witness.size(), 2);
    drop(turns);
    thread.join().unwrap();
}

/// The rest of this program, without what it would answer.
fn fail_in_this_process() {
    let mut journal = memory();
    journal.crash_next_append(CrashPoint::BeforeWrite);
    let (turns, waiting_turns) = channel();
    turns.send(turn(1, || eprintln!("answered the command"))).unwrap();
    turns.send(turn(0, || eprintln!("answered the read"))).unwrap();
    drop(turns);
    eprintln!("began");
    run(Box::new(journal), &waiting_turns, &witness(), &Keys::default(), None);
    eprintln!("went on");
}

#[test]
fn after_a_failed_append_nobody_is_answered_and_the_process_ends() {
    if std::env::var_os(CHILD).is_some() {
        return fail_in_this_process();
    }
    let name = thread::current().name().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args([&name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    // SIGABRT on Linux and elsewhere: nothing is unwound, so that nothing more is said or written.
    assert_eq!(child.status.signal(), Some(6), "{}: {said}", child.status);
    assert!(said.contains("began"), "{said}");
    assert!(!said.contains("answered") && !said.contains("went on"), "{said}");
}
