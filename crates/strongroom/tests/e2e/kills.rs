//! `kill -9` for the server and for the signer at every step of a withdrawal, and at random
//! moments. `STRONGROOM_SEED=n` replays the random choices, `STRONGROOM_KILLS=n` makes more than
//! fifty.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use serde_json::Value;
use strongroom::{
    client::{Ask, ClientFault, withdrawal_id},
    clock,
    house::{Customer, wait_for},
};

use crate::support::{Stage, chain::sats, number, signal, text};

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
        let fees = number(&overview["books"], "network-fees");
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

/// Where a withdrawal is when somebody is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Queued,
    Batched,
    Signed,
    Broadcast,
    Confirmed,
}

impl Step {
    const ALL: [Self; 5] =
        [Self::Queued, Self::Batched, Self::Signed, Self::Broadcast, Self::Confirmed];

    const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Batched => "batched",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Confirmed => "confirmed",
        }
    }
}

/// What stands still, so that a withdrawal does.
#[derive(Default)]
struct Still(Vec<u32>);

impl Still {
    fn hold(&mut self, process: u32) {
        signal(process, "STOP");
        self.0.push(process);
    }

    /// Lets go on what was not killed.
    fn release(self, alive: &[u32]) {
        for process in self.0.into_iter().filter(|process| alive.contains(process)) {
            signal(process, "CONT");
        }
    }
}

impl Siege {
    fn processes(&self) -> Vec<u32> {
        let stage = &self.stage;
        let ours = [&stage.server, &stage.signer].into_iter().flatten();
        ours.map(strongroom::house::Process::id).chain(stage.node.process_id()).collect()
    }

    fn signer(&self) -> u32 {
        self.stage.signer.as_ref().unwrap().id()
    }

    fn is_at(&self, id: &str, step: Step) -> bool {
        text(&self.status(id), "status") == step.name()
    }

    fn wait_until(&self, id: &str, steps: &[Step]) {
        wait_for(&format!("{id} at {steps:?}"), || {
            Ok(steps.iter().any(|step| self.is_at(id, *step)).then_some(()))
        })
        .unwrap();
    }

    /// A withdrawal that stands still at `step`.
    fn hold_at(&mut self, step: Step, sat: u64) -> (String, Still) {
        // Without the signer no batch is assembled, and none that is built is signed; without the
        // node none that is signed is sent. Without a block nothing that was sent goes on.
        let node = self.stage.node.process_id().unwrap();
        loop {
            let mut still = Still::default();
            if step == Step::Queued {
                still.hold(self.signer());
                return (self.ask(sat), still);
            }
            let id = self.ask(sat);
            if matches!(step, Step::Batched | Step::Signed) {
                self.wait_until(&id, &Step::ALL[1..4]);
                still.hold(if step == Step::Batched { self.signer() } else { node });
                // A round may have come between the look and the stop.
                let stopped_at = text(&self.status(&id), "status");
                if stopped_at != "batched" && stopped_at != step.name() {
                    still.release(&self.processes());
                    continue;
                }
            }
            self.wait_until(&id, &[if step == Step::Confirmed { Step::Broadcast } else { step }]);
            if step == Step::Confirmed {
                self.stage.node.mine(1).unwrap();
                self.wait_until(&id, &[step]);
            }
            return (id, still);
        }
    }
}

#[test]
fn a_withdrawal_is_paid_once_whoever_is_killed_at_whichever_step() {
    // A coin for each payment, and some for those that were too quick: without a block no change
    // can be spent again.
    let mut siege = Siege::new(24);
    // And no round that waits for a node that stands still, to give it again what it has already.
    siege.stage.restart_with(
        "rebroadcast_seconds = 1\nround_millis = 100",
        "rebroadcast_seconds = 60\nround_millis = 400",
    );
    for victim in [Victim::Server, Victim::Signer, Victim::Both] {
        for step in Step::ALL {
            let (id, still) = siege.hold_at(step, 10_000_000);
            assert!(siege.is_at(&id, step), "{victim:?} at {step:?}: {}", siege.status(&id));
            siege.kill(victim);
            still.release(&siege.processes());
            siege.revive();
        }
    }
    siege.finish();
}

#[test]
fn every_withdrawal_is_paid_once_through_fifty_random_kills() {
    let mut dice = Dice::from_environment();
    let kills = std::env::var("STRONGROOM_KILLS").map_or(50, |kills| kills.parse().unwrap());
    assert!(kills >= 50, "STRONGROOM_KILLS={kills}: fewer than fifty show too little");
    let mut siege = Siege::new(16);
    let mut hit: BTreeMap<String, u32> = BTreeMap::new();
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
            *hit.entry("asked".to_owned()).or_default() += 1;
        } else {
            // A batch lives about a second and a half from the asking to the broadcast.
            thread::sleep(Duration::from_millis(dice.below(1_700)));
            let victim = match dice.below(7) {
                0..=2 => Victim::Server,
                3..=5 => Victim::Signer,
                _ => Victim::Both,
            };
            let newest = siege.asked.last().map(|asked| withdrawal_id(&asked.ask).unwrap());
            let at = newest.map(|id| text(&siege.status(&id.to_string()), "status"));
            siege.kill(victim);
            *hit.entry(at.unwrap_or_else(|| "nothing asked".to_owned())).or_default() += 1;
        }
        siege.revive();
    }
    eprintln!("the newest withdrawal when somebody was killed: {hit:?}");
    siege.finish();
}
