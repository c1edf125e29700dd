use std::{
    io::{self, Write},
    path::PathBuf,
};

use primitives::DeploymentId;
use store::{Identity, Position, Snapshot, SnapshotStore};
use tempfile::TempDir;

use crate::support::{Random, identity};

const VERSION: u32 = 3;

struct Folder {
    folder: TempDir,
    store: SnapshotStore,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(folder.path(), identity()).unwrap();
        Self { folder, store }
    }

    fn save(&self, size: u8, state: &[u8]) -> PathBuf {
        self.store.write(VERSION, &position(size), |to| to.write_all(state)).unwrap().path
    }

    /// The newest usable state, and the ids of what was passed over.
    fn load(&self) -> (Option<(u64, Vec<u8>)>, Vec<&'static str>) {
        let mut skipped = Vec::new();
        for snapshot in self.store.list(VERSION).unwrap() {
            let read = snapshot.and_then(|snapshot| {
                let size = snapshot.position.size();
                let mut state = Vec::new();
                snapshot.read(|from| from.read_to_end(&mut state))?;
                Ok((size, state))
            });
            match read {
                Ok(read) => return (Some(read), skipped),
                Err(passed_over) => skipped.push(passed_over.reason.id()),
            }
        }
        (None, skipped)
    }

    fn newest(&self) -> Snapshot {
        self.store.list(VERSION).unwrap().remove(0).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn position(size: u8) -> Position {
    let mut position = Position::start(&identity());
    (0..size).for_each(|leaf| position.push([leaf; 32]).unwrap());
    position
}

#[test]
fn a_snapshot_is_read_back_with_its_place_in_the_journal() {
    let folder = Folder::new();
    assert_eq!(folder.load(), (None, vec![]));
    let written = folder.store.write(VERSION, &position(21), |to| to.write_all(b"state")).unwrap();
    let loaded = folder.newest();
    assert_eq!((&loaded.position, loaded.state_version), (&position(21), VERSION));
    assert_eq!((loaded.state_bytes, loaded.state_digest), (5, written.state_digest));
    assert_eq!(written.state_bytes, 5);
    assert_eq!(folder.load(), (Some((21, b"state".to_vec())), vec![]));
}

#[test]
fn nothing_is_removed_but_on_demand_and_what_is_named_stays() {
    let folder = Folder::new();
    let paths = [5, 9, 100, 101].map(|size| folder.save(size, b"state"));
    assert_eq!(folder.names().len(), 4);
    folder.store.retain(&[paths[3].clone(), paths[1].clone()]).unwrap();
    let names = ["00000000000000000009-v3.snapshot", "00000000000000000101-v3.snapshot"];
    assert_eq!(folder.names(), names);
}

#[test]
fn a_reader_that_makes_nothing_of_a_whole_state_is_named() {
    let folder = Folder::new();
    folder.save(5, b"state");
    let read = folder.newest().read(|_| Err::<(), _>(io::Error::other("no")));
    assert_eq!(read.unwrap_err().reason.id(), "snapshot-undecodable");
    // Of a damaged one the damage is told, whatever its reader says.
    let path = folder.save(6, b"state");
    let mut bytes = std::fs::read(&path).unwrap();
    let last_of_state = bytes.len() - 73;
    bytes[last_of_state] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let read = folder.newest().read(|_| Err::<(), _>(io::Error::other("no")));
    assert_eq!(read.unwrap_err().reason.id(), "snapshot-damaged");
}

#[test]
fn bytes_that_the_reader_leaves_are_hashed_too() {
    let folder = Folder::new();
    let path = folder.save(5, b"state and more");
    assert_eq!(folder.newest().read(|_| Ok(7)).unwrap(), 7);
    let mut bytes = std::fs::read(&path).unwrap();
    let last_of_state = bytes.len() - 73;
    bytes[last_of_state] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(folder.newest().read(|_| Ok(7)).is_err());
}

#[test]
fn a_snapshot_torn_at_any_byte_is_passed_over() {
    let folder = Folder::new();
    folder.save(10, b"old state");
    let path = folder.save(13, b"new state");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (state, skipped) = folder.load();
        assert_eq!(state, Some((10, b"old state".to_vec())), "torn at {length}");
        assert_eq!(skipped, ["snapshot-damaged"], "torn at {length}");
    }
    std::fs::write(&path, [whole.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(folder.load().1, ["snapshot-damaged"]);
}

#[test]
fn a_snapshot_with_any_flipped_bit_is_passed_over() {
    let mut random = Random::seeded(8);
    let folder = Folder::new();
    folder.save(10, b"old state");
    let path = folder.save(13, b"new state");
    let whole = std::fs::read(&path).unwrap();
    for byte in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << random.below(8);
        std::fs::write(&path, &flipped).unwrap();
        let (state, skipped) = folder.load();
        assert_eq!(state, Some((10, b"old state".to_vec())), "byte {byte}");
        assert_eq!(skipped.len(), 1, "byte {byte}");
    }
}

#[test]
fn a_snapshot_of_another_version_or_journal_is_passed_over_by_name() {
    let folder = Folder::new();
    folder.store.write(VERSION + 1, &position(7), |to| to.write_all(b"of the future")).unwrap();
    let warning = folder.store.list(VERSION).unwrap().remove(0).unwrap_err().to_string();
    assert!(warning.starts_with("snapshot-of-other-state-version: "), "{warning}");
    assert!(warning.ends_with("was passed over: its state has version 4"), "{warning}");
    for identity in [
        Identity { shard: 1, ..identity() },
        Identity { deployment: DeploymentId([0; 32]), ..identity() },
    ] {
        let other = SnapshotStore::open(folder.folder.path(), identity).unwrap();
        let skipped = other.list(VERSION + 1).unwrap().remove(0).unwrap_err();
        assert_eq!(skipped.reason.id(), "snapshot-of-other-journal");
    }
}

#[test]
fn a_state_that_cannot_be_written_leaves_what_was_there() {
    let folder = Folder::new();
    folder.save(10, b"old state");
    let fail = |to: &mut dyn Write| {
        to.write_all(b"half of the st")?;
        Err(io::Error::other("the state is damaged"))
    };
    assert_eq!(folder.store.write(VERSION, &position(13), fail).unwrap_err().id(), "io-failed");
    assert_eq!(folder.load(), (Some((10, b"old state".to_vec())), vec![]));
    folder.save(14, b"new state");
    assert_eq!(folder.load(), (Some((14, b"new state".to_vec())), vec![]));
    assert_eq!(folder.names().len(), 2);
}

#[test]
fn a_large_state_goes_by_in_pieces() {
    let folder = Folder::new();
    let piece = [7; 1000];
    let write = |to: &mut dyn Write| (0..5000).try_for_each(|_| to.write_all(&piece));
    let written = folder.store.write(VERSION, &position(2), write).unwrap();
    assert_eq!(written.state_bytes, 5_000_000);
    let compared = folder.newest().read(|state| {
        let mut read = [0; 1000];
        for _ in 0..5000 {
            state.read_exact(&mut read)?;
            assert_eq!(read, piece);
        }
        state.read(&mut read)
    });
    assert_eq!(compared.unwrap(), 0);
}
