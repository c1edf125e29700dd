//! Mempool and fees on a real node.

use bitcoin::Txid;
use chain::{
    fees::{FeeBasis, FeeLimits, TargetBlocks, estimate},
    mempool::{Mempool, MempoolDelta, MempoolLimits},
};
use primitives::{FeeRate, Sats};

use crate::support::real_node::{start, start_with_coins};

fn ids(delta: &MempoolDelta) -> (Vec<Txid>, Vec<Txid>) {
    let added = delta.added.iter().map(|transaction| transaction.compute_txid());
    (added.collect(), delta.removed.clone())
}

#[test]
fn a_replacement_goes_in_and_what_it_replaces_goes_out() {
    let real = start_with_coins();
    let (node, mut client) = (&real.node, real.node.node());
    let mut mempool = Mempool::new(node.node(), MempoolLimits::default());
    assert_eq!(mempool.poll().unwrap(), MempoolDelta::default());

    let (outpoint, value) = node.coins().unwrap()[0];
    let pay = |fee: u64| {
        let rest = value.checked_sub(Sats::parse(fee).unwrap()).unwrap();
        node.spend(&[outpoint], &[(node.fresh_address().unwrap(), rest)]).unwrap()
    };
    let (cheap, dear) = (pay(1000), pay(9000));
    client.send(&cheap).unwrap();
    assert_eq!(ids(&mempool.poll().unwrap()), (vec![cheap.compute_txid()], vec![]));
    assert_eq!(mempool.poll().unwrap(), MempoolDelta::default());

    client.send(&dear).unwrap();
    let replaced = (vec![dear.compute_txid()], vec![cheap.compute_txid()]);
    assert_eq!(ids(&mempool.poll().unwrap()), replaced);

    node.mine(1).unwrap();
    assert_eq!(ids(&mempool.poll().unwrap()), (vec![], vec![dear.compute_txid()]));
}

#[test]
fn a_payment_of_the_wallet_is_in_the_mempool_when_send_returns() {
    let real = start_with_coins();
    let mut mempool = Mempool::new(real.node.node(), MempoolLimits::default());
    let address = real.node.fresh_address().unwrap();
    let txid = real.node.send_to(&address, Sats::parse(12_345).unwrap()).unwrap();
    let delta = mempool.poll().unwrap();
    assert_eq!(ids(&delta).0, [txid]);
    let pays = |out: &bitcoin::TxOut| out.script_pubkey == address.script_pubkey();
    assert_eq!(delta.added[0].output.iter().find(|o| pays(o)).unwrap().value.to_sat(), 12_345);
}

#[test]
fn limits_leave_the_rest_for_later_polls_and_a_fault_loses_nothing() {
    let mut real = start_with_coins();
    let address = real.node.fresh_address().unwrap();
    for _ in 0..4 {
        real.node.send_to(&address, Sats::parse(50_000).unwrap()).unwrap();
    }
    let limits = MempoolLimits { known_max: 3, added_max: 2 };
    let mut mempool = Mempool::new(real.node.node(), limits);
    let first = mempool.poll().unwrap();
    assert_eq!((first.added.len(), first.left_out), (2, 2));
    real.node.stop().unwrap();
    assert!(mempool.poll().unwrap_err().is_transient());
    real.node.restart().unwrap();
    for first in &first.added {
        real.node.wait_for_mempool(first.compute_txid()).unwrap();
    }
    let second = mempool.poll().unwrap();
    assert_eq!((second.added.len(), second.removed.len()), (1, 0));
    assert!(!first.added.contains(&second.added[0]));
    assert_eq!(mempool.poll().unwrap().added.len(), 0);
}

#[test]
fn without_an_estimate_the_floor_is_paid_and_called_a_guess() {
    let real = start();
    let mut node = real.node.node();
    let rate = |sat_per_vb| FeeRate::from_sat_per_vb(sat_per_vb).unwrap();
    let target = TargetBlocks::parse(6).unwrap();
    let fee = estimate(&mut node, target, FeeLimits::parse(rate(3), rate(100)).unwrap()).unwrap();
    assert_eq!((fee.rate, fee.basis, fee.estimated), (rate(3), FeeBasis::Floor, None));
    assert!(fee.is_guess() && fee.is_relayed());
    assert_eq!(fee.mempool_minimum, rate(1));

    let low = FeeLimits::parse(FeeRate::from_sat_per_kwu(1), rate(100)).unwrap();
    let fee = estimate(&mut node, target, low).unwrap();
    assert_eq!((fee.rate, fee.basis), (rate(1), FeeBasis::MempoolMinimum));
}
