//! In which order the memory becomes durable, on disks that keep only what was flushed.

use std::{cell::RefCell, io, rc::Rc};

use signer::Moment;

use super::*;

const AT: Moment = Moment { wall: sample::NOON, running_millis: 0 };

/// What both disks were asked to do, in order.
type Deeds = Rc<RefCell<Vec<String>>>;

#[derive(Default)]
struct Contents {
    /// What is read: the system's memory.
    seen: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// Written since the last flush, whether it failed or not: a failed one forgets what it had to
    /// write, as Linux does.
    dirty: Vec<(u64, Vec<u8>)>,
    fails: bool,
}

#[derive(Clone)]
struct FakeDisk {
    name: &'static str,
    contents: Rc<RefCell<Contents>>,
    deeds: Deeds,
}

fn put(file: &mut Vec<u8>, bytes: &[u8], offset: u64) {
    let begin = usize::try_from(offset).unwrap();
    let end = begin.checked_add(bytes.len()).unwrap();
    file.resize(file.len().max(end), 0);
    file[begin..end].copy_from_slice(bytes);
}

impl FakeDisk {
    fn note(&self, deed: &str) {
        self.deeds.borrow_mut().push(format!("{} {deed}", self.name));
    }

    /// From now on, or no longer, no flush succeeds.
    fn fail(&self, fails: bool) {
        self.contents.borrow_mut().fails = fails;
    }

    fn cut_power(&self) {
        let mut contents = self.contents.borrow_mut();
        contents.dirty.clear();
        contents.seen = contents.durable.clone();
    }
}

impl Disk for FakeDisk {
    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.contents.borrow().seen.len()).unwrap())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let contents = self.contents.borrow();
        let behind = contents.seen.get(usize::try_from(offset).unwrap()..);
        let found = behind.and_then(|behind| behind.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.note("write");
        let mut contents = self.contents.borrow_mut();
        put(&mut contents.seen, bytes, offset);
        contents.dirty.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note("sync");
        let mut contents = self.contents.borrow_mut();
        let dirty = std::mem::take(&mut contents.dirty);
        if contents.fails {
            return Err(io::Error::other("no flush today"));
        }
        for (offset, bytes) in dirty {
            put(&mut contents.durable, &bytes, offset);
        }
        Ok(())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.note("cut");
        let mut contents = self.contents.borrow_mut();
        let length = usize::try_from(length).unwrap();
        contents.seen.truncate(length);
        contents.durable.truncate(length);
        Ok(())
    }
}

/// A memory's two files, which outlive it.
struct Files {
    log: FakeDisk,
    head: FakeDisk,
    deeds: Deeds,
    folder: TempDir,
}

impl Files {
    /// Those of an empty memory, durable.
    fn new() -> Self {
        let deeds = Deeds::default();
        let disk = |name| FakeDisk { name, contents: Rc::default(), deeds: Rc::clone(&deeds) };
        let folder = tempfile::tempdir().unwrap();
        let files = Self { log: disk("log"), head: disk("head"), deeds: Rc::clone(&deeds), folder };
        files.log.write_all_at(&log::MAGIC, 0).unwrap();
        files.log.sync_data().unwrap();
        let slot = Slot::of(&Log::create(files.log.clone()), 0, Head::default());
        Slots::new(files.head.clone()).write(&slot).unwrap();
        files
    }

    fn open(&self) -> Result<FileMemory<FakeDisk>, Fault> {
        let lock = File::create(self.folder.path().join("lock")).unwrap();
        FileMemory::verify(self.log.clone(), self.head.clone(), lock)
    }

    /// What was done since the last time.
    fn deeds(&self) -> Vec<String> {
        self.deeds.take()
    }

    fn cut_power(&self) {
        self.log.cut_power();
        self.head.cut_power();
    }
}

fn records(files: &Files) -> Vec<Record> {
    let mut found = vec![];
    let collect = &mut |record| {
        found.push(record);
        Ok(())
    };
    files.open().unwrap().replay(collect).unwrap();
    found
}

fn halt(number: u32) -> Record {
    Record::Halted { reason: number.to_string(), at: AT }
}

#[test]
fn no_append_returns_before_its_record_and_then_its_head_are_flushed() {
    let files = Files::new();
    let mut memory = files.open().unwrap();
    for number in 0..5 {
        let _before = files.deeds();
        memory.append(&halt(number)).unwrap();
        assert_eq!(files.deeds(), ["log write", "log sync", "head write", "head sync"]);
    }
    memory.store_head(&Head::default()).unwrap();
    assert_eq!(files.deeds(), ["head write", "head sync"]);
    drop(memory);
    files.cut_power();
    assert_eq!(records(&files), (0..5).map(halt).collect::<Vec<_>>());
}

#[test]
fn a_record_whose_flush_failed_is_written_again_before_anything_is_built_on_it() {
    let files = Files::new();
    let mut memory = files.open().unwrap();
    memory.append(&halt(0)).unwrap();
    files.log.fail(true);
    assert!(memory.append(&halt(1)).is_err());
    drop(memory);
    // As long as it cannot be flushed nothing begins.
    let head = files.head.contents.borrow().seen.clone();
    assert!(files.open().is_err());
    assert_eq!(files.head.contents.borrow().seen, head, "the head does not name it");
    files.log.fail(false);
    // The system still shows it.
    let _before = files.deeds();
    assert_eq!(records(&files), [halt(0), halt(1)]);
    let again = ["log write", "log sync", "head write", "head sync"];
    assert_eq!(files.deeds(), [&["head write", "head sync"], &again[..]].concat());
    files.cut_power();
    assert_eq!(records(&files), [halt(0), halt(1)], "and now the disk has it");
}

#[test]
fn a_head_whose_flush_failed_is_written_again() {
    let files = Files::new();
    let mut memory = files.open().unwrap();
    memory.append(&halt(0)).unwrap();
    files.head.fail(true);
    assert!(memory.append(&halt(1)).is_err());
    drop(memory);
    files.head.fail(false);
    assert_eq!(records(&files), [halt(0), halt(1)]);
    files.cut_power();
    let slot = Slots::new(files.head.clone()).newest().unwrap();
    assert_eq!(slot.records, 2, "the head that was shown is the one on the disk");
    assert_eq!(records(&files), [halt(0), halt(1)]);
}

#[test]
fn a_power_cut_before_the_flush_loses_a_record_that_nobody_was_told_of() {
    let files = Files::new();
    let mut memory = files.open().unwrap();
    memory.append(&halt(0)).unwrap();
    files.log.fail(true);
    assert!(memory.append(&halt(1)).is_err());
    drop(memory);
    files.cut_power();
    files.log.fail(false);
    assert_eq!(records(&files), [halt(0)]);
}
