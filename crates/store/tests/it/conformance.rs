//! One suite for every engine, with [`Model`] as the oracle.

use std::{ops::ControlFlow, path::Path};

use proptest::prelude::*;
use signer_protocol::merkle::{TreeHead, verify_consistency};
use store::{
    APPEND_BYTES_MAX, BODY_BYTES_MAX, Durability, Entry, Fault, Journal, MemoryJournal, Position,
    Record, SqliteJournal, prove_head,
};

use crate::{
    model::Model,
    support::{Place, grow, identity, opening, record, records},
};

trait Engine {
    type Journal: Journal;
    const DURABILITY: Durability;
    fn create(path: &Path) -> Self::Journal;
    fn reopen(journal: Self::Journal, path: &Path) -> Self::Journal;
}

struct Sqlite;

impl Engine for Sqlite {
    type Journal = SqliteJournal;
    const DURABILITY: Durability = Durability::Local;

    fn create(path: &Path) -> SqliteJournal {
        SqliteJournal::create(path, identity()).unwrap()
    }

    fn reopen(journal: SqliteJournal, path: &Path) -> SqliteJournal {
        drop(journal);
        SqliteJournal::open(&opening(path)).unwrap()
    }
}

/// Opens from a place in the middle, as a start with a snapshot does.
struct SqliteWithSnapshot;

impl Engine for SqliteWithSnapshot {
    type Journal = SqliteJournal;
    const DURABILITY: Durability = Durability::Local;

    fn create(path: &Path) -> SqliteJournal {
        Sqlite::create(path)
    }

    fn reopen(journal: SqliteJournal, path: &Path) -> SqliteJournal {
        let position = Some(position_at(&journal, journal.size() / 2));
        let witnessed = Some(journal.head());
        drop(journal);
        let opening = store::Opening { position, witnessed, ..opening(path) };
        SqliteJournal::open(&opening).unwrap()
    }
}

struct Memory;

impl Engine for Memory {
    type Journal = MemoryJournal;
    const DURABILITY: Durability = Durability::Memory;

    fn create(_path: &Path) -> MemoryJournal {
        MemoryJournal::new(identity())
    }

    fn reopen(journal: MemoryJournal, _path: &Path) -> MemoryJournal {
        MemoryJournal::open(journal.kill(), identity()).unwrap()
    }
}

/// Loses power instead of being closed.
struct MemoryWithPowerCuts;

impl Engine for MemoryWithPowerCuts {
    type Journal = MemoryJournal;
    const DURABILITY: Durability = Durability::Memory;

    fn create(path: &Path) -> MemoryJournal {
        Memory::create(path)
    }

    fn reopen(journal: MemoryJournal, _path: &Path) -> MemoryJournal {
        MemoryJournal::open(journal.cut_power(&mut |_bound| 0), identity()).unwrap()
    }
}

pub(crate) fn entries_from(journal: &dyn Journal, from: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut visit = |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    };
    journal.read(from, &mut visit).unwrap();
    entries
}

pub(crate) fn position_at(journal: &dyn Journal, size: u64) -> Position {
    let mut position = Position::start(&journal.identity());
    for entry in entries_from(journal, 1).into_iter().take(size as usize) {
        position.push(entry.leaf).unwrap();
    }
    position
}

fn equal_to_the_model(journal: &dyn Journal, model: &Model) {
    assert_eq!(journal.size(), model.entries.len() as u64);
    assert_eq!(journal.last_leaf(), model.last_leaf());
    let head = TreeHead { shard: 0, size: journal.size(), root: model.root() };
    assert_eq!(journal.head(), head);
    assert_eq!(entries_from(journal, 1), model.entries);
}

fn an_empty_journal_has_the_head_of_nothing<E: Engine>() {
    let place = Place::new();
    let journal = E::create(&place.path);
    equal_to_the_model(&journal, &Model::new(identity()));
    assert_eq!((journal.next_seq(), journal.durability()), (1, E::DURABILITY));
    let journal = E::reopen(journal, &place.path);
    assert_eq!(journal.head(), TreeHead::empty(0));
}

fn what_was_appended_is_read_back<E: Engine>() {
    let place = Place::new();
    let (mut journal, mut model) = (E::create(&place.path), Model::new(identity()));
    for batch in [records(1, 1), records(2, 30), records(32, 100)] {
        let appended = journal.append(journal.next_seq(), &batch).unwrap();
        model.append(&batch);
        let first = appended.first_seq;
        let entries = appended.into_entries(batch);
        assert_eq!(entries, model.entries[first as usize - 1..]);
        equal_to_the_model(&journal, &model);
    }
    equal_to_the_model(&E::reopen(journal, &place.path), &model);
}

fn an_append_at_another_place_is_refused_and_writes_nothing<E: Engine>() {
    let place = Place::new();
    let mut journal = E::create(&place.path);
    grow(&mut journal, 5);
    let before = journal.head();
    for expected in [0, 1, 5, 7, u64::MAX] {
        let fault = journal.append(expected, &records(6, 2)).unwrap_err();
        assert_eq!(fault.id(), "unexpected-seq");
        assert!(matches!(fault, Fault::UnexpectedSeq { next: 6, .. }), "{fault}");
        assert!(journal.append(expected, &[]).is_err());
    }
    assert_eq!(journal.head(), before);
    grow(&mut journal, 1);
    let journal = E::reopen(journal, &place.path);
    assert_eq!((journal.size(), entries_from(&journal, 1).len()), (6, 6));
}

