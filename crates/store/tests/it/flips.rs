//! One flipped bit in the files of a journal that was not closed.

use std::path::{Path, PathBuf};

use signer_protocol::merkle::TreeHead;
use store::{Audit, Journal, Opening, SqliteJournal, Verdict, verify};

use crate::{
    kill::append_and_kill,
    support::{Place, Random, beside, identity, opening, read, records},
};

/// A journal in use, whose newest entries are in its write-ahead log only.
fn unclosed(entries: u64) -> (Place, Vec<TreeHead>) {
    let live = Place::closed(0);
    let mut journal = live.open();
    let mut heads = Vec::new();
    while journal.size() < entries {
        journal.append(journal.next_seq(), &records(journal.next_seq(), 10)).unwrap();
        heads.push(journal.head());
    }
    (live.copy(), heads)
}

fn flip(path: &Path, bit: u64) {
    let mut bytes = read(path);
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    std::fs::write(path, bytes).unwrap();
}

fn audit(place: &Place, witnessed: &[TreeHead]) -> store::Report {
    let audit = Audit {
        path: place.path.clone(),
        scratch: place.folder.path().to_owned(),
        identity: Some(identity()),
        witnessed: witnessed.to_vec(),
    };
    verify(&audit).unwrap()
}

/// Flips one bit in a copy. With the witnessed head the damage is found or does no harm, for the
/// check and for the next start alike. Says what the check alone, without a witness, makes of it.
fn flip_one(place: &Place, witnessed: TreeHead, suffix: &str, bit: u64) -> store::Report {
    let copy = place.copy();
    flip(&beside(&copy.path, suffix), bit);
    let report = audit(&copy, &[witnessed]);
    if report.verdict == Verdict::Whole {
        assert!(report.size >= witnessed.size, "bit {bit} of {suffix:?}: {report:?}");
    }
    let alone = audit(&copy, &[]);
    let files = copy.files();
    let opening = Opening { witnessed: Some(witnessed), ..opening(&copy.path) };
    match SqliteJournal::open(&opening) {
        Ok(journal) => {
            assert!(journal.size() >= witnessed.size, "bit {bit} of {suffix:?}");
            assert_ne!(report.verdict.id(), "bad-entry", "bit {bit} of {suffix:?}");
        }
        Err(refused) => {
            let kept = |files: Vec<(PathBuf, Vec<u8>)>| {
                files.into_iter().filter(|(path, _)| !path.ends_with("journal.lock")).collect()
            };
            let (before, after): (Vec<_>, Vec<_>) = (kept(files), kept(copy.files()));
            assert!(before == after, "bit {bit} of {suffix:?} changed the evidence: {refused}");
        }
    }
    alone
}

#[test]
fn a_bit_flipped_in_the_database_of_a_killed_journal_is_harmless_or_found() {
    let mut random = Random::seeded(1);
    let place = Place::closed(0);
    let acknowledged = append_and_kill(&place, 60);
    let bits = read(&place.path).len() as u64 * 8;
    for byte in 0..100 {
        flip_one(&place, acknowledged, "", byte * 8 + random.below(8));
    }
    for _ in 0..150 {
        flip_one(&place, acknowledged, "", random.below(bits));
    }
}

#[test]
fn a_bit_flipped_in_the_log_of_a_killed_journal_is_harmless_or_found() {
    let mut random = Random::seeded(2);
    let place = Place::closed(0);
    let acknowledged = append_and_kill(&place, 60);
    let bits = read(&beside(&place.path, "-wal")).len() as u64 * 8;
    for byte in 0..56 {
        flip_one(&place, acknowledged, "-wal", byte * 8 + random.below(8));
    }
    for _ in 0..150 {
        flip_one(&place, acknowledged, "-wal", random.below(bits));
    }
}

/// SQLite takes a log up to its first bad frame and says nothing. Ours is found without a witness,
/// unless it hit the last transactions.
#[test]
fn damage_inside_the_log_is_found_without_a_witness() {
    let mut random = Random::seeded(3);
    let (place, heads) = unclosed(100);
    let newest = *heads.last().unwrap();
    let bits = read(&beside(&place.path, "-wal")).len() as u64 * 8;
    let mut silent = Vec::new();
    let mut found = 0;
    for _ in 0..200 {
        let report = flip_one(&place, newest, "-wal", random.below(bits));
        match report.verdict {
            Verdict::Whole if report.size < newest.size => silent.push(report.size),
            Verdict::Whole => {}
            Verdict::TailDamaged { .. } => found += 1,
            other => panic!("{other}"),
        }
    }
    println!("found {found}, only the witness finds {}", silent.len());
    assert!(found > 100, "found {found}, silent {}", silent.len());
    let two_batches_less = newest.size - 20;
    assert!(silent.iter().all(|&size| size >= two_batches_less), "{silent:?}");
}

#[test]
fn a_log_that_is_missing_is_found_by_the_witness() {
    let (place, heads) = unclosed(300);
    std::fs::remove_file(beside(&place.path, "-wal")).unwrap();
    let newest = *heads.last().unwrap();
    let report = audit(&place, &heads);
    let Verdict::ShorterThanWitness { size, witnessed } = report.verdict else {
        panic!("{:?}", report.verdict)
    };
    assert!(size < newest.size);
    assert_eq!(witnessed, newest);
    let opening = Opening { witnessed: Some(newest), ..opening(&place.path) };
    let fault = SqliteJournal::open(&opening).unwrap_err();
    assert_eq!(fault.id(), "shorter-than-witness");
}

#[test]
fn a_log_that_was_cut_anywhere_is_whole_up_to_there_and_found_by_the_witness() {
    let mut random = Random::seeded(4);
    let (place, heads) = unclosed(100);
    let newest = *heads.last().unwrap();
    let whole = read(&beside(&place.path, "-wal"));
    for _ in 0..60 {
        let length = random.below(whole.len() as u64) as usize;
        let copy = place.copy();
        std::fs::write(beside(&copy.path, "-wal"), &whole[..length]).unwrap();
        let report = audit(&copy, &heads);
        match report.verdict {
            Verdict::ShorterThanWitness { size, .. } => assert_eq!(size, report.witnessed_to),
            Verdict::TailDamaged { .. } => assert!(length < 32, "{length}"),
            Verdict::Whole => assert_eq!(report.size, newest.size),
            other => panic!("cut at {length}: {other}"),
        }
    }
}
