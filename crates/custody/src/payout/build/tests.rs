#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BTreeSet;

use bitcoin::Witness;
use primitives::{AccountId, BlockHeight, FeeRate, Txid};
use proptest::prelude::*;

use super::*;
use crate::{
    coins::{Coin, Coins},
    descriptor::HotDescriptor,
    event::Watched,
    house::{descriptor, sats, stranger},
    payout::purse::Till,
};

fn outpoint(number: usize) -> Outpoint {
    Outpoint { txid: Txid([number as u8; 32]), vout: number as u32 }
}

fn coins(values: &[u64]) -> Coins {
    let mut coins = Coins::default();
    for (number, value) in values.iter().enumerate() {
        let coin = Coin {
            value: sats(*value),
            watched: Watched::External(number as u32),
            height: BlockHeight(1),
            coinbase: false,
            at_rest: true,
        };
        coins.insert(outpoint(number), coin).unwrap();
    }
    coins
}

fn hot() -> HotDescriptor {
    HotDescriptor::parse(descriptor()).unwrap()
}

fn price(sat_per_kwu: u64) -> Price {
    let fee_rate = FeeRate::from_sat_per_kwu(sat_per_kwu);
    Price { fee_rate, input_weight: hot().input_weight() }
}

fn till(coins: &Coins, price: Price) -> Till<'_> {
    let (tip, final_confirmations, inputs_max) = (BlockHeight(10), 3, 20);
    let external_end = 1_000;
    let withheld = BTreeSet::new();
    Till { coins, tip, final_confirmations, external_end, inputs_max, withheld, price }
}

fn wanted(amounts: &[u64]) -> Vec<Wanted> {
    let script = |number: usize| stranger(number as u8).to_bytes();
    let id = |number: usize| WithdrawalId::new(AccountId::from_u64(1), [number as u8; 32]);
    let numbered = amounts.iter().enumerate();
    numbered
        .map(|(number, amount)| Wanted {
            withdrawal: id(number),
            script: script(number),
            amount: sats(*amount),
        })
        .collect()
}

fn plan<'a>(purse: &'a Purse, price: Price, wanted: &'a [Wanted], seed: u8) -> Plan<'a> {
    let change_script = hot().script(Watched::Internal(0)).unwrap();
    Plan { purse, price, wanted, change_script, seed: [seed; 32] }
}

/// What the transaction weighs once a 64-byte Schnorr signature stands in each input (BIP-341).
fn signed_weight(built: &Built) -> u64 {
    let mut signed = built.transaction.clone();
    for input in &mut signed.input {
        input.witness = Witness::from_slice(&[[1_u8; 64]]);
    }
    signed.weight().to_wu()
}

fn spent(coins: &Coins, built: &Built) -> Sats {
    let values = built.inputs.iter().map(|input| coins.get(input).unwrap().value);
    Sats::checked_sum(values).unwrap()
}

fn received(built: &Built) -> Sats {
    Sats::checked_sum(built.transaction.output.iter().map(|output| sats(output.value.to_sat())))
        .unwrap()
}

#[test]
fn the_weight_of_a_signed_batch_is_never_more_than_was_reckoned_and_hardly_less() {
    let coins = coins(&[1_000_000, 900_000, 800_000]);
    for count in 1..4 {
        let price = price(250);
        let purse = till(&coins, price).purse(&[]).unwrap();
        let wanted = wanted(&vec![600_000; count]);
        let built = build(&plan(&purse, price, &wanted, 1)).unwrap();
        let scripts = built.transaction.output.iter().map(|output| output.script_pubkey.len());
        let outputs = scripts.fold(Outputs::default(), Outputs::with);
        let reckoned =
            crate::payout::purse::weight(built.inputs.len(), price.input_weight, outputs);
        let weight = signed_weight(&built);
        assert!((weight..=weight + 4 * built.inputs.len() as u64).contains(&reckoned));
    }
}

#[test]
fn change_that_is_not_worth_spending_goes_to_the_network() {
    let price = price(1_000);
    let payout = 100_000;
    // One input and one output at 1 sat/wu, and what a change output would cost.
    let without = price.fee(1, Outputs::default().with(22)).to_sat();
    let with = price.fee(1, Outputs::default().with(22).with(34)).to_sat();
    let least = 330.max(price.input().to_sat());
    for (coin, change) in [
        (payout + without, None),
        (payout + with + least - 1, None),
        (payout + with + least, Some(least)),
    ] {
        let coins = coins(&[coin]);
        let purse = till(&coins, price).purse(&[]).unwrap();
        let wanted = wanted(&[payout]);
        let built = build(&plan(&purse, price, &wanted, 1)).unwrap();
        assert_eq!(built.change.map(|(_, value)| value.to_sat()), change);
        assert_eq!(spent(&coins, &built), received(&built).checked_add(built.fee).unwrap());
    }
    let coins = coins(&[payout + without - 1]);
    let purse = till(&coins, price).purse(&[]).unwrap();
    let refusal = build(&plan(&purse, price, &wanted(&[payout]), 1)).unwrap_err();
    assert_eq!(refusal.id(), "coins-insufficient");
}

