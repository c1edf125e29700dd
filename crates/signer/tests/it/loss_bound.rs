//! The invariants `loss-bound`, `never-paid-twice` and `nothing-without-warrant` against arbitrary
//! requests, clocks that jump, crashes and restarts at any point.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, ScriptBuf, Transaction};
use primitives::WithdrawalId;
use proptest::prelude::*;
use signer::{
    BucketLimits, Keychain, ScriptKind,
    sample::{self, Batch, Coin, Payout},
};
use signer_protocol::{PayoutIntent, Response};

use crate::{
    disk::Crash,
    rig::{Rig, account, sats, transaction},
};

const BETA: u64 = 500_000;
const RHO: u64 = 100_000;

#[derive(Debug, Clone)]
enum Step {
    /// Pay these withdrawals with these coins, in this order.
    Sign {
        coins: Vec<u32>,
        payouts: Vec<u8>,
        fee: u64,
        customer: bool,
    },
    /// Ask for a batch that was asked for before.
    Again(usize),
    /// The process runs for so long.
    Run(u64),
    /// Somebody sets the wall clock.
    SetWall(i64),
    Restart,
    CrashAfter(u64, bool),
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    let coins = prop::sample::subsequence(vec![0_u32, 1, 2, 3, 4, 5], 1..4).prop_shuffle();
    let payouts = prop::sample::subsequence(vec![0_u8, 1, 2, 3, 4, 5, 6, 7], 0..4);
    prop_oneof![
        12 => (coins, payouts, 1_000..60_000_u64, prop::bool::weighted(0.8))
            .prop_map(|(coins, payouts, fee, customer)| Step::Sign { coins, payouts, fee, customer }),
        2 => (0..8_usize).prop_map(Step::Again),
        2 => (0..3_600_000_u64).prop_map(Step::Run),
        2 => (-20_000..10_000_i64).prop_map(Step::SetWall),
        1 => (-4_000_000..400_000_i64).prop_map(Step::SetWall),
        1 => Just(Step::Restart),
        1 => (1..4_u64, any::<bool>()).prop_map(|(step, after)| Step::CrashAfter(step, after)),
        1 => Just(Step::Checkpoint),
    ]
}

/// What the outside world has seen, and what it checks after every step.
struct World {
    rig: Rig,
    asked: Vec<Batch>,
    signed: BTreeMap<bitcoin::Txid, (Transaction, u64)>,
    paid: BTreeMap<WithdrawalId, Vec<bitcoin::Txid>>,
    /// Milliseconds that the process ran in truth.
    ran: u64,
    /// Every script that is change.
    own: BTreeSet<ScriptBuf>,
}

