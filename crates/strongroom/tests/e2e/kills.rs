//! `kill -9` for the server and for the signer at every step of a withdrawal, and at random
//! moments. `STRONGROOM_SEED=n` replays the random choices, `STRONGROOM_KILLS=n` makes more.

use std::{collections::BTreeSet, thread, time::Duration};

use serde_json::Value;
use strongroom::{
    client::{Ask, ClientFault, withdrawal_id},
    clock,
    house::{Customer, wait_for},
};

use crate::support::{Stage, chain::sats, number, text};

/// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
struct Dice(u64);

impl Dice {
    fn from_environment() -> Self {
        let seed = std::env::var("STRONGROOM_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|| u64::from_le_bytes(clock::random().unwrap()));
        eprintln!("STRONGROOM_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Server,
    Signer,
    Both,
}

/// What was asked, whether or not an answer came.
struct Asked {
    ask: Ask,
    answered: bool,
}

struct Siege {
    stage: Stage,
    alice: Customer,
    asked: Vec<Asked>,
}

impl Siege {
    fn new(coins: u64) -> Self {
        let stage = Stage::new();
        let alice = stage.customer("alice").unwrap();
        for _ in 0..coins {
            stage.node.send_to(&alice.address, sats(40_000_000)).unwrap();
        }
        stage.node.mine(3).unwrap();
        stage.wait_account(&alice, "the deposits", |account| {
            number(account, "withdrawable_sat") == coins * 40_000_000
        });
        Self { stage, alice, asked: Vec::new() }
    }

    /// Asks for one more payment, to an address that no other payment has.
    fn ask(&mut self, sat: u64) -> String {
        let to = self.stage.node.fresh_address().unwrap();
        let ask = self.stage.ask(&self.alice, &to, sats(sat)).unwrap();
        let id = withdrawal_id(&ask).unwrap().to_string();
        let answer = self.alice.client.withdraw(&ask).unwrap();
        assert_eq!(text(&answer, "id"), id);
        self.asked.push(Asked { ask, answered: true });
        id
    }

    /// Asks while the server is killed: what became of it is not known.
    fn ask_and_kill(&mut self, sat: u64, after: Duration) {
        let to = self.stage.node.fresh_address().unwrap();
        let ask = self.stage.ask(&self.alice, &to, sats(sat)).unwrap();
        let (url, key) = (self.stage.url(), self.alice.key.clone());
        let asking = {
            let ask = ask.clone();
            thread::spawn(move || {
                strongroom::client::Client::new(&url, strongroom::client::Caller::Key(key))
                    .withdraw(&ask)
            })
        };
        thread::sleep(after);
        self.stage.kill_server();
        let answered = match asking.join().unwrap() {
            Ok(_) => true,
            Err(ClientFault::Unreachable { .. }) => false,
            Err(other) => panic!("neither an answer nor silence: {other}"),
        };
        self.asked.push(Asked { ask, answered });
    }

    fn kill(&mut self, victim: Victim) {
        if victim != Victim::Signer {
            self.stage.kill_server();
        }
        if victim != Victim::Server {
            self.stage.kill_signer();
        }
    }

    /// Starts what was killed.
    fn revive(&mut self) {
        if self.stage.signer.is_none() {
            self.stage.start_signer().unwrap();
        }
        if self.stage.server.is_none() {
            self.stage.start_server().unwrap();
        }
        // Whoever got no answer asks again, with the same intent.
        for asked in self.asked.iter_mut().filter(|asked| !asked.answered) {
            let answer = self.alice.client.withdraw(&asked.ask).unwrap();
            assert_eq!(text(&answer, "id"), withdrawal_id(&asked.ask).unwrap().to_string());
            asked.answered = true;
        }
    }

    fn status(&self, id: &str) -> Value {
        self.alice.client.get(&format!("/v1/withdrawals/{id}")).unwrap()
    }

    /// Mines until every payment is settled, and counts what the chain paid.
    fn finish(self) {
        let ids = self.asked.iter().map(|asked| withdrawal_id(&asked.ask).unwrap().to_string());
        let mut open: BTreeSet<String> = ids.collect();
        let settled = wait_for("every withdrawal to be settled", || {
            self.stage.node.mine(1)?;
            self.stage.at_tip();
            open.retain(|id| text(&self.status(id), "status") != "settled");
            Ok(open.is_empty().then_some(()))
        });
        settled.unwrap_or_else(|error| {
            let states: Vec<_> = open.iter().map(|id| self.status(id)).collect();
            panic!("{error:#}: {states:#?}; {:?}", self.stage.monitor().get("/readyz"))
        });
        self.stage.wait_until_ready().unwrap();
        let paid = self.stage.paid_by_script();
        let mut sum = 0;
        for Asked { ask, .. } in &self.asked {
            let script = bitcoin::ScriptBuf::from_bytes(ask.script.clone());
            assert_eq!(paid[&script], [ask.amount.to_sat()], "paid exactly once");
            sum += ask.amount.to_sat();
        }
        let overview = self.stage.balance();
        let fees = number(&overview["house"], "network-fees");
        let signer = &overview["signer"];
        assert_eq!(number(signer, "signed_total_sat"), sum + fees, "{overview:#}");
        let scripts: BTreeSet<_> =
            self.asked.iter().map(|asked| asked.ask.script.clone()).collect();
        let paying = self.stage.blocks().into_iter().flat_map(|block| block.txdata);
        let paying = paying.filter(|transaction| {
            let mut outputs = transaction.output.iter();
            outputs.any(|output| scripts.contains(output.script_pubkey.as_bytes()))
        });
        assert_eq!(number(signer, "signed_transactions"), paying.count() as u64, "{overview:#}");
        let account = crate::support::story::account(&self.alice);
        assert_eq!(number(&account, "held_sat"), 0, "{account:#}");
        self.stage.finish();
    }
}

const STEPS: [&str; 5] = ["queued", "batched", "signed", "broadcast", "confirmed"];

#[test]
fn a_withdrawal_is_paid_once_whoever_is_killed_at_whichever_step() {
    // A coin for each payment: without a block no change can be spent again.
    let mut siege = Siege::new(16);
    for victim in [Victim::Server, Victim::Signer, Victim::Both] {
        for step in STEPS {
            let id = siege.ask(10_000_000);
            let seen = wait_for(step, || {
                let status = text(&siege.status(&id), "status");
                let place = |name: &str| STEPS.iter().position(|step| *step == name);
                if step == "confirmed" && status == "broadcast" {
                    siege.stage.node.mine(1)?;
                }
                // The step itself, or the next one where it was too short to be seen.
                Ok((place(&status) >= place(step)).then_some(status))
            });
            let seen = seen.unwrap();
            eprintln!("{victim:?} killed at {step}, seen as {seen}");
            siege.kill(victim);
            siege.revive();
        }
    }
    siege.finish();
}

#[test]
fn every_withdrawal_is_paid_once_through_fifty_random_kills() {
    let mut dice = Dice::from_environment();
    let kills = std::env::var("STRONGROOM_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let mut siege = Siege::new(16);
    for kill in 0..kills {
        for _ in 0..dice.below(2) {
            siege.ask(1_000_000 + kill);
        }
        if dice.below(4) == 0 {
            siege.stage.node.mine(1).unwrap();
        }
        let after = Duration::from_millis(dice.below(10));
        if dice.below(5) == 0 {
            siege.ask_and_kill(1_000_000 + kill, after);
        } else {
            // A batch lives about a second and a half from the asking to the broadcast.
            thread::sleep(Duration::from_millis(dice.below(1_700)));
            let victim = match dice.below(7) {
                0..=2 => Victim::Server,
                3..=5 => Victim::Signer,
                _ => Victim::Both,
            };
            siege.kill(victim);
        }
        siege.revive();
    }
    siege.finish();
}
