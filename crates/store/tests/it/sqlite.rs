//! What only the SQLite engine does: files, locks, places to start from.

use std::os::unix::fs::PermissionsExt;

use primitives::DeploymentId;
use rusqlite::Connection;
use store::{Fault, Identity, Journal, Opening, Position, SqliteJournal};

use crate::{
    conformance::{entries_from, position_at},
    support::{Place, beside, grow, identity, opening, records},
};

fn refused(opening: &Opening) -> Fault {
    SqliteJournal::open(opening).unwrap_err()
}

#[test]
fn a_second_opener_in_the_same_process_is_refused_by_name() {
    let place = Place::closed(2);
    let first = place.open();
    let fault = refused(&opening(&place.path));
    assert_eq!(fault.id(), "journal-in-use");
    assert!(fault.to_string().contains(&std::process::id().to_string()), "{fault}");
    assert_eq!(SqliteJournal::create(&place.path, identity()).unwrap_err().id(), "journal-in-use");
    drop(first);
    assert_eq!(place.open().size(), 2);
}

#[test]
fn another_program_can_neither_read_nor_write_a_journal_in_use() {
    let place = Place::closed(2);
    let mut journal = place.open();
    grow(&mut journal, 1);
    let shell = Connection::open(&place.path).unwrap();
    shell.busy_timeout(std::time::Duration::ZERO).unwrap();
    let read = shell.query_row("SELECT count(*) FROM journal", [], |row| row.get::<_, i64>(0));
    assert!(read.unwrap_err().to_string().contains("locked"));
    assert!(shell.execute("DELETE FROM journal", []).is_err());
    grow(&mut journal, 1);
    drop(journal);
    assert_eq!(place.open().size(), 4);
}

#[test]
fn another_program_that_has_the_file_open_keeps_the_journal_from_opening() {
    let place = Place::closed(2);
    let shell = Connection::open(&place.path).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(refused(&opening(&place.path)).id(), "sqlite-failed");
}

#[test]
fn a_journal_of_another_deployment_or_shard_is_refused() {
    let place = Place::closed(2);
    for identity in [
        Identity { shard: 1, ..identity() },
        Identity { deployment: DeploymentId([8; 32]), ..identity() },
    ] {
        let fault = refused(&Opening { identity, ..opening(&place.path) });
        assert_eq!(fault.id(), "wrong-journal", "{fault}");
    }
}

#[test]
fn entries_of_another_deployment_do_not_fit_even_under_the_right_name() {
    let place = Place::new();
    let other = Identity { deployment: DeploymentId([8; 32]), shard: 0 };
    let mut journal = SqliteJournal::create(&place.path, other).unwrap();
    grow(&mut journal, 3);
    drop(journal);
    let relabel = "UPDATE meta SET value = ?1 WHERE name = 'deployment'";
    let shell = Connection::open(&place.path).unwrap();
    shell.execute(relabel, [identity().deployment.to_string()]).unwrap();
    drop(shell);
    let fault = refused(&opening(&place.path));
    assert!(matches!(fault, Fault::BadEntry { seq: 1, .. }), "{fault}");
}

#[test]
fn opening_creates_nothing_and_creating_replaces_nothing() {
    let place = Place::new();
    assert_eq!(refused(&opening(&place.path)).id(), "io-failed");
    assert_eq!(place.files(), []);

    let place = Place::closed(2);
    let fault = SqliteJournal::create(&place.path, identity()).unwrap_err();
    assert_eq!(fault.id(), "journal-exists");
    assert_eq!(place.open().size(), 2);

    let place = Place::new();
    std::fs::write(beside(&place.path, "-wal"), b"of a journal whose file is gone").unwrap();
    let fault = SqliteJournal::create(&place.path, identity()).unwrap_err();
    assert_eq!(fault.id(), "journal-exists");
}

