//! The offline check, against every way in which a journal may not be what was written.

use rusqlite::{Connection, params};
use signer_protocol::merkle::TreeHead;
use store::{Audit, Journal, Problem, Report, SqliteJournal, Verdict, verify};

use crate::{
    conformance::position_at,
    model,
    support::{Place, beside, grow, identity, record},
};

fn audit(place: &Place) -> Audit {
    Audit {
        path: place.path.clone(),
        scratch: place.folder.path().to_owned(),
        identity: Some(identity()),
        witnessed: Vec::new(),
    }
}

fn report(place: &Place, witnessed: &[TreeHead]) -> Report {
    verify(&Audit { witnessed: witnessed.to_vec(), ..audit(place) }).unwrap()
}

fn head_at(place: &Place, size: u64) -> TreeHead {
    position_at(&place.open(), size).frontier().head(0)
}

fn edit(place: &Place, statement: &str) {
    Connection::open(&place.path).unwrap().execute_batch(statement).unwrap();
}

fn payload(place: &Place, seq: i64) -> Vec<u8> {
    let shell = Connection::open(&place.path).unwrap();
    let select = "SELECT payload FROM journal WHERE seq = ?1";
    shell.query_row(select, [seq], |row| row.get(0)).unwrap()
}

fn put(place: &Place, seq: i64, payload: &[u8]) {
    let shell = Connection::open(&place.path).unwrap();
    let update = "UPDATE journal SET payload = ?2 WHERE seq = ?1";
    assert_eq!(shell.execute(update, params![seq, payload]).unwrap(), 1);
}

/// Flips one bit of byte `at` of entry `seq`.
fn alter(place: &Place, seq: i64, at: usize) {
    let mut bytes = payload(place, seq);
    bytes[at] ^= 1;
    put(place, seq, &bytes);
}