#[test]
fn a_coin_that_costs_more_than_it_is_worth_is_left_alone_unless_a_pin_forces_it_in() {
    let (price, coins) = (price(1_000), coins(&[200_000, 230, 231]));
    let names = |purse: &Purse| {
        let covered = purse.cover(price, sats(1_000), Outputs::default());
        covered.map(|(inputs, sum)| (inputs.to_vec(), sum))
    };
    assert_eq!(price.input(), sats(230));
    let free = till(&coins, price).purse(&[]).unwrap();
    assert_eq!(
        (free.total(), names(&free)),
        (sats(200_231), Some((vec![outpoint(0)], sats(200_000))))
    );
    let forced = till(&coins, price).purse(&[outpoint(1)]).unwrap();
    assert_eq!(names(&forced), Some((vec![outpoint(1), outpoint(0)], sats(200_230))));
    // A coin that is not there, not final, or reserved cannot be forced in.
    assert_eq!(till(&coins, price).purse(&[outpoint(9)]), None);
    let fresh = Till { tip: BlockHeight(2), ..till(&coins, price) };
    assert_eq!(fresh.purse(&[outpoint(1)]), None);
    let few = Till { inputs_max: 1, ..till(&coins, price) };
    assert_eq!(few.purse(&[outpoint(0), outpoint(1)]), None);
}

#[test]
fn the_seed_decides_the_places_of_the_outputs() {
    let (price, coins) = (price(250), coins(&[10_000_000]));
    let purse = till(&coins, price).purse(&[]).unwrap();
    let wanted = wanted(&[10_000, 20_000, 30_000]);
    let places: BTreeSet<_> = (0..64)
        .map(|seed| build(&plan(&purse, price, &wanted, seed)).unwrap().change.unwrap().0)
        .collect();
    assert_eq!(places, BTreeSet::from([0, 1, 2, 3]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out_and_the_fee_is_neither_too_low_nor_far_too_high(
        values in prop::collection::vec(1_u64..5_000_000, 1..20),
        amounts in prop::collection::vec(1_000_u64..3_000_000, 1..12),
        sat_per_kwu in 0_u64..30_000,
        forced in 0_usize..3,
        seed in any::<u8>(),
    ) {
        let (price, coins) = (price(sat_per_kwu), coins(&values));
        let forced: Vec<_> = (0..forced.min(values.len())).map(outpoint).collect();
        let purse = till(&coins, price).purse(&forced).unwrap();
        let wanted = wanted(&amounts);
        let plan = plan(&purse, price, &wanted, seed);
        let Ok(built) = build(&plan) else {
            // It is refused only where all coins that are worth it do not suffice.
            let outputs =
                wanted.iter().map(|it| it.script.len()).fold(Outputs::default(), Outputs::with);
            let all = values.iter().filter(|value| **value > price.input().to_sat());
            let fee = price.fee(all.clone().count(), outputs);
            let asked: u64 = amounts.iter().sum();
            prop_assert!(all.sum::<u64>() < asked + fee.to_sat() + 3 * price.input().to_sat());
            return Ok(());
        };
        let (spent, received) = (spent(&coins, &built), received(&built));
        prop_assert_eq!(received.checked_add(built.fee), Some(spent));
        let least = price.fee_rate.fee_for_weight(signed_weight(&built)).unwrap();
        let most = price.fee(built.inputs.len(), Outputs::default().with(34)).to_sat();
        let most = most + 13 * price.fee_rate.to_sat_per_kwu() * 172 / 1_000 + 13;
        let most = most + price.change_min(&plan.change_script).to_sat();
        prop_assert!((least.to_sat()..=most).contains(&built.fee.to_sat()));
        prop_assert!(built.inputs.starts_with(&forced));
        let distinct: BTreeSet<_> = built.inputs.iter().collect();
        prop_assert_eq!(distinct.len(), built.inputs.len());
        for (wanted, vout) in wanted.iter().zip(&built.vouts) {
            let output = &built.transaction.output[*vout as usize];
            prop_assert_eq!(output.value.to_sat(), wanted.amount.to_sat());
            prop_assert_eq!(output.script_pubkey.as_bytes(), &wanted.script);
        }
        if let Some((vout, value)) = built.change {
            let output = &built.transaction.output[vout as usize];
            prop_assert_eq!(output.value.to_sat(), value.to_sat());
            prop_assert_eq!(&output.script_pubkey, &plan.change_script);
            prop_assert!(value >= price.change_min(&plan.change_script));
        }
    }
}
