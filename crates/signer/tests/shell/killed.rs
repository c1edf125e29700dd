//! `kill -9` of the real process at random points: what was answered is never forgotten.

use std::{collections::BTreeMap, env, time::Duration};

use signer_protocol::Response;

use crate::machine::{Machine, receive, send};

const ROUNDS: u32 = 20;

/// A small generator (xorshift64); its seed is printed and can be given again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn no_signature_that_left_is_forgotten_and_no_reservation_counted_twice() {
    let seed = env::var("STRONGROOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(u64::from(std::process::id()) | 1 << 40);
    println!("STRONGROOM_SEED={seed}");
    let mut dice = Dice(seed);
    let machine = Machine::new(&[]);
    let mut answered: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut asked = 0;
    for round in 0..ROUNDS {
        let process = machine.serve();
        let mut stream = machine.connect();
        // Some whole requests, then one that the kill meets somewhere on its way.
        for _ in 0..dice.roll(3) {
            answered.insert(asked, machine.sign(&machine.batch(asked)).transaction);
            asked += 1;
        }
        send(&mut stream, &machine.batch(asked).request());
        let patience = Duration::from_micros(1 + dice.roll(6_000));
        stream.set_read_timeout(Some(patience)).unwrap();
        if let Some(Response::Signed(signed)) = receive(&mut stream) {
            answered.insert(asked, signed.transaction);
        }
        asked += 1;
        process.kill();

        let process = machine.serve();
        for (number, transaction) in &answered {
            let again = machine.sign(&machine.batch(*number));
            assert!(again.repeated, "round {round}: batch {number} was forgotten");
            assert_eq!(&again.transaction, transaction, "round {round}: other bytes");
        }
        // The batch that the kill met is signed now, if it was not before, and counted once.
        let met = machine.sign(&machine.batch(asked - 1));
        answered.insert(asked - 1, met.transaction);
        let expected = format!("\"signed_transactions\":{asked}");
        assert!(machine.status().contains(&expected), "round {round}");
        process.kill();
    }
}
