use std::sync::Mutex;

use expect_test::expect;
use primitives::Seconds;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::test_support::{api_key, at};

/// A request with the nonce `number`, as if its signature had been verified.
fn verified(number: u8, expires: Timestamp) -> Verified<'static> {
    let parts = RequestParts {
        method: "GET",
        authority: "",
        path: "/",
        query: None,
        headers: &[("", ""); 0],
        body: b"",
    };
    Verified { parts, key: api_key(), expires, spent_as: [number; 32] }
}

fn spend(memory: &mut NonceMemory, number: u8, expires: u64, now: u64) -> Result<(), &'static str> {
    let outcome = memory.spend(verified(number, at(expires)), at(now));
    outcome.map(|_| ()).map_err(|refusal| refusal.id())
}

#[test]
fn a_nonce_has_16_to_64_characters_of_base64url() {
    for good in ["0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", &"a".repeat(64)] {
        assert_eq!(Nonce::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "0123456789abcde", &"a".repeat(65), "0123456789abcde=", "0123456789abcdé"] {
        let refusal = Nonce::parse(bad).unwrap_err();
        assert_eq!(refusal.id(), "request-parameter-malformed", "{bad}");
    }
    assert_eq!(Nonce::from_random([255; 16]).as_str(), "_____________________w");
}

#[test]
fn a_full_memory_refuses_and_forgets_no_living_nonce() {
    let mut memory = NonceMemory::new(2);
    assert_eq!(spend(&mut memory, 1, 10, 1), Ok(()));
    assert_eq!(spend(&mut memory, 2, 20, 1), Ok(()));
    let refusal = memory.spend(verified(3, at(20)), at(9)).unwrap_err();
    expect!["request-nonce-memory-full: 2 requests are remembered and none has expired; try again in some seconds"].assert_eq(&refusal.to_string());
    // A replay is called a replay, full or not.
    assert_eq!(spend(&mut memory, 1, 10, 9), Err("request-nonce-reused"));
    assert_eq!(spend(&mut memory, 3, 20, 10), Ok(()));
    assert_eq!(spend(&mut memory, 2, 20, 10), Err("request-nonce-reused"));
}

#[test]
fn a_clock_that_goes_back_opens_no_gap() {
    let mut memory = NonceMemory::new(9);
    assert_eq!(spend(&mut memory, 1, 10, 1), Ok(()));
    assert_eq!(spend(&mut memory, 2, 70, 60), Ok(()));
    assert_eq!(memory.len(), 1, "the first is forgotten");
    // By the clock alone it would be good again, and nobody remembers it.
    assert_eq!(spend(&mut memory, 1, 10, 2), Err("request-expired"));
}

#[test]
fn one_call_forgets_only_so_much() {
    let mut memory = NonceMemory::new(200);
    for number in 0..100 {
        assert_eq!(spend(&mut memory, number, 10, 1), Ok(()));
    }
    assert_eq!(spend(&mut memory, 200, 70, 60), Ok(()));
    assert_eq!(memory.len(), 101 - FORGOTTEN_AT_ONCE);
    // What has expired does not count, even while it is still there.
    assert_eq!(spend(&mut memory, 99, 70, 60), Ok(()));
    assert_eq!(spend(&mut memory, 99, 70, 60), Err("request-nonce-reused"));
}

#[test]
fn of_many_threads_with_one_request_exactly_one_wins() {
    let memory = Mutex::new(NonceMemory::new(100));
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let won =
                        |number: &u8| spend(&mut memory.lock().unwrap(), *number, 9, 1).is_ok();
                    (0..50).filter(won).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 50);
}

/// Remembers everything for ever and looks at the clock when asked.
#[derive(Default)]
struct Naive {
    latest: Timestamp,
    spent: Vec<(u8, Timestamp)>,
}

impl Naive {
    fn spend(
        &mut self,
        capacity: usize,
        number: u8,
        expires: Timestamp,
        now: Timestamp,
    ) -> &'static str {
        self.latest = self.latest.max(now);
        let living = |(_, expires): &&(u8, Timestamp)| *expires > self.latest;
        if expires <= self.latest {
            "request-expired"
        } else if self.spent.iter().filter(living).any(|(spent, _)| *spent == number) {
            "request-nonce-reused"
        } else if self.spent.iter().filter(living).count() >= capacity {
            "request-nonce-memory-full"
        } else {
            self.spent.push((number, expires));
            "spent"
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_is_a_naive_one(
        capacity in 0_usize..50,
        // Which nonce, how far the clock moves (it may go back), and for how long it is valid.
        steps in vec((0_u8..40, -3_i64..6, 0_u64..60), 1..400),
    ) {
        let (mut memory, mut naive) = (NonceMemory::new(capacity), Naive::default());
        let mut now = at(1000);
        for (number, moved, lifetime) in steps {
            now = at(now.to_seconds().saturating_add_signed(moved));
            let expires = now.saturating_add(Seconds(lifetime));
            let outcome = memory.spend(verified(number, expires), now);
            let outcome = outcome.map_or_else(|refusal| refusal.id(), |_| "spent");
            prop_assert_eq!(outcome, naive.spend(capacity, number, expires, now));
            prop_assert!(memory.len() <= capacity);
            prop_assert_eq!(memory.len(), memory.by_expiry.len());
        }
    }
}
