//! Power cuts on a simulated disk.

use signer_protocol::merkle::TreeHead;
use store::{CrashPoint, Fault, Journal, MemoryJournal, SimDisk};

use crate::{
    conformance::entries_from,
    model::Model,
    support::{Random, grow, identity, records},
};

/// One life after another on one disk, each ended by a power cut at some point of an append. Says
/// whether an acknowledged entry was lost.
fn live_through_power_cuts(random: &mut Random, disk: SimDisk, lives: u64) -> bool {
    let mut journal = MemoryJournal::open(disk, identity()).unwrap();
    let mut acknowledged = TreeHead::empty(0);
    for _ in 0..lives {
        grow(&mut journal, random.below(30));
        acknowledged = journal.head();
        if random.below(4) > 0 {
            let points = [CrashPoint::BeforeWrite, CrashPoint::BeforeSync, CrashPoint::AfterSync];
            journal.crash_next_append(points[random.below(3) as usize]);
            let batch = records(journal.next_seq(), 1 + random.below(10));
            let fault = journal.append(journal.next_seq(), &batch).unwrap_err();
            assert_eq!(fault.id(), "simulated-crash");
        }
        let disk = journal.cut_power(&mut |bound| random.below(bound));
        let Ok(recovered) = MemoryJournal::open(disk, identity()) else { return true };
        journal = recovered;
        if journal.size() < acknowledged.size {
            return true;
        }
        let mut model = Model::new(identity());
        model.append(&records(1, journal.size()));
        assert_eq!(entries_from(&journal, 1), model.entries);
    }
    let mut model = Model::new(identity());
    model.append(&records(1, acknowledged.size));
    assert_eq!(acknowledged.root, model.root());
    false
}

#[test]
fn acknowledged_entries_survive_two_thousand_power_cuts() {
    let mut random = Random::seeded(5);
    for _ in 0..200 {
        assert!(!live_through_power_cuts(&mut random, SimDisk::new(), 10));
    }
}

/// The control: if this finds nothing, the test above proves nothing.
#[test]
fn a_disk_that_lies_about_its_sync_loses_acknowledged_entries() {
    let mut random = Random::seeded(6);
    let lost = (0..50).filter(|_| live_through_power_cuts(&mut random, SimDisk::lying(), 10));
    assert!(lost.count() > 25);
}

#[test]
fn after_a_fault_the_journal_answers_nothing_more() {
    for point in [CrashPoint::BeforeWrite, CrashPoint::BeforeSync, CrashPoint::AfterSync] {
        let mut journal = MemoryJournal::new(identity());
        grow(&mut journal, 3);
        journal.crash_next_append(point);
        assert!(matches!(journal.append(4, &records(4, 1)), Err(Fault::SimulatedCrash)));
        assert!(matches!(journal.append(4, &records(4, 1)), Err(Fault::JournalPoisoned)));
        let mut visit = |_| std::ops::ControlFlow::Continue(());
        assert!(matches!(journal.read(1, &mut visit), Err(Fault::JournalPoisoned)));
    }
}

/// Bits that rot on a disk shorten the journal silently, which only a witness finds, or are
/// refused: the simulator can test that the house notices.
#[test]
fn rot_on_the_simulated_disk_never_gives_other_entries() {
    let mut random = Random::seeded(7);
    let mut journal = MemoryJournal::new(identity());
    grow(&mut journal, 50);
    let mut model = Model::new(identity());
    model.append(&records(1, 50));
    let disk = journal.kill();
    for _ in 0..300 {
        let mut rotten = disk.clone();
        rotten.flip_bit(random.below(u64::MAX));
        if let Ok(journal) = MemoryJournal::open(rotten, identity()) {
            let entries = entries_from(&journal, 1);
            assert_eq!(entries, model.entries[..entries.len()]);
            assert!(entries.len() < 50);
        }
    }
}
