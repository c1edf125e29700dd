use std::{
    fs,
    path::{Path, PathBuf},
};

use primitives::Network;
use signer::{Now, ScriptKind, Settings, Signer, SoftKeys, sample};
use signer_protocol::{Request, Response, TreeHead};
use tempfile::TempDir;

use super::*;

mod flushes;

const NOW: Now = Now { wall: sample::NOON, monotonic_millis: 0 };

/// A small state: founded, one signature, one halt, one witnessed head.
struct State {
    _folder: TempDir,
    path: PathBuf,
    keys: SoftKeys,
    settings: Settings,
}

impl State {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let keys = sample::keys(Network::Regtest, ScriptKind::Taproot).unwrap();
        let settings = sample::settings(&keys).unwrap();
        let state = Self { _folder: folder, path, keys, settings };
        let memory = FileMemory::create(&state.path).unwrap();
        let mut signer = Signer::open(state.settings.clone(), memory).unwrap();
        state.sign(&mut signer);
        let head = TreeHead { shard: 0, size: 7, root: [1; 32] };
        let request = Request::WitnessHead { head, proof: vec![] };
        assert!(matches!(signer.handle(request, NOW, &state.keys), Response::Witnessed { .. }));
        signer.halt("drill", NOW).unwrap();
        state
    }

    fn sign(&self, signer: &mut Signer<FileMemory>) -> bool {
        let batch = sample::a_batch(&self.settings).with(|plan| {
            plan.coins.pop();
            plan.payouts.pop();
        });
        let answer = signer.handle(batch.build().unwrap().request(), NOW, &self.keys);
        let Response::Signed(transaction) = answer else { panic!("{answer:?}") };
        transaction.repeated
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A copy of this state with one file replaced.
    fn with_file(&self, name: &str, bytes: &[u8]) -> (TempDir, Result<FileMemory, Fault>) {
        let folder = tempfile::tempdir().unwrap();
        for file in ["log", "head", "lock"] {
            fs::copy(self.file(file), folder.path().join(file)).unwrap();
        }
        fs::write(folder.path().join(name), bytes).unwrap();
        let memory = FileMemory::open(folder.path());
        (folder, memory)
    }

    fn records(memory: &mut FileMemory) -> Vec<Record> {
        let mut records = Vec::new();
        let collect = &mut |record| {
            records.push(record);
            Ok(())
        };
        memory.replay(collect).unwrap();
        records
    }

    fn all_records(&self) -> Vec<Record> {
        let records = Self::records(&mut FileMemory::open(&self.path).unwrap());
        assert_eq!(records.len(), 4);
        records
    }
}

fn append_raw(path: &Path, bytes: &[u8]) -> Vec<u8> {
    [&fs::read(path).unwrap(), bytes].concat()
}

#[test]
fn a_state_survives_its_files() {
    let state = State::new();
    let mut signer =
        Signer::open(state.settings.clone(), FileMemory::open(&state.path).unwrap()).unwrap();
    let status = signer.status(NOW);
    assert_eq!(status.description.halted.as_deref(), Some("drill"));
    assert_eq!((status.records, status.withdrawals), (4, 1));
    signer.resume(NOW).unwrap();
    assert!(state.sign(&mut signer), "the stored bytes are found again");
    let request = Request::WitnessedHead { shard: 0 };
    let Response::Witnessed { head: Some(head) } = signer.handle(request, NOW, &state.keys) else {
        panic!("the witnessed head was lost");
    };
    assert_eq!(head.size, 7);
}

#[test]
fn one_flipped_bit_anywhere_in_the_log_is_found() {
    let state = State::new();
    let log = fs::read(state.file("log")).unwrap();
    for place in 0..log.len() {
        let mut bad = log.clone();
        bad[place] ^= 1 << (place % 8);
        let (_folder, memory) = state.with_file("log", &bad);
        assert!(matches!(memory, Err(Fault::StateDamaged { .. })), "byte {place}");
    }
}

#[test]
fn a_log_cut_short_anywhere_is_found() {
    let state = State::new();
    let log = fs::read(state.file("log")).unwrap();
    for length in 0..log.len() {
        let (_folder, memory) = state.with_file("log", &log[..length]);
        match memory {
            Err(Fault::StateShorter { found, expected: 4 }) => assert!(found < 4),
            other => panic!("{length} bytes: {:?}", other.map(|_| ())),
        }
    }
}

