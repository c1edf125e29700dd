//! Which snapshot a start may begin with: one whose place, version and digest an entry names that
//! the signer has witnessed, and no other. Most of it on small journals, without processes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use custody::{
    Custody, Event, STATE_VERSION,
    event::{AccountOpened, CustomerTransfer, SnapshotTaken, TransfersSettled},
};
use primitives::{AccountId, DeploymentId};
use sha2::{Digest, Sha256};
use signer_protocol::TreeHead;
use store::{Identity, Journal, Position, Record, SnapshotStore, SqliteJournal};
use strongroom::{
    client, clock,
    core::{self, Opened, Options},
};
use tempfile::TempDir;

use crate::support::{Stage, chain::sats, refusal, story, strongroom, text, words};

const IDENTITY: Identity = Identity { deployment: DeploymentId([7; 32]), shard: 0 };

/// A journal that opens accounts, and what is true of it.
struct Room {
    options: Options,
    journal: Option<SqliteJournal>,
    state: Custody,
    /// The head after so many entries.
    heads: Vec<TreeHead>,
    _folder: TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (deployment, shard) = (IDENTITY.deployment, IDENTITY.shard);
        let dir = folder.path().to_owned();
        let options = Options { dir, deployment, shard, witnessed: None };
        let journal = SqliteJournal::create(&options.journal(), IDENTITY).unwrap();
        let heads = vec![journal.head()];
        let state = Custody::default();
        Self { options, journal: Some(journal), state, heads, _folder: folder }
    }

    /// Twenty accounts, a snapshot after them that entry 21 names, and nine accounts more: 30
    /// entries.
    fn with_a_snapshot() -> (Self, PathBuf) {
        let mut room = Self::new();
        room.open_accounts(20);
        let path = room.save();
        room.name();
        room.open_accounts(9);
        (room, path)
    }

    fn event(&mut self, event: impl Into<Event>) {
        let event = event.into();
        let at = clock::now();
        self.state.apply(at, &event).unwrap();
        self.record(&event);
    }

    /// Puts it into the journal alone.
    fn record(&mut self, event: &Event) {
        let journal = self.journal.as_mut().unwrap();
        let (kind, version) = event.kind();
        let record = Record { at: self.state.now(), kind, version, body: event.encode().unwrap() };
        journal.append(journal.next_seq(), &[record]).unwrap();
        self.heads.push(journal.head());
    }

    fn open_accounts(&mut self, count: usize) {
        for _ in 0..count {
            let account = AccountId::from_number(self.state.accounts() as u64 + 1).unwrap();
            self.event(AccountOpened { account, idempotency: None });
        }
    }

    fn store(&self) -> SnapshotStore {
        SnapshotStore::open(&self.options.snapshots(), IDENTITY).unwrap()
    }

    fn save(&self) -> PathBuf {
        self.save_as(&self.state, self.journal.as_ref().unwrap().position())
    }

    fn save_as(&self, state: &Custody, position: &Position) -> PathBuf {
        let write = |mut file: &mut dyn std::io::Write| state.write_to(&mut file);
        self.store().write(STATE_VERSION, position, write).unwrap().path
    }

    /// Names the state as it is.
    fn name(&mut self) {
        let (seq, digest) = (self.state.seq(), self.state.digest().unwrap());
        self.event(SnapshotTaken { seq, state_version: STATE_VERSION, digest });
    }

    /// Opens it as a server does whose signer has witnessed so many entries.
    fn open(&mut self, witnessed: Option<usize>) -> Opened {
        self.journal = None;
        self.options.witnessed = witnessed.map(|size| self.heads[size]);
        core::open(&self.options).unwrap()
    }

    /// Opens it, and expects the truth and this snapshot.
    #[track_caller]
    fn begins_with(&mut self, snapshot: Option<u64>, witnessed: Option<usize>) {
        let opened = self.open(witnessed);
        assert_eq!(opened.began_with(), snapshot);
        assert_eq!(opened.state().digest().unwrap(), self.state.digest().unwrap());
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.options.snapshots()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A life of the house that begins with `witnessed` entries witnessed, saves twice and ends.
    fn lives(&mut self, witnessed: usize) {
        let options = Options { witnessed: Some(self.heads[witnessed]), ..self.options.clone() };
        self.journal = None;
        let (running, _replica) = core::open(&options).unwrap().run(&options).unwrap();
        running.save();
        running.save();
        running.stop();
        self.read_again();
    }

    /// Takes over what others have put into the journal.
    fn read_again(&mut self) {
        self.heads.truncate(1);
        self.state = Custody::default();
        let path = self.options.journal();
        let opening = store::Opening { path, identity: IDENTITY, position: None, witnessed: None };
        let journal = SqliteJournal::open_and(&opening, &mut |position, entry| {
            let record = &entry.record;
            let event = Event::decode(record.kind, record.version, &record.body).unwrap();
            self.state.apply(record.at, &event).unwrap();
            self.heads.push(position.frontier().head(0));
        });
        self.journal = Some(journal.unwrap());
    }
}

