//! A place from which a journal is followed comes from a file that somebody may have altered. What
//! a witnessed head behind it proves, and what none proves.

use borsh::BorshDeserialize;
use signer_protocol::TreeHead;
use store::{Entry, Fault, Journal, Position, SqliteJournal, Unread};

use crate::support::{Place, grow, identity, opening, record};

const ENTRIES: u64 = 40;

/// A closed journal, the place after each of its entries, and each head.
fn house() -> (Place, Vec<(Position, TreeHead)>) {
    let place = Place::closed(ENTRIES);
    let mut places = vec![(Position::start(&identity()), TreeHead::empty(0))];
    let mut note = |position: &Position, _: Entry| {
        places.push((position.clone(), position.frontier().head(0)));
    };
    SqliteJournal::open_and(&opening(&place.path), &mut note).unwrap();
    (place, places)
}

fn follow(unread: &Unread, position: &Position, witnessed: Option<TreeHead>) -> Result<u64, Fault> {
    let followed = unread.follow(position, witnessed, &mut |_, _| {});
    followed.map(|end| end.position().size())
}

/// Each position that differs from this one in one bit and can be read at all.
fn altered(position: &Position) -> Vec<Position> {
    let whole = borsh::to_vec(position).unwrap();
    let flipped = (0..whole.len() * 8).map(|bit| {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    flipped.filter_map(|bytes| Position::try_from_slice(&bytes).ok()).collect()
}

#[test]
fn every_true_place_before_the_witnessed_head_leads_to_the_end() {
    let (place, places) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    for (position, _) in &places[..30] {
        assert_eq!(follow(&unread, position, Some(places[30].1)).unwrap(), ENTRIES);
    }
}

#[test]
fn no_altered_place_leads_through_a_witnessed_head_behind_it() {
    let (place, places) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    let mut found = std::collections::BTreeMap::<_, u32>::new();
    for (position, _) in &places[1..30] {
        for altered in altered(position) {
            let fault = follow(&unread, &altered, Some(places[30].1)).expect_err("it was altered");
            *found.entry(fault.id()).or_default() += 1;
        }
    }
    // A subtree root is found by the head alone; the last leaf by the entry that is there.
    assert!(found["head-mismatch"] > 1000 && found["position-mismatch"] > 1000, "{found:?}");
}

#[test]
fn the_place_of_another_size_whose_roots_are_true_leads_nowhere_either() {
    let (place, places) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    // With the last leaf of one place and the tree of another: rows are then read from elsewhere.
    for (one, other) in [(12, 13), (16, 17), (20, 12), (28, 21)] {
        let mut bytes = places[one].0.last_leaf().to_vec();
        bytes.extend(borsh::to_vec(places[other].0.frontier()).unwrap());
        let mixed = Position::try_from_slice(&bytes).unwrap();
        assert!(follow(&unread, &mixed, Some(places[30].1)).is_err(), "{one} and {other}");
    }
}

/// Which is why a snapshot at or after the witnessed head is not used.
#[test]
fn without_a_witnessed_head_behind_it_an_altered_tree_is_not_noticed() {
    let (place, places) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    let (position, _) = &places[20];
    let mut bytes = borsh::to_vec(position).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let altered = Position::try_from_slice(&bytes).unwrap();
    for witnessed in [None, Some(places[10].1)] {
        assert_eq!(follow(&unread, &altered, witnessed).unwrap(), ENTRIES);
    }
}

#[test]
fn a_journal_that_was_followed_in_vain_is_followed_again_and_opened() {
    let (place, places) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    let wrong = TreeHead { root: [1; 32], ..places[30].1 };
    assert!(follow(&unread, &places[20].0, Some(wrong)).is_err());
    let end = unread.follow(&places[0].0, Some(places[30].1), &mut |_, _| {}).unwrap();
    let mut journal = unread.begin(end).unwrap();
    assert_eq!(journal.head(), places[40].1);
    grow(&mut journal, 3);
    assert_eq!(journal.size(), 43);
}

#[test]
fn entries_of_one_kind_are_found_in_their_places() {
    let (place, _) = house();
    let unread = Unread::open(&place.path, identity()).unwrap();
    let seqs = |places| {
        let entries = unread.of_kind(record(3).kind, places).unwrap();
        entries.into_iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(1..=ENTRIES), [3, 8, 13, 18, 23, 28, 33, 38]);
    assert_eq!(seqs(9..=18), [13, 18]);
    assert!(seqs(14..=17).is_empty());
}