fn bad(place: &Place) -> (u64, Problem) {
    match report(place, &[]).verdict {
        Verdict::BadEntry { seq, problem } => (seq, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn a_whole_journal_is_whole_with_and_without_witness() {
    let place = Place::closed(40);
    let heads = [40, 1, 0, 25].map(|size| head_at(&place, size));
    let found = report(&place, &heads);
    assert_eq!((found.verdict, found.size, found.witnessed_to), (Verdict::Whole, 40, 40));
    assert_eq!(found.head, Some(heads[0]));
    let found = report(&place, &heads[1..]);
    assert_eq!((found.verdict, found.size, found.witnessed_to), (Verdict::Whole, 40, 25));
    assert_eq!(report(&place, &[]).identity, Some(identity()));
    assert_eq!(report(&Place::closed(0), &[]).verdict, Verdict::Whole);
}

#[test]
fn an_altered_body_is_named_by_its_entry() {
    for seq in [1, 17, 38] {
        let place = Place::closed(40);
        alter(&place, seq, 60);
        assert_eq!(bad(&place), (seq as u64, Problem::Altered));
    }
    let place = Place::closed(40);
    alter(&place, 17, 60);
    let text = report(&place, &[]).verdict.to_string();
    let said =
        "bad-entry: entry 17 was altered: the entry after it carries the hash of other bytes";
    assert_eq!(text, said);
}

#[test]
fn an_altered_link_breaks_the_chain_at_its_entry() {
    for seq in [1, 2, 17, 40] {
        let place = Place::closed(40);
        alter(&place, seq, 5);
        assert_eq!(bad(&place), (seq as u64, Problem::ChainBroken));
    }
}

#[test]
fn an_altered_header_is_named_by_its_entry() {
    let cases: [(usize, Problem); 2] = [
        (32, Problem::OtherShard { wanted: 0, found: 1 }),
        (34, Problem::OutOfPlace { claims: 16 }),
    ];
    for (at, problem) in cases {
        let place = Place::closed(40);
        alter(&place, 17, at);
        assert_eq!(bad(&place), (17, problem));
    }
    for at in [42, 50, 52] {
        let place = Place::closed(40);
        alter(&place, 17, at);
        assert_eq!(bad(&place), (17, Problem::Altered));
    }
    let place = Place::closed(40);
    put(&place, 17, b"short");
    assert_eq!(bad(&place), (17, Problem::TooShort { bytes: 5 }));
}

#[test]
fn a_removed_entry_is_named() {
    let place = Place::closed(40);
    edit(&place, "DELETE FROM journal WHERE seq = 17");
    assert_eq!(bad(&place), (17, Problem::Missing { next: 18 }));
    let place = Place::closed(40);
    edit(&place, "DELETE FROM journal WHERE seq < 5");
    assert_eq!(bad(&place), (1, Problem::Missing { next: 5 }));
}

#[test]
fn an_entry_removed_and_the_rest_moved_up_is_named() {
    let place = Place::closed(40);
    edit(
        &place,
        "DELETE FROM journal WHERE seq = 17;
         UPDATE journal SET seq = seq + 1000 WHERE seq > 17;
         UPDATE journal SET seq = seq - 1001 WHERE seq > 1000;",
    );
    assert_eq!(bad(&place), (17, Problem::OutOfPlace { claims: 18 }));
}

#[test]
fn reordered_entries_are_named_by_the_first() {
    let place = Place::closed(40);
    let (ninth, thirtieth) = (payload(&place, 9), payload(&place, 30));
    put(&place, 9, &thirtieth);
    put(&place, 30, &ninth);
    assert_eq!(bad(&place), (9, Problem::OutOfPlace { claims: 30 }));
}

#[test]
fn a_row_before_the_first_is_no_entry() {
    let place = Place::closed(4);
    edit(&place, "INSERT INTO journal VALUES (-3, x'00')");
    assert_eq!(bad(&place), (1, Problem::Missing { next: 0 }));
}

#[test]
fn a_journal_cut_short_is_found_by_the_witness_only() {
    let place = Place::closed(460);
    let newest = head_at(&place, 460);
    edit(&place, "DELETE FROM journal WHERE seq > 28");
    let alone = report(&place, &[]);
    assert_eq!((alone.verdict, alone.size), (Verdict::Whole, 28));
    let found = report(&place, &[newest]);
    let said = "shorter-than-witness: journal ends at 28, but head of size 460 was witnessed";
    assert_eq!(found.verdict.to_string(), said);
    assert_eq!(found.head, Some(head_at(&place, 28)));
}

#[test]
fn a_rewritten_past_is_found_by_the_witness_only() {
    let place = Place::closed(40);
    let heads = [10, 20, 30, 40].map(|size| head_at(&place, size));
    let mut previous = position_at(&place.open(), 24).last_leaf();
    for seq in 25..=40 {
        let bytes = model::bytes(0, seq, previous, &record(seq + 1000));
        put(&place, seq as i64, &bytes);
        previous = model::leaf(&bytes);
    }
    assert_eq!(report(&place, &[]).verdict, Verdict::Whole);
    let found = report(&place, &heads);
    assert_eq!(found.verdict, Verdict::HeadMismatch { witnessed: heads[2] });
    assert_eq!(found.witnessed_to, 20);
    // The last entry has no successor that would carry its hash.
    let place = Place::closed(40);
    alter(&place, 40, 60);
    assert_eq!(report(&place, &[]).verdict, Verdict::Whole);
    let found = report(&place, &heads);
    assert_eq!(found.verdict, Verdict::HeadMismatch { witnessed: heads[3] });
}

#[test]
fn a_head_of_another_shard_is_a_mismatch() {
    let place = Place::closed(4);
    let head = TreeHead { shard: 3, ..head_at(&place, 4) };
    assert_eq!(report(&place, &[head]).verdict, Verdict::HeadMismatch { witnessed: head });
}

#[test]
fn what_is_no_journal_is_unreadable() {
    let place = Place::new();
    std::fs::write(&place.path, vec![0x5a; 5000]).unwrap();
    assert_eq!(report(&place, &[]).verdict.id(), "unreadable");
    let place = Place::closed(4);
    edit(&place, "DROP TABLE journal");
    assert_eq!(report(&place, &[]).verdict.id(), "unreadable");
    let place = Place::closed(4);
    edit(&place, "UPDATE meta SET value = '9' WHERE name = 'format'");
    let found = report(&place, &[]).verdict.to_string();
    assert!(found.contains("format 9, but 1 is needed"), "{found}");
    let other = store::Identity { shard: 5, ..identity() };
    let found = verify(&Audit { identity: Some(other), ..audit(&Place::closed(4)) }).unwrap();
    assert_eq!(found.verdict.id(), "unreadable");
}

#[test]
fn damage_to_pages_without_entries_is_found_too() {
    let place = Place::closed(400);
    let mut bytes = std::fs::read(&place.path).unwrap();
    // The number of free pages in the file's header, which no entry depends on.
    bytes[39] ^= 1;
    std::fs::write(&place.path, bytes).unwrap();
    let found = report(&place, &[]).verdict.to_string();
    assert!(found.starts_with("unreadable: the entries are whole, but SQLite finds"), "{found}");
}

#[test]
fn nothing_is_changed_by_verifying() {
    let live = Place::closed(0);
    let mut journal = live.open();
    grow(&mut journal, 50);
    let closed = Place::closed(50);
    for place in [live.copy(), closed] {
        let before = place.files();
        assert_eq!(report(&place, &[journal.head()]).verdict, Verdict::Whole);
        assert_eq!(place.files(), before);
    }
}

#[test]
fn a_journal_in_use_is_not_verified() {
    let place = Place::closed(4);
    let mut journal = place.open();
    assert_eq!(verify(&audit(&place)).unwrap_err().id(), "journal-in-use");
    grow(&mut journal, 1);
    drop(journal);
    assert_eq!(report(&place, &[]).size, 5);
    std::fs::remove_file(beside(&place.path, ".lock")).unwrap();
    assert_eq!(report(&place, &[]).size, 5);
    assert!(!beside(&place.path, ".lock").exists());
}

#[test]
fn a_missing_file_is_a_fault() {
    let place = Place::new();
    assert_eq!(verify(&audit(&place)).unwrap_err().id(), "io-failed");
}

#[test]
fn any_path_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of a #journal? yes");
    let mut journal = SqliteJournal::create(&path, identity()).unwrap();
    grow(&mut journal, 5);
    drop(journal);
    let audit =
        Audit { path, scratch: folder.path().to_owned(), identity: None, witnessed: Vec::new() };
    let found = verify(&audit).unwrap();
    assert_eq!((found.verdict, found.size), (Verdict::Whole, 5));
}

#[test]
fn a_journal_cut_between_its_pages_is_followed_to_the_last_entry_that_is_there() {
    let place = Place::closed(400);
    let whole = std::fs::read(&place.path).unwrap();
    let heads: Vec<_> = (0..=400).map(|size| head_at(&place, size)).collect();
    let mut sizes = Vec::new();
    // Before that stand the schema, the names, the tree's root and the first entries.
    for pages in 4..whole.len() / 8192 {
        std::fs::write(&place.path, &whole[..pages * 8192]).unwrap();
        let found = report(&place, &[]);
        let size = found.size;
        let said = format!(
            "entry {size} is the last that can be read and follows those before it, entry {} is \
             missing or cannot be read",
            size + 1
        );
        assert!(found.verdict.to_string().ends_with(&said), "{pages} pages: {}", found.verdict);
        assert_eq!(found.head, Some(heads[size as usize]));
        sizes.push(size);
    }
    assert!(sizes.is_sorted() && sizes[0] > 0 && sizes.len() > 3, "{sizes:?}");
}
