//! Which snapshot a start may begin with. The state in it becomes the books, and whoever owns the
//! disk can write any state with hashes that fit. So a snapshot is used only where an entry of the
//! journal names its place, version and digest, **and** the signer has witnessed that entry: what
//! the signer keeps is the one thing here that lies on another account's disk.

use std::path::PathBuf;

use custody::{Custody, Event, STATE_VERSION, event::SnapshotTaken};
use store::{Entry, Fault, Identity, Skipped, Snapshot, SnapshotStore, Unread};

use super::open::{OpenFault, Options};

/// A snapshot that the journal names, to be read again, or to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    /// Entries in it.
    pub(crate) seq: u64,
    pub(crate) digest: [u8; 32],
}

impl Named {
    /// Reads it once more, with the same digest as before.
    pub(crate) fn read_again(&self, snapshots: &SnapshotStore) -> Result<Option<Custody>, Fault> {
        let listed = snapshots.list(STATE_VERSION)?.into_iter().flatten();
        let mut same = listed.filter(|it| it.path == self.path && it.state_digest == self.digest);
        let read = same.next().map(|it| it.read(|mut from| Custody::read_from(&mut from)));
        Ok(read.and_then(Result::ok))
    }
}

/// An entry that says that a state was saved. Its leaf stands for all of its content.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) seq: u64,
    pub(super) leaf: [u8; 32],
    taken: SnapshotTaken,
}

/// A snapshot and the entry that should name it: what is still to be shown is that this entry is
/// what the signer has witnessed, and that the state has this digest.
pub(super) struct Candidate {
    pub(super) snapshot: Snapshot,
    pub(super) claim: Claim,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassedOver {
    #[error("the signer has witnessed no entry of this journal yet")]
    NothingWitnessed,
    #[error("no entry of the journal names the state after entry {seq}")]
    NotNamed { seq: u64 },
    #[error("entry {claim} names it, and the signer has witnessed {witnessed} entries")]
    NotWitnessed { claim: u64, witnessed: u64 },
    #[error(
        "entry {claim} names the state after entry {seq} with another digest: the file was altered, or the entry was; keep both, and run `strongroom journal verify --replay`"
    )]
    AnotherDigest { claim: u64, seq: u64 },
    #[error("entry {claim}, which should name it, is not what was read before")]
    ClaimAltered { claim: u64 },
    #[error("it says that it is the state after entry {position}, and its state is after {state}")]
    AnotherPlace { position: u64, state: u64 },
    #[error(transparent)]
    Unusable(#[from] Skipped),
    /// What the journal does not follow from may be the snapshot's fault or the journal's: the
    /// replay of all of it, which comes in the end, tells.
    #[error("the journal does not follow from it: {0}")]
    NotFollowed(#[from] OpenFault),
}

impl PassedOver {
    fn warn(&self, file: &std::path::Path) {
        tracing::warn!(file = %file.display(), reason = %self, "a snapshot was passed over");
    }
}

/// What lies in the folder.
pub(super) struct Found {
    /// What may be tried, the newest first.
    pub(super) candidates: Vec<Candidate>,
    /// The most entries that a snapshot of this journal says to hold.
    pub(super) size_max: u64,
}

/// Looks for snapshots that a witnessed entry seems to name, and warns of all others.
pub(super) fn find(
    options: &Options,
    identity: &Identity,
    unread: &Unread,
) -> Result<Found, Fault> {
    let mut snapshots = Vec::new();
    for listed in SnapshotStore::open(&options.snapshots(), *identity)?.list(STATE_VERSION)? {
        match listed {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(skipped) => tracing::warn!(%skipped, "a snapshot was passed over"),
        }
    }
    let sizes = || snapshots.iter().map(|snapshot| snapshot.position.size());
    let size_max = sizes().max().unwrap_or(0);
    let claims = match sizes().min() {
        Some(oldest) => claims(unread, oldest)?,
        None => Vec::new(),
    };
    let witnessed = options.witnessed.map_or(0, |head| head.size);
    let mut candidates = Vec::new();
    for snapshot in snapshots {
        match claim_of(&snapshot, &claims, witnessed) {
            Ok(claim) => candidates.push(Candidate { snapshot, claim }),
            Err(passed_over) => passed_over.warn(&snapshot.path),
        }
    }
    Ok(Found { candidates, size_max })
}

/// Every entry after `oldest` that names a snapshot, as the file has it: not authenticated yet.
fn claims(unread: &Unread, oldest: u64) -> Result<Vec<Claim>, Fault> {
    let end = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    let entries = unread.of_kind(SnapshotTaken::KIND.0, oldest.saturating_add(1)..=end)?;
    Ok(entries.iter().filter_map(claim_in).collect())
}

fn claim_in(entry: &Entry) -> Option<Claim> {
    let record = &entry.record;
    // What cannot be read names nothing here; the replay, which passes it, stops there.
    match Event::decode(record.kind, record.version, &record.body) {
        Ok(Event::SnapshotTaken(taken)) => Some(Claim { seq: entry.seq, leaf: entry.leaf, taken }),
        Ok(_) | Err(_) => None,
    }
}

/// The entry that names this snapshot, if the signer has witnessed it.
fn claim_of(snapshot: &Snapshot, claims: &[Claim], witnessed: u64) -> Result<Claim, PassedOver> {
    let seq = snapshot.position.size();
    if witnessed == 0 {
        return Err(PassedOver::NothingWitnessed);
    }
    let named = || {
        let of_version =
            claims.iter().filter(|it| it.taken.state_version == snapshot.state_version);
        of_version.filter(|claim| claim.taken.seq == seq && claim.seq > seq)
    };
    let exact = || named().filter(|claim| claim.taken.digest == snapshot.state_digest);
    if let Some(claim) = exact().find(|claim| claim.seq <= witnessed) {
        return Ok(claim.clone());
    }
    match (exact().next(), named().next()) {
        (Some(claim), _) => Err(PassedOver::NotWitnessed { claim: claim.seq, witnessed }),
        (None, Some(claim)) => Err(PassedOver::AnotherDigest { claim: claim.seq, seq }),
        (None, None) => Err(PassedOver::NotNamed { seq }),
    }
}

/// Tries candidates until one serves, and warns of those that do not.
pub(super) fn first_that<T>(
    candidates: Vec<Candidate>,
    mut try_it: impl FnMut(Candidate) -> Result<T, PassedOver>,
) -> Option<T> {
    candidates.into_iter().find_map(|candidate| {
        let path = candidate.snapshot.path.clone();
        try_it(candidate).map_err(|passed_over| passed_over.warn(&path)).ok()
    })
}
