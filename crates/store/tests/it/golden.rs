//! A journal of the first release, committed with what is in it: it must be read for ever, and what
//! is written today must be the same bytes.
//!
//! `golden/journal-v1.sqlite` was closed cleanly; `golden/journal-v1.txt` has its entries (seq, time
//! in milliseconds, kind, version, leaf hash, body) and its head. With `UPDATE_EXPECT=1` both are
//! written anew, from an event of each kind: for a format that was never released only.

use std::{
    fmt::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use custody::Event;
use primitives::{Timestamp, to_hex};
use rusqlite::Connection;
use signer_protocol::merkle::TreeHead;
use store::{Audit, Journal, Record, SqliteJournal, Verdict, verify};

use crate::{
    model::Model,
    support::{Place, START_SECONDS, identity, opening},
};

const GOLDEN: &str = include_str!("../golden/journal-v1.txt");
const PAGE: &str = include_str!("../../../../docs/journal-format.md");

fn golden_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-v1.sqlite")
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// One row of the text.
struct Row {
    record: Record,
    leaf: String,
}

/// The rows, and the head in the last line.
fn rows() -> (Vec<Row>, TreeHead) {
    let mut lines: Vec<_> = GOLDEN.lines().collect();
    let head = lines.pop().unwrap().split(' ').collect::<Vec<_>>();
    let ["head", size, root] = head[..] else { panic!("{head:?}") };
    let rows = lines.iter().enumerate().map(|(before, line)| {
        let [seq, at, kind, version, leaf, body] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert_eq!(seq.parse(), Ok(before + 1));
        let at = Timestamp::parse_millis(at.parse().unwrap()).unwrap();
        let (kind, version) = (kind.parse().unwrap(), version.parse().unwrap());
        Row { record: Record { at, kind, version, body: hex(body) }, leaf: leaf.to_owned() }
    });
    let root = hex(root).try_into().unwrap();
    (rows.collect(), TreeHead { shard: 0, size: size.parse().unwrap(), root })
}

/// A copy, since opening a journal changes its files.
fn copy() -> Place {
    let place = Place::new();
    std::fs::copy(golden_file(), &place.path).unwrap();
    place
}

/// A journal with `records`, written today and closed.
fn written(records: &[Record]) -> Place {
    let place = Place::new();
    let mut journal = SqliteJournal::create(&place.path, identity()).unwrap();
    for record in records {
        journal.append(journal.next_seq(), std::slice::from_ref(record)).unwrap();
    }
    drop(journal);
    place
}

fn payloads(place: &Place) -> Vec<Vec<u8>> {
    let shell = Connection::open(&place.path).unwrap();
    let mut select = shell.prepare("SELECT payload FROM journal ORDER BY seq").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_golden_journal_is_whole_and_ends_at_its_head() {
    regenerate_if_asked();
    let (rows, head) = rows();
    let place = copy();
    let audit = Audit {
        path: place.path.clone(),
        scratch: place.folder.path().to_owned(),
        identity: Some(identity()),
        witnessed: vec![head],
    };
    let report = verify(&audit).unwrap();
    assert_eq!((report.verdict, report.size), (Verdict::Whole, rows.len() as u64));
    assert_eq!(report.head, Some(head));
}

#[test]
fn every_entry_of_the_golden_journal_is_read_as_it_was_written() {
    let (rows, _) = rows();
    let place = copy();
    let journal = SqliteJournal::open(&opening(&place.path)).unwrap();
    let mut read = Vec::new();
    journal
        .read(1, &mut |entry| {
            read.push(entry);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(read.len(), rows.len());
    for (entry, row) in read.iter().zip(&rows) {
        assert_eq!(entry.record, row.record);
        assert_eq!(to_hex(&entry.leaf), row.leaf, "entry {}", entry.seq);
        let Record { kind, version, body, .. } = &entry.record;
        let event = Event::decode(*kind, *version, body).unwrap();
        assert_eq!(event.encode().unwrap(), *body, "entry {} is an event still", entry.seq);
    }
}

#[test]
fn the_same_records_are_the_same_bytes_today() {
    let (rows, head) = rows();
    let records: Vec<_> = rows.iter().map(|row| row.record.clone()).collect();
    assert_eq!(payloads(&written(&records)), payloads(&copy()));
    // And as the page says, word for word.
    let mut model = Model::new(identity());
    model.append(&records);
    let leaves = model.entries.iter().map(|entry| to_hex(&entry.leaf));
    assert!(leaves.eq(rows.into_iter().map(|row| row.leaf)));
    assert_eq!(model.root(), head.root);
}

/// The small journal of the page: three entries of one second, with bodies of 0 to 2 bytes.
#[test]
fn the_vector_on_the_page_of_the_format_is_what_is_written() {
    let records = [&[][..], &[0x01], &[0x02, 0x03]].map(|body| Record {
        at: Timestamp::parse_seconds(START_SECONDS).unwrap(),
        kind: 258,
        version: 1,
        body: body.to_vec(),
    });
    let payloads = payloads(&written(&records));
    let mut model = Model::new(identity());
    assert!(PAGE.contains(&to_hex(&model.last_leaf())), "the origin");
    model.append(&records);
    for (entry, payload) in model.entries.iter().zip(payloads) {
        let line =
            format!("| {} | `{}` | `{}` |", entry.seq, to_hex(&payload), to_hex(&entry.leaf));
        assert!(PAGE.contains(&line), "the page lacks\n{line}");
    }
    assert!(PAGE.contains(&to_hex(&model.root())), "the root {}", to_hex(&model.root()));
}

fn regenerate_if_asked() {
    if std::env::var_os("UPDATE_EXPECT").is_none() {
        return;
    }
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../custody/tests/golden/events-v1.txt");
    let events = std::fs::read_to_string(golden).unwrap();
    let records = (0..).zip(events.lines()).map(|(place, line)| {
        let fields: Vec<_> = line.split(' ').collect();
        Record {
            at: Timestamp::parse_millis(START_SECONDS * 1000 + place * 1001).unwrap(),
            kind: fields[0].parse().unwrap(),
            version: fields[1].parse().unwrap(),
            body: hex(fields[3]),
        }
    });
    let records: Vec<_> = records.collect();
    std::fs::copy(written(&records).path, golden_file()).unwrap();
    let mut model = Model::new(identity());
    model.append(&records);
    let mut text = String::new();
    for entry in &model.entries {
        let Record { at, kind, version, body } = &entry.record;
        let (leaf, body) = (to_hex(&entry.leaf), to_hex(body));
        let at = at.to_millis();
        writeln!(text, "{} {at} {kind} {version} {leaf} {body}", entry.seq).unwrap();
    }
    writeln!(text, "head {} {}", model.entries.len(), to_hex(&model.root())).unwrap();
    std::fs::write(golden_file().with_extension("txt"), text).unwrap();
    panic!("written anew: run it again without UPDATE_EXPECT");
}

/// Row numbers that SQLite gives of a file, asked to be lenient.
fn readable_rows(place: &Place) -> Vec<i64> {
    let shell = Connection::open(&place.path).unwrap();
    let Ok(()) = shell.execute_batch("PRAGMA writable_schema = ON") else { return vec![] };
    let Ok(mut select) = shell.prepare("SELECT seq FROM journal WHERE seq > 0 ORDER BY seq") else {
        return vec![];
    };
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map_while(Result::ok).collect()
}

#[test]
fn a_cut_golden_journal_names_the_last_whole_entry_and_the_first_that_is_missing() {
    let bytes = std::fs::read(golden_file()).unwrap();
    let (entries, place) = (rows().0.len() as u64, Place::new());
    let mut reached = Vec::new();
    for length in (0..bytes.len()).step_by(64).chain([bytes.len() - 1]) {
        std::fs::write(&place.path, &bytes[..length]).unwrap();
        let audit = Audit {
            path: place.path.clone(),
            scratch: place.folder.path().to_owned(),
            identity: None,
            witnessed: vec![],
        };
        let report = verify(&audit).unwrap();
        let said = report.verdict.to_string();
        assert_ne!(report.verdict, Verdict::Whole, "{length} bytes");
        if !readable_rows(&place).is_empty() {
            let next = format!("entry {} is", report.size + 1);
            assert!(said.contains(&next), "{length} bytes: {said}");
            reached.push(report.size);
        }
        if report.size > 0 {
            let last = format!("entry {} is the last", report.size);
            assert!(said.contains(&last), "{length} bytes: {said}");
        }
    }
    assert!(reached.contains(&0) && reached.contains(&entries), "{reached:?}");
    assert!(reached.len() > 100, "cuts with a readable row: {}", reached.len());
}