fn world() -> World {
    let mut rig = Rig::with(ScriptKind::Taproot, |settings| {
        let bucket = |capacity, refill| BucketLimits {
            capacity: sats(capacity),
            refill_per_hour: sats(refill),
        };
        settings.limits.outer = bucket(BETA, RHO);
        // Wide, or it would hide a hole in the outer bucket; the narrow one is tried as well.
        settings.limits.classes.customer_signed = bucket(10 * BETA, 10 * RHO);
        settings.limits.classes.server_vouched = bucket(BETA / 2, RHO / 2);
        settings.limits.key_cool_down = primitives::Seconds(0);
    });
    rig.list_key(account(1), 1);
    let change = |index| rig.settings.descriptor.script(Keychain::Internal, index).unwrap();
    let own = (0..7).map(change).collect();
    World { rig, asked: vec![], signed: BTreeMap::new(), paid: BTreeMap::new(), ran: 0, own }
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Sign { coins, payouts, fee, customer } => {
                let batch = self.batch(coins, payouts, *fee, *customer);
                if let Some(batch) = batch {
                    self.ask(&batch);
                    self.asked.push(batch);
                }
            }
            Step::Again(number) => {
                if let Some(batch) = self.asked.get(*number).cloned() {
                    self.ask(&batch);
                }
            }
            Step::Run(millis) => {
                self.rig.monotonic_millis += millis;
                self.ran += millis;
            }
            Step::SetWall(seconds) => {
                self.rig.wall = self.rig.wall.saturating_add_signed(*seconds);
            }
            Step::Restart => self.restart(),
            Step::CrashAfter(step, after) => {
                let crash = if *after { Crash::After } else { Crash::Before };
                self.rig.disk.crash_at(*step, crash);
            }
            Step::Checkpoint => {
                if self.rig.signer.checkpoint(self.rig.now()).is_err() {
                    self.restart();
                }
            }
        }
    }

    fn restart(&mut self) {
        self.rig.disk.repair();
        self.rig.restart();
    }

    fn batch(&self, coins: &[u32], payouts: &[u8], fee: u64, customer: bool) -> Option<Batch> {
        let plan = self.rig.plan().with(|plan| {
            let coin = |&number: &u32| Coin {
                number,
                keychain: Keychain::External,
                index: number,
                amount: 400_000,
            };
            plan.coins = coins.iter().map(coin).collect();
            let not_after = self.rig.wall + 3_600;
            let payout = |&number: &u8| Payout {
                // A few of them with a fixed date, so that replacements meet their withdrawal.
                not_after: if number < 6 { sample::NOON.to_seconds() + 200_000 } else { not_after },
                signed_by: customer.then_some(1),
                ..Payout::new(u64::from(number), 40_000 * (u64::from(number) + 1))
            };
            plan.payouts = payouts.iter().map(payout).collect();
            plan.fee = fee;
            plan.change_index = u32::try_from(fee % 7).unwrap();
        });
        plan.build()
    }

    fn ask(&mut self, batch: &Batch) {
        match self.rig.sign(batch) {
            Response::Signed(signed) => {
                let transaction = transaction(&signed);
                let spent: u64 = transaction.input.iter().map(|_| 400_000).sum();
                let out: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
                self.note(&transaction, batch);
                self.signed.insert(transaction.compute_txid(), (transaction, spent - out));
            }
            Response::Refused { .. } => {}
            Response::Fault { .. } => self.restart(),
            other => panic!("{other:?}"),
        }
    }

    /// Every external output that was signed is exactly one evidenced intent.
    fn note(&mut self, transaction: &Transaction, batch: &Batch) {
        let txid = transaction.compute_txid();
        let mut evidence = batch.evidence.iter();
        for output in
            transaction.output.iter().filter(|output| !self.own.contains(&output.script_pubkey))
        {
            let evidence = evidence.next().unwrap();
            let intent = PayoutIntent::parse(&evidence.intent).unwrap();
            assert_eq!(intent.script, output.script_pubkey.as_bytes());
            assert_eq!(intent.amount.to_sat(), output.value.to_sat());
            assert_eq!(intent.deployment, self.rig.settings.deployment());
            let paid = self.paid.entry(intent.withdrawal_id().unwrap()).or_default();
            if !paid.contains(&txid) {
                paid.push(txid);
            }
        }
        assert!(evidence.next().is_none());
    }

    fn check(&self) {
        self.never_paid_twice();
        let bound = u128::from(BETA) * 3_600_000 + u128::from(RHO) * u128::from(self.ran);
        assert!(u128::from(self.worst_release()) * 3_600_000 <= bound, "loss-bound");
    }

    /// All transactions that pay one withdrawal spend one common coin.
    fn never_paid_twice(&self) {
        for txids in self.paid.values() {
            let mut common: Option<BTreeSet<OutPoint>> = None;
            for txid in txids {
                let inputs = self.signed[txid].0.input.iter().map(|input| input.previous_output);
                let inputs: BTreeSet<OutPoint> = inputs.collect();
                common = Some(match common {
                    None => inputs,
                    Some(common) => common.intersection(&inputs).copied().collect(),
                });
            }
            assert!(common.is_none_or(|common| !common.is_empty()), "never-paid-twice");
        }
    }

    /// The most that can leave: the best set of signed transactions that spend no coin twice.
    /// Counted without the signer's own notion of conflict sets.
    fn worst_release(&self) -> u64 {
        let mut numbers: BTreeMap<OutPoint, u32> = BTreeMap::new();
        // For each set of coins, as bits: the most that leaves when exactly these are spent.
        let mut best: BTreeMap<u64, u64> = BTreeMap::from([(0, 0)]);
        for (transaction, fee) in self.signed.values() {
            let mut spends = 0;
            for input in &transaction.input {
                let next = u32::try_from(numbers.len()).unwrap();
                spends |= 1_u64 << *numbers.entry(input.previous_output).or_insert(next);
            }
            let value = self.external(transaction) + fee;
            for (spent, released) in best.clone() {
                if spent & spends == 0 {
                    let most = best.entry(spent | spends).or_default();
                    *most = (*most).max(released + value);
                }
            }
        }
        best.into_values().max().unwrap()
    }

    fn external(&self, transaction: &Transaction) -> u64 {
        let outputs = transaction.output.iter();
        let external = outputs.filter(|output| !self.own.contains(&output.script_pubkey));
        external.map(|output| output.value.to_sat()).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_sequence_of_requests_clocks_and_crashes_releases_more_than_the_tranche(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut world = world();
        for step in &steps {
            world.take(step);
            world.check();
        }
        let status = world.rig.signer.status(world.rig.now());
        let known = u64::try_from(world.signed.len()).unwrap();
        prop_assert!(status.description.signed_transactions >= known);
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_break_nothing(
        body in prop::collection::vec(any::<u8>(), 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut rig = Rig::new(ScriptKind::Taproot);
        let frame = signer_protocol::message::encode_frame(&rig.batch().request()).unwrap();
        let mut altered = frame[4..].to_vec();
        for (place, byte) in flips {
            let place = place.index(altered.len());
            altered[place] = byte;
        }
        for body in [body, altered] {
            rig.signer.handle_body(&body, rig.now(), &rig.keys);
            prop_assert_eq!(rig.signer.broken(), None);
        }
    }
}
