use primitives::{DeploymentId, Timestamp};
use rusqlite::OpenFlags;
use tempfile::TempDir;

use super::*;
use crate::database::{Pragma, open, set};

const IDENTITY: Identity = Identity { deployment: DeploymentId([7; 32]), shard: 0 };

fn answers(journal: &SqliteJournal) -> (i64, String) {
    let ask = |name| journal.connection.pragma_query_value(None, name, |row| row.get(0));
    let mode = journal.connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
    (ask("synchronous").unwrap(), mode.unwrap())
}

/// No test can cut the power of a real disk, and none that kills a process sees a missing flush:
/// the system keeps what was written. So this stands for the flush: with these two settings, and no
/// others, SQLite flushes the write-ahead log before a commit returns.
/// Source: <https://www.sqlite.org/pragma.html#pragma_synchronous>, 2 is FULL.
#[test]
fn a_journal_flushes_its_log_at_every_commit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal");
    let flushes = (2, "wal".to_owned());
    let mut journal = SqliteJournal::create(&path, IDENTITY).unwrap();
    assert_eq!(answers(&journal), flushes, "where it was created");
    let at = Timestamp::parse_seconds(1_557_249_324).unwrap();
    journal.append(1, &[Record { at, kind: 1, version: 1, body: vec![1] }]).unwrap();
    assert_eq!(answers(&journal), flushes, "after an append");
    drop(journal);
    let opening = Opening { path, identity: IDENTITY, position: None, witnessed: None };
    let journal = SqliteJournal::open(&opening).unwrap();
    assert_eq!(answers(&journal), flushes, "where it was opened");
}

#[test]
fn a_setting_that_sqlite_does_not_follow_is_a_fault() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(&path, flags, &[]).unwrap();
    let full = Pragma { name: "synchronous", value: "FULL", answer: "2" };
    set(&connection, &path, &[full]).unwrap();
    // SQLite takes a word that it does not know for NORMAL or OFF, and says nothing.
    let misspelt = Pragma { name: "synchronous", value: "FUL", answer: "2" };
    let fault = set(&connection, &path, &[misspelt]).unwrap_err();
    assert_eq!(fault.id(), "pragma-not-followed", "{fault}");
}
