//! `strongroom journal verify` on the command line, on copies of the golden journal: what is wrong
//! is named by its entry, with exit code 6.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{repository, strongroom, words};

/// What the golden journal holds: the leaf hash and the bytes of each entry, and its head.
struct Golden {
    entries: Vec<Vec<u8>>,
    head: String,
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn golden() -> Golden {
    let text = fs::read_to_string(repository("crates/store/tests/golden/journal-v1.txt")).unwrap();
    let (mut entries, mut head) = (Vec::new(), String::new());
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["head", size, root] => head = format!("{size}:{root}"),
            [seq, at, kind, version, _, body] => {
                let number = |text: &str| text.parse::<u64>().unwrap().to_le_bytes();
                let small = |text: &str| text.parse::<u16>().unwrap().to_le_bytes();
                // Behind the hash of the entry before and the shard, as docs/journal-format.md says.
                let (seq, at) = (number(seq), number(at));
                let (kind, version) = (small(kind), small(version));
                entries.push([&seq[..], &at, &kind, &version, &hex(body)].concat());
            }
            _ => panic!("{line}"),
        }
    }
    Golden { entries, head }
}

/// A copy of the golden journal that can be damaged.
struct Copy {
    path: PathBuf,
    bytes: Vec<u8>,
    _folder: TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let golden = repository("crates/store/tests/golden/journal-v1.sqlite");
        let bytes = fs::read(golden).unwrap();
        Self { path, bytes, _folder: folder }
    }

    /// Where the entry's bytes stand in the file.
    fn place(&self, entry: &[u8]) -> usize {
        let mut found = self.bytes.windows(entry.len()).enumerate();
        found.find(|(_, bytes)| *bytes == entry).expect("the entry is in the file").0
    }

    fn path(&self) -> &Path {
        fs::write(&self.path, &self.bytes).unwrap();
        &self.path
    }
}

fn verify(copy: &Copy, witnessed: Option<&str>) -> (Option<i32>, String) {
    let path = copy.path().to_str().unwrap();
    let mut arguments = vec!["journal", "verify", path];
    if let Some(head) = witnessed {
        arguments.extend(["--witnessed", head]);
    }
    let output = strongroom(&arguments);
    assert_eq!(fs::read(path).unwrap(), copy.bytes, "the check changes nothing");
    (output.status.code(), words(&output))
}

#[test]
fn a_whole_journal_exits_0_and_prints_its_head() {
    let golden = golden();
    let (code, said) = verify(&Copy::new(), Some(&golden.head));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("whole") && said.contains(&golden.head), "{said}");
}

#[test]
fn a_flipped_bit_exits_6_and_the_entry_is_named() {
    let golden = golden();
    for seq in [1_usize, 20, 40] {
        let mut copy = Copy::new();
        let entry = &golden.entries[seq - 1];
        let last = copy.place(entry) + entry.len() - 1;
        copy.bytes[last] ^= 0x10;
        let head = (seq == 40).then_some(golden.head.as_str());
        let (code, said) = verify(&copy, head);
        assert_eq!(code, Some(6), "{seq}: {said}");
        // The last entry has no successor that carries its hash: only the head finds it.
        let named = if seq == 40 { "head-mismatch".to_owned() } else { format!("entry {seq} ") };
        assert!(said.contains(&named), "{seq}: {said}");
    }
}

#[test]
fn two_entries_that_changed_places_exit_6_and_the_first_is_named() {
    let golden = golden();
    let (first, second) = (&golden.entries[22], &golden.entries[23]);
    assert_eq!(first.len(), second.len());
    let mut copy = Copy::new();
    let (at, other) = (copy.place(first), copy.place(second));
    // With the hash and the shard in front of them: the whole payloads change places.
    let whole = |at: usize| at - 34..at + first.len();
    let (one, two) = (copy.bytes[whole(at)].to_vec(), copy.bytes[whole(other)].to_vec());
    copy.bytes[whole(at)].copy_from_slice(&two);
    copy.bytes[whole(other)].copy_from_slice(&one);
    let (code, said) = verify(&copy, None);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("entry 23 ") && said.contains("entry 24"), "{said}");
}

#[test]
fn a_journal_that_was_longer_once_exits_6_and_says_where_it_ends() {
    let longer = format!("41:{}", "ab".repeat(32));
    let (code, said) = verify(&Copy::new(), Some(&longer));
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("shorter-than-witness") && said.contains("40"), "{said}");
}

#[test]
fn a_file_that_was_cut_short_exits_6_and_says_how_far_it_can_be_read() {
    let whole = Copy::new().bytes.len();
    let lost_name = "entry 40 is the last that can be read and follows those before it, entry 41 ";
    for (length, named, entries) in [
        (whole - 1, lost_name, "entries 40"),
        (whole * 3 / 4, lost_name, "entries 40"),
        (whole / 2, "entry 1 is the first that is missing or cannot be read", "entries 0"),
    ] {
        let mut copy = Copy::new();
        copy.bytes.truncate(length);
        let (code, said) = verify(&copy, None);
        assert_eq!(code, Some(6), "{length} bytes: {said}");
        assert!(said.contains(named) && said.contains(entries), "{length} bytes: {said}");
    }
}
