use rusqlite::Transaction;
use store::{Entry, Identity, Journal, MemoryJournal, Projection, ProjectionError, Readers, Views};

use crate::{
    conformance::entries_from,
    support::{Place, grow, identity, record, records},
};

/// Counts entries and bytes by kind; refuses entry `fails_at`.
struct Counts {
    name: &'static str,
    version: u32,
    fails_at: Option<u64>,
}

impl Counts {
    const fn named(name: &'static str) -> Self {
        Self { name, version: 1, fails_at: None }
    }
}

impl Projection for Counts {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let (name, version) = (self.name, self.version);
        transaction.execute_batch(&format!(
            "CREATE TABLE \"{name} by kind\" (kind INTEGER PRIMARY KEY, entries INTEGER NOT NULL,
                 bytes INTEGER NOT NULL) STRICT;
             CREATE VIEW \"{name} v{version}\" AS SELECT sum(entries) FROM \"{name} by kind\";"
        ))
    }

    fn apply(&self, transaction: &Transaction<'_>, entry: &Entry) -> Result<(), ProjectionError> {
        if self.fails_at == Some(entry.seq) {
            return Err("no such kind".into());
        }
        let upsert = format!(
            "INSERT INTO \"{}\" VALUES (?1, 1, ?2) ON CONFLICT (kind)
             DO UPDATE SET entries = entries + 1, bytes = bytes + ?2",
            format_args!("{} by kind", self.name)
        );
        let bytes = i64::try_from(entry.record.body.len())?;
        transaction.prepare_cached(&upsert)?.execute((entry.record.kind, bytes))?;
        Ok(())
    }
}

fn open(place: &Place, projections: Vec<Counts>) -> Views {
    let projections = projections.into_iter().map(|counts| Box::new(counts) as Box<dyn Projection>);
    Views::open(&place.path, identity(), projections.collect()).unwrap()
}

fn rows(readers: &Readers, name: &str) -> Vec<(i64, i64, i64)> {
    let select = format!("SELECT * FROM \"{name} by kind\" ORDER BY kind");
    let read = readers.read(|transaction, _applied| {
        let mut select = transaction.prepare(&select)?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    });
    read.unwrap()
}

fn tables(readers: &Readers) -> Vec<String> {
    let select = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
    let read = readers.read(|transaction, _applied| {
        transaction.prepare(select)?.query_map([], |row| row.get(0))?.collect()
    });
    read.unwrap()
}

/// Appends `count` records and hands the entries to the views, as the core does.
fn grow_live(journal: &mut MemoryJournal, views: &mut Views, count: u64) {
    let batch = records(journal.next_seq(), count);
    let appended = journal.append(journal.next_seq(), &batch).unwrap();
    views.apply_batch(&appended.into_entries(batch)).unwrap();
}

#[test]
fn views_rebuilt_equal_views_live() {
    let (live, rebuilt) = (Place::new(), Place::new());
    let mut journal = MemoryJournal::new(identity());
    let mut views = open(&live, vec![Counts::named("a"), Counts::named("b")]);
    for count in [1, 700, 3, 0, 1600] {
        grow_live(&mut journal, &mut views, count);
        assert_eq!(views.lag(journal.size()), 0);
    }
    let mut again = open(&rebuilt, vec![Counts::named("a"), Counts::named("b")]);
    assert_eq!(again.lag(journal.size()), 2304);
    let caught_up = again.catch_up(&journal).unwrap();
    assert_eq!((caught_up.entries, caught_up.rebuilt), (2304, vec![]));
    for name in ["a", "b"] {
        assert_eq!(rows(&again.readers(1), name), rows(&views.readers(1), name));
    }
    let all: i64 = rows(&again.readers(1), "a").iter().map(|row| row.1).sum();
    assert_eq!(all, 2304);
}

#[test]
fn views_go_on_where_they_stopped() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    let mut views = open(&place, vec![Counts::named("a")]);
    grow_live(&mut journal, &mut views, 10);
    drop(views);
    grow(&mut journal, 5);
    let mut views = open(&place, vec![Counts::named("a")]);
    assert_eq!((views.applied(), views.lag(journal.size())), (10, 5));
    assert_eq!(views.catch_up(&journal).unwrap().entries, 5);
    assert_eq!(views.catch_up(&journal).unwrap().entries, 0);
    // Handed again, they are passed over.
    views.apply_batch(&entries_from(&journal, 8)).unwrap();
    let all: i64 = rows(&views.readers(1), "a").iter().map(|row| row.1).sum();
    assert_eq!(all, 15);
}

#[test]
fn a_changed_projection_is_built_anew_and_a_removed_one_leaves_nothing() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 20);
    let mut views = open(&place, vec![Counts::named("a"), Counts::named("b")]);
    views.catch_up(&journal).unwrap();
    drop(views);
    let changed = Counts { version: 2, ..Counts::named("a") };
    let mut views = open(&place, vec![changed]);
    let readers = views.readers(1);
    assert_eq!(tables(&readers), ["a by kind", "a v2", "cursor", "made"]);
    assert_eq!((views.applied(), rows(&readers, "a")), (0, vec![]));
    assert_eq!(views.catch_up(&journal).unwrap().entries, 20);
    assert_eq!(rows(&readers, "a").len(), 5);
}

