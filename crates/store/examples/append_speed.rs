//! Measures the journal's append: `cargo run --release -p store --example append_speed`.
//!
//! Each line is one batch size: entries with a body of 150 bytes, hashed and chained, each batch
//! durable before the next begins. A figure means something only on a machine that does nothing
//! else: with busy cores every commit costs about 4 ms, whatever the engine.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement reads the clock, computes with fractions and prints"
)]

use std::time::{Duration, Instant};

use primitives::{DeploymentId, Timestamp};
use signer_protocol::merkle::{leaf_hash, node_hash};
use store::{Identity, Journal, Opening, Record, SqliteJournal};

const BODY_BYTES: usize = 150;
const BATCHES: [usize; 4] = [1, 10, 100, 1000];

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir_in(".").expect("the working folder can be written");
    println!("{BODY_BYTES}-byte bodies, {seconds} s each, SQLite {}", rusqlite::version());
    println!("batch  entries/s   p50 us   p90 us   p99 us  p99.9 us    max us  of it hashing");
    for batch in BATCHES {
        let path = folder.path().join(format!("journal-{batch}"));
        measure_append(&path, batch, Duration::from_secs(seconds));
    }
    measure_read(&folder.path().join("journal-1000"));
}

fn identity() -> Identity {
    Identity { deployment: DeploymentId([7; 32]), shard: 0 }
}

fn records(batch: usize) -> Vec<Record> {
    let at = Timestamp::parse_seconds(1_557_249_324).expect("a moment in 2019");
    vec![Record { at, kind: 1, version: 1, body: vec![0x5a; BODY_BYTES] }; batch]
}

fn measure_append(path: &std::path::Path, batch: usize, length: Duration) {
    let mut journal = SqliteJournal::create(path, identity()).expect("a new journal");
    let records = records(batch);
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed() < length {
        let before = Instant::now();
        journal.append(journal.next_seq(), &records).expect("an append");
        took.push(before.elapsed());
    }
    let rate = journal.size() as f64 / start.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|s| at(s).as_micros());
    let hashing = measure_hashing(batch).as_micros();
    println!("{batch:5} {rate:10.0} {p50:8} {p90:8} {p99:8} {p999:9} {max:9} {hashing:11} us");
}

/// What the two hashes of each entry, leaf and node, cost in one batch.
fn measure_hashing(batch: usize) -> Duration {
    let rounds = 20_000_usize.div_ceil(batch);
    let entry = [0x5a; 54 + BODY_BYTES];
    let mut leaf = [0; 32];
    let start = Instant::now();
    for _ in 0..rounds * batch {
        leaf = node_hash(&leaf, &leaf_hash(std::hint::black_box(&entry)));
    }
    std::hint::black_box(leaf);
    start.elapsed() / u32::try_from(rounds).expect("at most 20000 rounds")
}

fn measure_read(path: &std::path::Path) {
    let opening =
        Opening { path: path.to_owned(), identity: identity(), position: None, witnessed: None };
    let start = Instant::now();
    let journal = SqliteJournal::open(&opening).expect("the journal that was written");
    let opened = start.elapsed();
    let start = Instant::now();
    let mut entries = 0_u64;
    let mut visit = |_entry| {
        entries += 1;
        std::ops::ControlFlow::Continue(())
    };
    journal.read(1, &mut visit).expect("a whole journal");
    let per_second = |took: Duration| entries as f64 / took.as_secs_f64();
    println!("opening without a snapshot: {:.0} entries/s", per_second(opened));
    println!("reading: {:.0} entries/s", per_second(start.elapsed()));
}
