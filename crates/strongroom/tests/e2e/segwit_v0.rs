//! A house whose coins are segwit v0: the signer is shown the transaction behind each of them.

use strongroom::house::DescriptorKind;

use crate::support::{Stage, number, story::account};

#[test]
fn a_house_of_segwit_v0_coins_pays_from_deposits_and_from_change() {
    let stage = Stage::of(DescriptorKind::WitnessKeyHash);
    stage.wait_until_ready().unwrap();
    let alice = stage.customer_with("alice", 60_000_000);
    stage.fund(&alice, 50_000_000);
    assert!(alice.address.script_pubkey().is_p2wpkh());
    // More than one coin holds, and then what came back as change.
    let (first, to) = stage.withdraw(&alice, 80_000_000);
    stage.settle(&alice, &first);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [80_000_000]);
    let (second, to) = stage.withdraw(&alice, 20_000_000);
    stage.settle(&alice, &second);
    assert_eq!(stage.paid_by_script()[&to.script_pubkey()], [20_000_000]);
    let after = account(&alice);
    assert_eq!(number(&after, "total_sat"), 10_000_000 - 4_000, "{after:#}");
    stage.finish();
}