/// The state in a snapshot, and the place that the file says.
fn read(store: &SnapshotStore, path: &Path) -> (Custody, Position) {
    let mut listed = store.list(STATE_VERSION).unwrap().into_iter().flatten();
    let snapshot = listed.find(|snapshot| snapshot.path == path).unwrap();
    let position = snapshot.position.clone();
    (snapshot.read(|mut from| Custody::read_from(&mut from)).unwrap(), position)
}

/// Changes bytes before the state, and makes the file's own hashes fit again.
fn alter_header(path: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    // Behind 80 bytes of names and the last leaf hash: the size, the number of roots, and these.
    let roots = u32::from_le_bytes(bytes[88..92].try_into().unwrap()) as usize;
    let (state, trailer) = (92 + 32 * roots, bytes.len() - 72);
    change(&mut bytes[..state]);
    let digest = Sha256::digest([&bytes[..state], &bytes[trailer..trailer + 40]].concat());
    bytes[trailer + 40..].copy_from_slice(&digest);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_snapshot_that_a_witnessed_entry_names_is_begun_with() {
    let (mut room, _) = Room::with_a_snapshot();
    for witnessed in [21, 25, 30] {
        room.begins_with(Some(20), Some(witnessed));
    }
}

#[test]
fn where_the_signer_has_witnessed_nothing_no_snapshot_is_used() {
    let (mut room, _) = Room::with_a_snapshot();
    room.begins_with(None, None);
    room.begins_with(None, Some(0));
}

/// A server that was killed between the snapshot and its event.
#[test]
fn a_snapshot_that_no_entry_names_is_passed_over_for_an_older_one() {
    let (mut room, _) = Room::with_a_snapshot();
    room.save();
    room.open_accounts(1);
    room.begins_with(Some(20), Some(31));
}

/// A server that was killed between the event and the signer's answer.
#[test]
fn a_snapshot_whose_name_is_not_witnessed_is_passed_over_until_it_is() {
    let (mut room, _) = Room::with_a_snapshot();
    room.begins_with(None, Some(20));
    room.begins_with(None, Some(10));
    room.read_again();
    room.save();
    room.name();
    room.begins_with(Some(20), Some(30));
    room.begins_with(Some(30), Some(31));
}

#[test]
fn an_altered_state_is_passed_over_though_its_own_hashes_fit() {
    let (mut room, path) = Room::with_a_snapshot();
    let (state, position) = read(&room.store(), &path);
    let mut bytes = state.to_bytes().unwrap();
    let mut other = state;
    let account = AccountId::from_number(21).unwrap();
    other.apply(clock::now(), &AccountOpened { account, idempotency: None }.into()).unwrap();
    let seq = bytes[..8].to_vec();
    bytes = other.to_bytes().unwrap();
    bytes[..8].copy_from_slice(&seq);
    let other = Custody::from_bytes(&bytes).unwrap();
    assert_eq!((other.seq(), other.accounts()), (20, 21));
    room.save_as(&other, &position);
    room.begins_with(None, Some(30));
}

#[test]
fn where_the_newest_was_altered_an_older_one_serves() {
    let (mut room, _) = Room::with_a_snapshot();
    let saved = room.state.clone();
    let newest = room.save();
    room.name();
    room.open_accounts(3);
    room.begins_with(Some(30), Some(34));
    room.read_again();
    let (_, position) = read(&room.store(), &newest);
    let mut bytes = saved.to_bytes().unwrap();
    bytes[8] ^= 1; // the time of the last event
    room.save_as(&Custody::from_bytes(&bytes).unwrap(), &position);
    room.begins_with(Some(20), Some(34));
}

/// The state is the one that the journal names; only what the file says of its place is not. A
/// subtree root that is not the journal's leads to another root at the witnessed head.
#[test]
fn an_altered_place_is_passed_over_though_the_state_is_the_named_one() {
    let changes: [fn(&mut [u8]); 3] = [
        |header| header[48] ^= 1, // the last leaf hash
        |header| header[92] ^= 1, // the root of the first sixteen leaves
        |header| header[80] = 24, // the size: not 20, with as many roots
    ];
    for change in changes {
        let (mut room, path) = Room::with_a_snapshot();
        room.begins_with(Some(20), Some(30));
        alter_header(&path, change);
        room.begins_with(None, Some(30));
    }
}

#[test]
fn a_state_of_another_place_than_the_file_says_is_passed_over() {
    let mut room = Room::new();
    room.open_accounts(20);
    let early = room.state.clone();
    room.open_accounts(4);
    room.save_as(&early, room.journal.as_ref().unwrap().position());
    let digest = early.digest().unwrap();
    // Even where the journal named it so, which no house does.
    room.event(SnapshotTaken { seq: 24, state_version: STATE_VERSION, digest });
    room.begins_with(None, Some(25));
}

/// Whoever can write behind the witnessed head can write a name there, too.
#[test]
fn a_name_behind_the_witnessed_head_is_not_believed() {
    let (mut room, path) = Room::with_a_snapshot();
    let (state, position) = read(&room.store(), &path);
    let mut bytes = state.to_bytes().unwrap();
    bytes[8] ^= 1;
    let altered = Custody::from_bytes(&bytes).unwrap();
    let digest = altered.digest().unwrap();
    room.save_as(&altered, &position);
    room.event(SnapshotTaken { seq: 20, state_version: STATE_VERSION, digest });
    room.begins_with(None, Some(30));
}

#[test]
fn a_snapshot_of_more_entries_than_the_journal_has_keeps_it_from_opening() {
    let (mut room, _) = Room::with_a_snapshot();
    let mut longer = Room::new();
    longer.open_accounts(40);
    let path = longer.save();
    fs::copy(&path, room.options.snapshots().join(path.file_name().unwrap())).unwrap();
    room.journal = None;
    room.options.witnessed = Some(room.heads[30]);
    let refused = core::open(&room.options).err().unwrap().to_string();
    assert!(refused.starts_with("shorter-than-position: "), "{refused}");
}

/// The file of a snapshot of so many entries.
fn name(size: u64) -> String {
    format!("{size:020}-v{}.snapshot", custody::STATE_VERSION)
}

#[test]
fn saving_is_named_once_and_leads_to_no_other_saving() {
    let mut room = Room::new();
    room.open_accounts(3);
    room.lives(0);
    assert_eq!(room.heads.len() - 1, 4, "the second saving found nothing to save");
    assert_eq!(room.files(), [name(3)]);
    // And not in the next life either.
    room.lives(4);
    assert_eq!(room.heads.len() - 1, 4);
    room.begins_with(Some(3), Some(4));
}

#[test]
fn of_those_that_the_journal_names_the_newest_two_are_kept() {
    let mut room = Room::new();
    for _ in 0..4 {
        room.open_accounts(2);
        let size = room.heads.len() - 1;
        room.lives(size);
    }
    let names = [name(8), name(11)];
    assert_eq!(room.files(), names);
    room.begins_with(Some(11), Some(12));
}

/// What a killed server left unnamed must not push out what is named.
#[test]
fn a_snapshot_without_a_name_pushes_out_none_with_one() {
    let (mut room, _) = Room::with_a_snapshot();
    room.save();
    room.open_accounts(1);
    room.lives(31);
    let names = [name(20), name(31)];
    assert_eq!(room.files(), names);
}

fn replayed(room: &mut Room) -> (Option<i32>, String) {
    room.journal = None;
    let journal = room.options.journal();
    let output = strongroom(&["journal", "verify", journal.to_str().unwrap(), "--replay"]);
    (output.status.code(), words(&output))
}

#[test]
fn a_replay_of_a_whole_journal_exits_0_and_says_what_it_compared() {
    let (mut room, _) = Room::with_a_snapshot();
    let (code, said) = replayed(&mut room);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("replayed 30 entries; 1 saved states compared"), "{said}");
}

