//! What the worlds are made of: the same seed is the same run, and in some world everything
//! happens that can happen.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use custody::Event;
use drill::{INVARIANTS, Kind, Options, Report, simulate};

use crate::first_seed;

fn run(kind: Kind, seed: u64, steps: u32) -> Report {
    let options = Options { kind: Some(kind), ..Options::default() };
    simulate(seed, steps, &options).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn one_seed_is_one_run() {
    for kind in Kind::ALL {
        assert_eq!(run(kind, first_seed(), 300), run(kind, first_seed(), 300), "{kind:?}");
    }
    assert_ne!(run(Kind::Calm, 1, 100).trace_digest, run(Kind::Calm, 2, 100).trace_digest);
}

#[test]
fn a_reader_sees_every_step_and_changes_nothing() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&lines);
    let reader: drill::Reader = Rc::new(move |line: &str| seen.borrow_mut().push(line.to_owned()));
    let options = Options { kind: Some(Kind::Calm), reader: Some(reader), bug: None };
    let watched = simulate(3, 200, &options).unwrap();
    assert_eq!(watched, run(Kind::Calm, 3, 200));
    assert!(lines.borrow().len() > 200);
    assert_eq!(lines.borrow()[0], "seed 3: calm");
}

/// Names of all events, from their schemas: `1 v1 Configured`.
fn event_names() -> BTreeSet<String> {
    let schemas = Event::schemas();
    let names = schemas.lines().filter(|line| line.starts_with(|first: char| first.is_numeric()));
    names.filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned)).collect()
}

#[test]
fn in_some_world_every_event_of_the_domain_happens() {
    let mut missing = event_names();
    assert!(missing.len() > 30, "{missing:?}");
    for seed in first_seed()..first_seed() + 600 {
        let kind = [Kind::Theft, Kind::Reorgs, Kind::Calm][usize::try_from(seed % 3).unwrap()];
        let report = run(kind, seed, 300);
        missing.retain(|name| !report.events_by_name.contains_key(name));
        if missing.is_empty() {
            println!("every event happened within {} worlds", seed - first_seed() + 1);
            return;
        }
    }
    panic!("never seen: {missing:?}");
}

#[test]
fn the_worlds_crash_replace_blocks_steal_and_pay() {
    for kind in Kind::ALL {
        let reports: Vec<Report> = (0..40).map(|seed| run(kind, seed, 300)).collect();
        let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
        assert!(sum(|report| report.settled) > 10, "{kind:?} pays");
        assert!(sum(|report| report.server_crashes) > 10, "{kind:?} crashes the server");
        assert!(sum(|report| report.signer_crashes) > 10, "{kind:?} crashes the signer");
        assert!(sum(Report::crashes) >= sum(|report| report.recoveries), "{kind:?} recovers");
        assert!(sum(|report| report.snapshots_used) > 0, "{kind:?} starts from snapshots");
        assert!(sum(|report| report.snapshots_passed_over) > 0, "{kind:?} passes some over");
        assert!(sum(|report| report.reorgs) > 0, "{kind:?} replaces blocks");
        assert!(sum(|report| report.thefts) > 0, "{kind:?} steals");
    }
}

#[test]
fn rewards_ripen_and_the_deepest_blocks_are_forgotten() {
    let reports: Vec<Report> = (0..6).map(|seed| run(Kind::Ages, seed, 200)).collect();
    assert!(reports.iter().any(|report| report.blocks > 250));
}

#[test]
fn invariants_have_distinct_kebab_case_names() {
    let kebab = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    assert!(INVARIANTS.iter().all(|name| kebab(name)));
    assert_eq!(INVARIANTS.iter().collect::<BTreeSet<_>>().len(), INVARIANTS.len());
}
