//! A node that lies, or whose database is damaged, gives blocks that cannot be: the follower checks
//! neither scripts nor amounts nor double spends.

use std::sync::Arc;

use bitcoin::{ScriptBuf, Transaction};
use custody::{Command, chain::REORG_MAX};
use primitives::{Outpoint, Sats};
use proptest::prelude::*;

use crate::{
    floods::{foreign, forget, see},
    house::{House, btc, outpoint_of, sats, stranger},
    properties::config,
};

/// A house with two coins, one of alice and one of bob, and a batch that spends alice's.
struct Scene {
    house: House,
    to: ScriptBuf,
    coins: [Outpoint; 2],
    batch: Transaction,
    payment: Transaction,
}

impl Scene {
    fn new() -> Self {
        let mut house = House::new();
        let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
        let coins = [house.fund(&alice, btc(2)), house.fund(&bob, btc(1))];
        house.withdraw(&alice, btc(1));
        let (_, batch) = house.pay_out();
        let payment = house.payment(&alice, btc(1));
        let to = house.address(&alice);
        Self { house, to, coins, batch, payment }
    }

    /// The core refuses a block with these transactions, stays as it was, and goes on.
    fn refuses(mut self, transactions: &[Transaction]) {
        let (at, block) = self.house.next_block(transactions);
        let command = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
        assert_eq!(self.house.refused(command), "block-impossible");
        self.house.blocks(3);
    }
}

fn theft(coins: &[Outpoint], number: u8) -> Transaction {
    House::spending(coins, &[(stranger(number), btc(1))])
}

#[test]
fn a_block_that_spends_a_coin_of_ours_twice_is_refused() {
    let scene = Scene::new();
    let coin = scene.coins[1];
    scene.refuses(&[theft(&[coin], 1), theft(&[coin], 2)]);
    let scene = Scene::new();
    scene.refuses(&[theft(&[coin, coin], 1)]);
    for batch_first in [true, false] {
        let scene = Scene::new();
        let mut both = [scene.batch.clone(), theft(&scene.coins[..1], 1)];
        if !batch_first {
            both.reverse();
        }
        scene.refuses(&both);
    }
    // A coin that the block itself made.
    let scene = Scene::new();
    let (payment, made) = (scene.payment.clone(), outpoint_of(&scene.payment, 0));
    scene.refuses(&[payment, theft(&[made], 1), theft(&[made], 2)]);
}

#[test]
fn a_block_that_pays_a_batch_whose_coin_is_gone_is_refused() {
    let mut scene = Scene::new();
    let stolen = theft(&scene.coins[..1], 1);
    scene.house.block(&[stolen]);
    let batch = scene.batch.clone();
    scene.refuses(&[batch]);
}

#[test]
fn a_block_that_carries_again_what_the_chain_has_is_refused() {
    let scene = Scene::new();
    let twice = [scene.payment.clone(), scene.payment.clone()];
    scene.refuses(&twice);
    let mut scene = Scene::new();
    scene.house.block(&[scene.payment.clone(), scene.batch.clone()]);
    scene.house.blocks(1);
    for again in [scene.payment.clone(), scene.batch.clone()] {
        let (at, block) = scene.house.next_block(&[again]);
        let command = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
        assert_eq!(scene.house.refused(command), "block-impossible");
    }
    // Long after nothing of it can be taken back.
    scene.house.blocks(REORG_MAX);
    let batch = scene.batch.clone();
    scene.refuses(&[batch]);
}

#[test]
fn a_block_that_carries_a_payment_and_what_spends_its_inputs_is_refused() {
    let mut scene = Scene::new();
    see(&mut scene.house, &scene.payment);
    let conflict = House::instead_of(&scene.payment, &[(stranger(1), btc(1))]);
    let both = [scene.payment.clone(), conflict.clone()];
    let (at, block) = scene.house.next_block(&both);
    let command = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
    assert_eq!(scene.house.refused(command), "block-impossible");
    scene.house.block(&[conflict]);
    let payment = scene.payment.clone();
    scene.refuses(&[payment]);
}

#[test]
fn a_block_that_pays_us_more_than_there_can_be_is_refused() {
    let mut scene = Scene::new();
    let all = House::spending(&foreign(1), &[(scene.to.clone(), Sats::MAX)]);
    scene.refuses(std::slice::from_ref(&all));
    scene = Scene::new();
    let to = scene.to.clone();
    scene.refuses(&[House::spending(
        &foreign(1),
        &[(to.clone(), btc(11_000_000)), (to, btc(10_000_000))],
    )]);
}

/// Transactions of which some cannot be in one chain.
fn pool(scene: &mut Scene) -> Vec<Transaction> {
    let Scene { coins, batch, payment, to, .. } = scene;
    let change = outpoint_of(batch, 1);
    let mut pool = vec![
        payment.clone(),
        batch.clone(),
        House::instead_of(payment, &[(stranger(1), btc(1))]),
        House::instead_of(payment, &[(to.clone(), btc(1)), (to.clone(), sats(9_000))]),
        House::spending(&foreign(1), &[(to.clone(), btc(20_000_000))]),
        House::spending(&foreign(2), &[(to.clone(), btc(3_000_000)), (to.clone(), btc(1))]),
        theft(&coins[..1], 1),
        theft(&coins[1..], 2),
        theft(coins, 3),
        theft(&[coins[1], coins[1]], 4),
        theft(&[change, outpoint_of(batch, 0)], 5),
        theft(&[outpoint_of(payment, 0)], 6),
    ];
    pool.push(House::spending(&coins[1..], &[(to.clone(), btc(1))]));
    pool.push(scene.house.reward(&[(to.clone(), btc(3))]));
    pool
}

proptest! {
    #![proptest_config(config(200))]

    /// Blocks of anything, in any order and however often: what the core takes it can fold, take
    /// back, and fold again.
    #[test]
    fn no_block_of_any_transactions_makes_a_history_that_cannot_be(
        steps in proptest::collection::vec((0_u8..8, proptest::collection::vec(0_usize..14, 0..4)), 1..20)
    ) {
        let mut scene = Scene::new();
        let pool = pool(&mut scene);
        let mut house = scene.house;
        for (what, chosen) in steps {
            let chosen: Vec<_> = chosen.into_iter().map(|number| pool[number].clone()).collect();
            match what {
                0 => if let Some(seen) = chosen.first() { see(&mut house, seen); },
                1 => if let Some(gone) = chosen.first() { forget(&mut house, gone); },
                2 => if house.chain.len() > 6 { house.disconnect(); },
                _ => {
                    let (at, block) = house.next_block(&chosen);
                    let command = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block.clone()) };
                    match house.execute(&command) {
                        Ok(_) => house.chain.push((at, block)),
                        Err(refusal) => prop_assert_eq!(refusal.id(), "block-impossible"),
                    }
                }
            }
        }
        house.state.check_indexes().unwrap();
        prop_assert_eq!(house.replayed().digest().unwrap(), house.state.digest().unwrap());
    }
}