#[test]
fn what_is_not_a_journal_is_refused() {
    for bytes in [b"".as_slice(), b"certainly no database, but long enough to look like one ..."] {
        let place = Place::new();
        std::fs::write(&place.path, bytes).unwrap();
        let id = refused(&opening(&place.path)).id();
        assert!(id == "wrong-journal" || id == "sqlite-failed", "{id}");
        assert_eq!(std::fs::read(&place.path).unwrap().len(), bytes.len());
    }
    let place = Place::new();
    Connection::open(&place.path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = std::fs::read(&place.path).unwrap();
    assert_eq!(refused(&opening(&place.path)).id(), "wrong-journal");
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_journal_whose_creation_was_interrupted_is_created_again() {
    let place = Place::new();
    std::fs::write(beside(&place.path, ".new"), b"half a journal").unwrap();
    std::fs::write(beside(&place.path, ".new-wal"), b"half a log").unwrap();
    let mut journal = SqliteJournal::create(&place.path, identity()).unwrap();
    grow(&mut journal, 1);
    assert!(!beside(&place.path, ".new").exists());
}

#[test]
fn the_files_are_for_the_owner_alone() {
    let place = Place::closed(0);
    let mut journal = place.open();
    grow(&mut journal, 1);
    for (path, _) in place.files() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    assert_eq!(place.files().len(), 3, "journal, write-ahead log, lock");
}

#[test]
fn the_log_stays_small_while_the_journal_grows() {
    let place = Place::closed(0);
    let mut journal = place.open();
    let batch = |next| records(next, 100);
    for _ in 0..50 {
        journal.append(journal.next_seq(), &batch(journal.next_seq())).unwrap();
        let log = std::fs::metadata(beside(&place.path, "-wal")).unwrap().len();
        assert!(log < 1 << 20, "{log}");
    }
}

#[test]
fn a_place_that_does_not_belong_to_the_journal_is_refused() {
    let place = Place::closed(20);
    let journal = place.open();
    let right = position_at(&journal, 12);
    let mut longer = position_at(&journal, 20);
    drop(journal);
    longer.push([1; 32]).unwrap();
    let mut other = Position::start(&identity());
    (0..12).for_each(|leaf| other.push([leaf; 32]).unwrap());
    let with = |position| Opening { position: Some(position), ..opening(&place.path) };
    assert_eq!(refused(&with(longer)).id(), "shorter-than-position");
    assert_eq!(refused(&with(other)).id(), "position-mismatch");
    let journal = SqliteJournal::open(&with(right)).unwrap();
    assert_eq!((journal.size(), entries_from(&journal, 1).len()), (20, 20));
}

#[test]
fn a_start_from_a_trusted_place_follows_the_chain_from_there() {
    let place = Place::closed(20);
    let position = Some(position_at(&place.open(), 12));
    let shell = Connection::open(&place.path).unwrap();
    shell.execute("UPDATE journal SET payload = x'00' WHERE seq = 3", []).unwrap();
    drop(shell);
    let trusting = Opening { position, ..opening(&place.path) };
    assert_eq!(SqliteJournal::open(&trusting).unwrap().size(), 20);
    let shell = Connection::open(&place.path).unwrap();
    shell.execute("UPDATE journal SET payload = x'00' WHERE seq = 17", []).unwrap();
    drop(shell);
    let fault = refused(&trusting);
    assert!(matches!(fault, Fault::BadEntry { seq: 17, .. }), "{fault}");
}

#[test]
fn the_witnessed_head_is_compared_at_opening() {
    let place = Place::closed(20);
    let journal = place.open();
    let head = position_at(&journal, 15).frontier().head(0);
    drop(journal);
    let with = |witnessed| Opening { witnessed: Some(witnessed), ..opening(&place.path) };
    assert_eq!(SqliteJournal::open(&with(head)).unwrap().size(), 20);
    let longer = signer_protocol::merkle::TreeHead { size: 4600, ..head };
    let fault = refused(&with(longer));
    assert_eq!(fault.id(), "shorter-than-witness");
    let said = "the journal ends at 20, but head of size 4600 was witnessed";
    assert!(fault.to_string().contains(said), "{fault}");
    for other in [
        signer_protocol::merkle::TreeHead { root: [0; 32], ..head },
        signer_protocol::merkle::TreeHead { shard: 1, ..head },
    ] {
        assert_eq!(refused(&with(other)).id(), "head-mismatch");
    }
}

#[test]
fn an_entry_that_rots_while_the_journal_is_open_is_never_handed_out() {
    let place = Place::closed(20);
    let shell = Connection::open(&place.path).unwrap();
    let rot = "UPDATE journal SET payload = CAST(substr(payload, 1, 60) || x'ff' AS BLOB)
        WHERE seq = 7";
    shell.execute(rot, []).unwrap();
    drop(shell);
    // The trusted place lies after the rotten entry, so that only reading can find it.
    let intact = Place::closed(20);
    let position = Some(position_at(&intact.open(), 15));
    let journal = SqliteJournal::open(&Opening { position, ..opening(&place.path) }).unwrap();
    let mut seen = Vec::new();
    let mut visit = |entry: store::Entry| {
        seen.push(entry.seq);
        std::ops::ControlFlow::Continue(())
    };
    let fault = journal.read(1, &mut visit).unwrap_err();
    assert!(matches!(fault, Fault::BadEntry { seq: 7, .. }), "{fault}");
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}