fn an_append_that_is_too_large_is_refused_and_writes_nothing<E: Engine>() {
    let place = Place::new();
    let mut journal = E::create(&place.path);
    let of = |bytes| Record { body: vec![1; bytes], ..record(1) };
    let too_large_body = [record(1), of(BODY_BYTES_MAX + 1)];
    let too_large_append = vec![of(BODY_BYTES_MAX); APPEND_BYTES_MAX / BODY_BYTES_MAX];
    for records in [too_large_body.as_slice(), &too_large_append] {
        let fault = journal.append(1, records).unwrap_err();
        assert_eq!((fault.id(), journal.size()), ("append-too-large", 0));
    }
    journal.append(1, &[of(BODY_BYTES_MAX)]).unwrap();
    let journal = E::reopen(journal, &place.path);
    assert_eq!(entries_from(&journal, 1)[0].record, of(BODY_BYTES_MAX));
}

fn an_append_of_nothing_changes_nothing<E: Engine>() {
    let place = Place::new();
    let mut journal = E::create(&place.path);
    grow(&mut journal, 3);
    let before = journal.head();
    let appended = journal.append(4, &[]).unwrap();
    assert_eq!((appended.first_seq, appended.leaves.len()), (4, 0));
    assert_eq!(journal.head(), before);
}

fn reading_begins_anywhere_and_stops_when_asked<E: Engine>() {
    let place = Place::new();
    let (mut journal, mut model) = (E::create(&place.path), Model::new(identity()));
    grow(&mut journal, 40);
    model.append(&records(1, 40));
    assert_eq!(entries_from(&journal, 0), model.entries);
    for from in 1..=40 {
        assert_eq!(entries_from(&journal, from), model.entries[from as usize - 1..]);
    }
    for beyond in [41, 42, u64::MAX] {
        assert_eq!(entries_from(&journal, beyond), []);
    }
    for wanted in [1, 39, 40] {
        let mut seen = Vec::new();
        let mut visit = |entry: Entry| {
            seen.push(entry.seq);
            if entry.seq == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        journal.read(1, &mut visit).unwrap();
        assert_eq!(seen, (1..=wanted).collect::<Vec<_>>());
    }
}

fn a_head_is_proved_from_every_earlier_size<E: Engine>() {
    let place = Place::new();
    let mut journal = E::create(&place.path);
    grow(&mut journal, 33);
    let start = Position::start(&identity());
    for kept in 0..=33 {
        let old = position_at(&journal, kept).frontier().head(0);
        for known in [start.clone(), position_at(&journal, kept / 2), position_at(&journal, kept)] {
            let (head, proof) = prove_head(&journal, &known, kept).unwrap();
            assert_eq!(head, journal.head());
            assert_eq!(verify_consistency(&old, &head, &proof), Ok(()), "from {kept}");
        }
    }
    assert_eq!(prove_head(&journal, &start, 34).unwrap_err().id(), "shorter-than-position");
    let mut foreign = position_at(&journal, 4);
    foreign.push([9; 32]).unwrap();
    assert_eq!(prove_head(&journal, &foreign, 9).unwrap_err().id(), "position-mismatch");
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u16, Vec<u8>)>),
    AppendElsewhere(u64),
    Reopen,
    Read(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let body = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        4 => prop::collection::vec((any::<u16>(), body), 0..20).prop_map(Step::Append),
        1 => any::<u64>().prop_map(Step::AppendElsewhere),
        1 => Just(Step::Reopen),
        1 => (0..200_u64).prop_map(Step::Read),
    ]
}

fn any_steps_lead_where_they_lead_the_model<E: Engine>(steps: Vec<Step>) {
    let place = Place::new();
    let (mut journal, mut model) = (E::create(&place.path), Model::new(identity()));
    for step in steps {
        match step {
            Step::Append(bodies) => {
                let version = bodies.len() as u16;
                let of = |(kind, body)| Record { kind, version, body, ..record(1) };
                let records: Vec<_> = bodies.into_iter().map(of).collect();
                journal.append(journal.next_seq(), &records).unwrap();
                model.append(&records);
            }
            Step::AppendElsewhere(seq) if seq != journal.next_seq() => {
                assert!(journal.append(seq, &records(1, 1)).is_err());
            }
            Step::AppendElsewhere(_) => {}
            Step::Reopen => journal = E::reopen(journal, &place.path),
            Step::Read(from) => {
                let skipped = (from.max(1) - 1) as usize;
                let expected = model.entries.iter().skip(skipped).cloned().collect::<Vec<_>>();
                assert_eq!(entries_from(&journal, from), expected);
            }
        }
    }
    equal_to_the_model(&journal, &model);
    equal_to_the_model(&E::reopen(journal, &place.path), &model);
}

macro_rules! suite {
    ($($module:ident: $engine:ident { $($test:ident)* })*) => {$(
        mod $module {
            use super::*;

            $(#[test] fn $test() { super::$test::<$engine>(); })*

            proptest! {
                #![proptest_config(ProptestConfig {
                    cases: 24, failure_persistence: None, ..ProptestConfig::default()
                })]

                #[test]
                fn any_steps_lead_where_they_lead_the_model(
                    steps in prop::collection::vec(step(), 0..16)
                ) {
                    super::any_steps_lead_where_they_lead_the_model::<$engine>(steps);
                }
            }
        }
    )*};
    ($($module:ident: $engine:ident),* $(,)?) => {
        suite! { $($module: $engine {
            an_empty_journal_has_the_head_of_nothing
            what_was_appended_is_read_back
            an_append_at_another_place_is_refused_and_writes_nothing
            an_append_that_is_too_large_is_refused_and_writes_nothing
            an_append_of_nothing_changes_nothing
            reading_begins_anywhere_and_stops_when_asked
            a_head_is_proved_from_every_earlier_size
        })* }
    };
}

suite! {
    sqlite: Sqlite,
    sqlite_with_snapshot: SqliteWithSnapshot,
    memory: Memory,
    memory_with_power_cuts: MemoryWithPowerCuts,
}