#[test]
fn a_new_projection_catches_up_beside_an_old_one() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 20);
    open(&place, vec![Counts::named("a")]).catch_up(&journal).unwrap();
    let mut views = open(&place, vec![Counts::named("a"), Counts::named("b")]);
    assert_eq!(views.applied(), 0);
    views.catch_up(&journal).unwrap();
    let readers = views.readers(1);
    assert_eq!(rows(&readers, "a"), rows(&readers, "b"));
}

#[test]
fn entries_that_do_not_follow_are_refused_and_change_nothing() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    let mut views = open(&place, vec![Counts::named("a")]);
    grow_live(&mut journal, &mut views, 10);
    let before = rows(&views.readers(1), "a");
    grow(&mut journal, 5);
    let fault = views.apply_batch(&entries_from(&journal, 12)).unwrap_err();
    assert_eq!(fault.id(), "view-gap");
    let mut other = MemoryJournal::new(Identity { shard: 1, ..identity() });
    grow(&mut other, 15);
    let fault = views.apply_batch(&entries_from(&other, 11)).unwrap_err();
    assert_eq!(fault.id(), "view-of-another-journal");
    assert_eq!((views.applied(), rows(&views.readers(1), "a")), (10, before));
    views.catch_up(&journal).unwrap();
    assert_eq!(views.applied(), 15);
}

#[test]
fn an_entry_that_cannot_be_applied_takes_its_whole_batch_back() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 10);
    let failing = Counts { fails_at: Some(7), ..Counts::named("b") };
    let mut views = open(&place, vec![Counts::named("a"), failing]);
    let fault = views.catch_up(&journal).unwrap_err();
    assert_eq!(fault.id(), "projection-failed");
    assert!(fault.to_string().contains("projection b could not apply entry 7"), "{fault}");
    assert_eq!((views.applied(), rows(&views.readers(1), "a")), (0, vec![]));
    drop(views);
    let mut repaired = open(&place, vec![Counts::named("a"), Counts::named("b")]);
    repaired.catch_up(&journal).unwrap();
    assert_eq!(repaired.applied(), 10);
}

#[test]
fn views_of_a_journal_that_was_replaced_are_built_anew() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 20);
    open(&place, vec![Counts::named("a")]).catch_up(&journal).unwrap();
    let mut same_length = MemoryJournal::new(identity());
    let mut other = record(1);
    other.kind = 77;
    same_length.append(1, &[other]).unwrap();
    grow(&mut same_length, 19);
    let mut longer = MemoryJournal::new(identity());
    grow(&mut longer, 3);
    longer.append(4, &[record(99)]).unwrap();
    grow(&mut longer, 30);
    let mut shorter = MemoryJournal::new(identity());
    grow(&mut shorter, 12);
    for (journal, before) in [(same_length, 20), (longer, 20), (shorter, 34)] {
        let mut views = open(&place, vec![Counts::named("a")]);
        let caught_up = views.catch_up(&journal).unwrap();
        assert_eq!(caught_up.rebuilt[0].applied, before);
        assert_eq!((caught_up.entries, views.applied()), (journal.size(), journal.size()));
        let fresh = Place::new();
        let mut expected = open(&fresh, vec![Counts::named("a")]);
        expected.catch_up(&journal).unwrap();
        assert_eq!(rows(&views.readers(1), "a"), rows(&expected.readers(1), "a"));
    }
}

#[test]
fn a_reader_sees_one_moment_while_the_writer_goes_on() {
    let place = Place::new();
    let mut journal = MemoryJournal::new(identity());
    let mut views = open(&place, vec![Counts::named("a")]);
    grow_live(&mut journal, &mut views, 10);
    let readers = views.readers(2);
    let count = "SELECT sum(entries) FROM \"a by kind\"";
    let seen = readers.read(|transaction, applied| {
        let before: i64 = transaction.query_row(count, [], |row| row.get(0))?;
        grow_live(&mut journal, &mut views, 10);
        let newer = readers.read(|_, applied| Ok(applied)).unwrap();
        let after: i64 = transaction.query_row(count, [], |row| row.get(0))?;
        Ok((applied, before, after, newer))
    });
    assert_eq!(seen.unwrap(), (10, 10, 10, 20));
    assert_eq!(readers.read(|_, applied| Ok(applied)).unwrap(), 20);
}

#[test]
fn a_reader_cannot_write() {
    let place = Place::new();
    let views = open(&place, vec![Counts::named("a")]);
    let fault =
        views.readers(1).read(|transaction, _| transaction.execute("DELETE FROM cursor", []));
    assert_eq!(fault.unwrap_err().id(), "sqlite-failed");
}

#[test]
fn two_projections_of_one_name_are_refused() {
    let place = Place::new();
    let twice: Vec<Box<dyn Projection>> =
        vec![Box::new(Counts::named("a")), Box::new(Counts::named("a"))];
    let Err(fault) = Views::open(&place.path, identity(), twice) else { panic!("opened") };
    assert_eq!(fault.id(), "projection-named-twice");
}

#[test]
fn views_without_projections_read_nothing() {
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 10);
    let mut views = open(&Place::new(), vec![]);
    assert_eq!(views.catch_up(&journal).unwrap().entries, 0);
}