#[test]
fn one_flipped_bit_anywhere_in_the_head_loses_no_record() {
    let state = State::new();
    let records = state.all_records();
    let head = fs::read(state.file("head")).unwrap();
    // Every byte that says something, and some of the zeros behind.
    for place in (0..head.len()).filter(|place| place % 4096 < 256 || place % 61 == 0) {
        let mut bad = head.clone();
        bad[place] ^= 1 << (place % 8);
        let (_folder, memory) = state.with_file("head", &bad);
        assert_eq!(State::records(&mut memory.unwrap()), records, "byte {place}");
    }
}

#[test]
fn a_head_cut_short_anywhere_loses_no_record_or_is_refused() {
    let state = State::new();
    let records = state.all_records();
    let head = fs::read(state.file("head")).unwrap();
    for length in (0..head.len()).filter(|length| length % 4096 < 256 || length % 61 == 0) {
        let (_folder, memory) = state.with_file("head", &head[..length]);
        match memory {
            Ok(mut memory) => assert_eq!(State::records(&mut memory), records),
            Err(Fault::StateDamaged { .. }) => assert!(length < 4096, "{length}"),
            Err(other) => panic!("{length} bytes: {other}"),
        }
    }
}

#[test]
fn both_slots_damaged_is_refused() {
    let state = State::new();
    let mut head = fs::read(state.file("head")).unwrap();
    head[20] ^= 1;
    head[4096 + 20] ^= 1;
    let (_folder, memory) = state.with_file("head", &head);
    assert!(matches!(memory, Err(Fault::StateDamaged { .. })));
}

#[test]
fn an_older_log_under_a_newer_head_is_refused() {
    let state = State::new();
    let older = fs::read(state.file("log")).unwrap();
    let memory = FileMemory::open(&state.path).unwrap();
    let mut signer = Signer::open(state.settings.clone(), memory).unwrap();
    signer.resume(NOW).unwrap();
    drop(signer);
    let (_folder, memory) = state.with_file("log", &older);
    assert!(matches!(memory, Err(Fault::StateShorter { found: 4, expected: 5 })));
}

#[test]
fn a_crash_between_log_and_head_keeps_a_whole_record_and_drops_a_torn_one() {
    let state = State::new();
    let records = state.all_records();
    let head = fs::read(state.file("head")).unwrap();
    let before = fs::read(state.file("log")).unwrap();
    let mut memory = FileMemory::open(&state.path).unwrap();
    let next = Record::Resumed { at: signer::Moment { wall: sample::NOON, running_millis: 0 } };
    memory.append(&next).unwrap();
    drop(memory);
    let after = fs::read(state.file("log")).unwrap();
    // The head as it was before the record.
    fs::write(state.file("head"), &head).unwrap();
    for length in before.len()..=after.len() {
        let (folder, memory) = state.with_file("log", &after[..length]);
        let found = State::records(&mut memory.unwrap());
        let whole = length == after.len();
        assert_eq!(found.len(), if whole { 5 } else { 4 }, "{length} bytes");
        assert_eq!(found[..4], records);
        // What was decided once stays decided.
        let again = State::records(&mut FileMemory::open(folder.path()).unwrap());
        assert_eq!(again, found);
    }
}

#[test]
fn more_than_one_record_beyond_the_head_is_refused() {
    let state = State::new();
    let head = fs::read(state.file("head")).unwrap();
    let mut memory = FileMemory::open(&state.path).unwrap();
    let at = signer::Moment { wall: sample::NOON, running_millis: 0 };
    memory.append(&Record::Resumed { at }).unwrap();
    memory.append(&Record::Halted { reason: "again".into(), at }).unwrap();
    drop(memory);
    fs::write(state.file("head"), &head).unwrap();
    assert!(matches!(FileMemory::open(&state.path), Err(Fault::StateDamaged { .. })));
}

#[test]
fn zeros_after_a_power_cut_are_a_torn_record() {
    let state = State::new();
    let records = state.all_records();
    let zeros = append_raw(&state.file("log"), &[0; 4096]);
    let (_folder, memory) = state.with_file("log", &zeros);
    assert_eq!(State::records(&mut memory.unwrap()), records);
}

#[test]
fn a_folder_that_is_in_use_or_incomplete_is_refused() {
    let state = State::new();
    let memory = FileMemory::open(&state.path).unwrap();
    assert!(matches!(FileMemory::open(&state.path), Err(Fault::StateLocked { .. })));
    drop(memory);
    for file in ["log", "head", "lock"] {
        fs::rename(state.file(file), state.file("away")).unwrap();
        let opened = FileMemory::open(&state.path);
        assert!(matches!(opened, Err(Fault::StateDamaged { .. })), "{file}");
        fs::rename(state.file("away"), state.file(file)).unwrap();
    }
    assert!(FileMemory::create(&state.path).is_err(), "a state is never overwritten");
}
