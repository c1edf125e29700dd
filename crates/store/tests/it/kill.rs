//! Processes that end without a word.

use std::io::{BufRead, BufReader, Read};

use primitives::from_hex;
use signer_protocol::merkle::TreeHead;
use store::{Audit, Journal, Opening, SqliteJournal, Verdict, verify};

use crate::{
    child,
    conformance::entries_from,
    model::Model,
    support::{Place, Random, identity, opening, records},
};

/// Lets a second process append until it has acknowledged `target` more times, kills it, and gives
/// the last head that it had acknowledged.
pub(crate) fn append_and_kill(place: &Place, acknowledgements: u64) -> TreeHead {
    let mut child = child::start("append", &place.path, None);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut newest = None;
    for _ in 0..acknowledgements {
        newest = next_acknowledged(&mut output);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died counts too.
    while let Some(head) = next_acknowledged(&mut output) {
        newest = Some(head);
    }
    newest.unwrap()
}

fn next_acknowledged(output: &mut impl BufRead) -> Option<TreeHead> {
    loop {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let line = line.strip_suffix('\n')?;
        if let Some(rest) = line.strip_prefix("acknowledged ") {
            let (size, root) = rest.split_once(' ').unwrap();
            let (size, root) = (size.parse().unwrap(), from_hex(root).unwrap());
            return Some(TreeHead { shard: 0, size, root });
        }
    }
}

#[test]
fn acknowledged_entries_survive_twenty_kills() {
    let mut random = Random::seeded(20);
    let place = Place::closed(0);
    for round in 0..20 {
        let acknowledged = append_and_kill(&place, 1 + random.below(40));
        let audit = Audit {
            path: place.path.clone(),
            scratch: place.folder.path().to_owned(),
            identity: Some(identity()),
            witnessed: vec![acknowledged],
        };
        let report = verify(&audit).unwrap();
        assert_eq!(report.verdict, Verdict::Whole, "round {round}: {}", report.log);
        assert_eq!(report.witnessed_to, acknowledged.size);
        let opening = Opening { witnessed: Some(acknowledged), ..opening(&place.path) };
        let journal = SqliteJournal::open(&opening).unwrap();
        assert_eq!(report.head, Some(journal.head()));
        let mut model = Model::new(identity());
        model.append(&records(1, journal.size()));
        assert_eq!(entries_from(&journal, 1), model.entries, "round {round}");
    }
}

#[test]
fn a_journal_that_cannot_be_written_takes_nothing_more_and_keeps_what_it_acknowledged() {
    let place = Place::closed(0);
    let mut child = child::start("append-until-fault", &place.path, Some(400));
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    child.wait().unwrap();
    for said in ["first sqlite-failed", "second journal-poisoned", "reading journal-poisoned"] {
        assert!(output.contains(said), "{output}");
    }
    let mut lines = BufReader::new(output.as_bytes());
    let newest = std::iter::from_fn(|| next_acknowledged(&mut lines)).last();
    let opening = Opening { witnessed: newest, ..opening(&place.path) };
    let journal = SqliteJournal::open(&opening).unwrap();
    assert!(journal.size() >= newest.unwrap().size);
}

#[test]
fn a_second_process_on_the_same_journal_is_refused_by_name() {
    let place = Place::closed(3);
    let ask = || {
        let child = child::start("open", &place.path, None);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let first = place.open();
    let answer = ask();
    assert!(answer.contains("fault journal-in-use"), "{answer}");
    let holder = format!("is held by process {}", std::process::id());
    assert!(answer.contains(&holder), "{answer}");
    drop(first);
    assert!(ask().contains("opened 3"));
}
