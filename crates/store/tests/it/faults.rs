//! Names of faults and verdicts are an interface: they stand in the reference, and in messages.

use std::{collections::BTreeSet, io, path::PathBuf};

use signer_protocol::merkle::TreeHead;
use store::{Fault, Problem, Verdict};

const PAGE: &str = include_str!("../../../../docs/journal-format.md");

fn every_fault() -> Vec<Fault> {
    let path = PathBuf::from("/journal");
    let witnessed = TreeHead::empty(0);
    vec![
        Fault::SqliteTooOld { found: "3.45.0" },
        Fault::PragmaNotFollowed {
            path: path.clone(),
            name: "journal_mode",
            wanted: "wal",
            found: "memory".to_owned(),
        },
        Fault::JournalInUse { path: path.clone(), holder: "process 7".to_owned() },
        Fault::JournalExists { path: path.clone() },
        Fault::WrongJournal {
            path: path.clone(),
            what: "shard",
            wanted: "0".to_owned(),
            found: "1".to_owned(),
        },
        Fault::UnexpectedSeq { expected: 4, next: 5 },
        Fault::AppendTooLarge { what: "a body", found: 2, most: 1 },
        Fault::JournalFull,
        Fault::JournalPoisoned,
        Fault::BadEntry { seq: 4, problem: Problem::Altered },
        Fault::ShorterThanPosition { size: 4, position: 5 },
        Fault::PositionMismatch { seq: 4 },
        Fault::ShorterThanWitness { size: 4, witnessed },
        Fault::HeadMismatch { witnessed },
        Fault::TailDamaged { path: path.clone(), what: "is damaged".to_owned() },
        Fault::Sqlite {
            doing: "appending to",
            path: path.clone(),
            source: rusqlite::Error::InvalidQuery,
        },
        Fault::Io { doing: "renaming", path, source: io::Error::other("no") },
        Fault::SimulatedCrash,
        Fault::ViewGap { projection: "a", applied: 4, found: 6 },
        Fault::ViewOfAnotherJournal { projection: "a", applied: 4 },
        Fault::ProjectionNamedTwice { name: "a" },
        Fault::ProjectionFailed { projection: "a", seq: 4, source: "no".into() },
    ]
}

/// The ids in the first column of the table under `heading`.
fn listed(heading: &str) -> BTreeSet<&'static str> {
    let section = PAGE.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_fault_has_a_name_of_its_own_that_its_message_begins_with_and_the_reference_lists() {
    let faults = every_fault();
    for fault in &faults {
        assert!(fault.to_string().starts_with(&format!("{}: ", fault.id())), "{fault}");
    }
    let ids: BTreeSet<_> = faults.iter().map(Fault::id).collect();
    assert_eq!(ids.len(), faults.len());
    assert_eq!(listed("## Faults"), ids);
}

#[test]
fn the_reference_lists_every_verdict() {
    let witnessed = TreeHead::empty(0);
    let verdicts = [
        Verdict::Whole,
        Verdict::BadEntry { seq: 4, problem: Problem::ChainBroken },
        Verdict::HeadMismatch { witnessed },
        Verdict::TailDamaged { size: 4, what: String::new() },
        Verdict::ShorterThanWitness { size: 4, witnessed },
        Verdict::Unreadable { what: String::new() },
    ];
    let ids: BTreeSet<_> = verdicts.iter().map(Verdict::id).collect();
    assert_eq!(listed("## Verdicts"), ids);
}