/// A replica that went astray: the chain is whole, and plain verify cannot know.
#[test]
fn a_saved_state_that_the_events_do_not_make_exits_6_and_the_entry_is_named() {
    let (mut room, _) = Room::with_a_snapshot();
    let digest = [0x5d; 32];
    room.event(SnapshotTaken { seq: 25, state_version: STATE_VERSION, digest });
    room.open_accounts(2);
    let (code, said) = replayed(&mut room);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("snapshot-differs: entry 31 names the state after entry 25"), "{said}");
    let journal = room.options.journal();
    let plain = strongroom(&["journal", "verify", journal.to_str().unwrap()]);
    assert_eq!(plain.status.code(), Some(0), "{}", words(&plain));
}

#[test]
fn an_event_that_cannot_follow_exits_6_and_the_entry_is_named() {
    let (mut room, _) = Room::with_a_snapshot();
    let account = AccountId::from_number(5).unwrap();
    room.record(&AccountOpened { account, idempotency: None }.into());
    let (code, said) = replayed(&mut room);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("replay-failed: entry 31: "), "{said}");
}

/// The whole attack on a whole house: the newest snapshot says that Alice has 0.9 BTC of Bob's.
#[test]
fn an_altered_snapshot_moves_no_money() {
    let mut stage = Stage::new();
    let alice = stage.customer_with("alice", 100_000_000);
    let bob = stage.customer_with("bob", 100_000_000);
    let deployment = text(&stage.anyone().get("/v1/deployment").unwrap(), "deployment");
    stage.end_server();
    let before = log(&stage).len();
    stage.start_server().unwrap();
    assert!(log(&stage)[before..].contains("began with a snapshot"), "a clean end leaves one");
    stage.end_server();
    let folder = stage.dir.join("data/snapshots");
    let identity = Identity { deployment: deployment.parse().unwrap(), shard: 0 };
    let snapshots = SnapshotStore::open(&folder, identity).unwrap();
    for snapshot in snapshots.list(STATE_VERSION).unwrap() {
        let path = snapshot.unwrap().path;
        let (mut state, position) = read(&snapshots, &path);
        let seq = state.seq();
        let theft = TransfersSettled {
            settlement: [1; 16],
            fingerprint: [1; 32],
            key: client::key_id(&bob.key),
            transfers: vec![CustomerTransfer {
                from: bob.account,
                to: alice.account,
                amount: sats(90_000_000),
            }],
        };
        state.apply(state.now(), &Event::from(theft)).unwrap();
        state.check_invariants().unwrap();
        let mut bytes = state.to_bytes().unwrap();
        bytes[..8].copy_from_slice(&seq.to_le_bytes());
        let write = |file: &mut dyn std::io::Write| file.write_all(&bytes);
        assert_eq!(snapshots.write(STATE_VERSION, &position, write).unwrap().path, path);
    }
    let before = log(&stage).len();
    stage.start_server().unwrap();
    stage.wait_until_ready().unwrap();
    let said = log(&stage)[before..].to_owned();
    assert!(said.contains("a snapshot was passed over"), "{said}");
    assert!(said.contains("with another digest"), "{said}");
    assert!(!said.contains("began with a snapshot"), "{said}");
    for customer in [&alice, &bob] {
        assert_eq!(story::account(customer)["available_sat"], 100_000_000);
    }
    let to = stage.node.fresh_address().unwrap();
    let ask = stage.ask(&alice, &to, sats(185_000_000)).unwrap();
    assert_eq!(refusal(alice.client.withdraw(&ask)), "funds-insufficient");
    stage.finish();
}

fn log(stage: &Stage) -> String {
    fs::read_to_string(stage.dir.join("server.log")).unwrap()
}
