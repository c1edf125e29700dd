//! One row for each refusal, as a command really meets it; and the ladders, rung by rung.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "tests; expect-test writes the hashes"
)]

use std::sync::Arc;

use access::{Principal, Scope, Scopes};
use bitcoin::consensus::encode;
use ed25519_dalek::SigningKey;
use expect_test::expect;
use primitives::{AccountId, BatchId, DeploymentId, FeeRate, KeyId, Sats, WithdrawalId};
use signer_protocol::RefusalTag;

use super::Refusal;
use crate::{
    Command, Params, STATE_VERSION, WithdrawalRequest,
    event::SnapshotTaken,
    house::{Ask, Customer, House, assembly, btc, cents, params, sats, stranger},
    idempotency::Idempotency,
    incident::Stop,
    payout::Assembly,
    withdrawal::OperatorId,
};

const BY: OperatorId = OperatorId(1);

/// A house with alice, who has 2 BTC.
fn house() -> (House, Customer) {
    let mut house = House::new();
    let alice = house.a_customer("alice");
    house.fund(&alice, btc(2));
    (house, alice)
}

/// The same with a batch that the signer has not answered.
fn built() -> (House, BatchId) {
    let (mut house, alice) = house();
    house.withdraw(&alice, btc(1));
    house.pass(600);
    let batch = house.assemble();
    (house, batch)
}

fn no(mut house: House, command: Command) -> Refusal {
    house.execute(&command).unwrap_err()
}

fn configure(house: House, change: impl FnOnce(&mut Params)) -> Refusal {
    let mut params = params();
    change(&mut params);
    no(house, Command::Configure { params: Box::new(params) })
}

fn asked(change: impl FnOnce(&mut Ask)) -> Refusal {
    let (mut house, alice) = house();
    let mut ask = Ask::of(&mut house, &alice, btc(1));
    change(&mut ask);
    let command = house.requesting(&alice, &ask);
    no(house, command)
}

fn assembling(house: House, change: impl FnOnce(&mut Assembly)) -> Refusal {
    let mut assembly = assembly();
    change(&mut assembly);
    no(house, Command::AssembleBatch { assembly })
}

fn register(key: KeyId, expires: Option<primitives::Timestamp>) -> Command {
    let scopes = Scopes::allowed_for(Principal::Service);
    Command::RegisterKey { key, principal: Principal::Service, scopes, expires }
}

fn accounts_and_keys() -> Vec<Refusal> {
    let nobody = AccountId::from_u64(99);
    let idempotency = |fingerprint| Idempotency { key: [1; 32], fingerprint: [fingerprint; 32] };
    let open = |fingerprint| Command::OpenAccount { idempotency: Some(idempotency(fingerprint)) };
    let mut reused = House::new();
    reused.ok(open(1));
    let (mut frozen, alice) = house();
    frozen.ok(Command::FreezeAccount { account: alice.account, by: BY });
    let ask = Ask::of(&mut frozen, &alice, btc(1));
    let ask = frozen.requesting(&alice, &ask);
    let (thawed, _) = house();
    let (mut exhausted, _) = house();
    exhausted.configure(|params| params.gap_external = u32::MAX);
    exhausted.state.next_address = (1 << 31) - 20;
    let address = Command::AssignAddress { asked: exhausted.signed(&alice.key, Scope::Read, None) };
    let (mut too_far, _) = house();
    too_far.configure(|params| params.gap_external = 1);
    let beyond = Command::AssignAddress { asked: too_far.signed(&alice.key, Scope::Read, None) };
    let (mut enough, _) = house();
    for _ in 1..crate::account::ADDRESSES_MAX {
        enough.address(&alice);
    }
    let one_more = Command::AssignAddress { asked: enough.signed(&alice.key, Scope::Read, None) };
    let (known, _) = house();
    let key = KeyId(alice.key.verifying_key().to_bytes());
    let (mut revoked, _) = house();
    let late = Command::AssignAddress { asked: revoked.signed(&alice.key, Scope::Read, None) };
    revoked.ok(Command::RevokeKey { key });
    vec![
        no(House::unconfigured(), Command::OpenAccount { idempotency: None }),
        configure(House::new(), |params| params.final_confirmations = 0),
        configure(House::unconfigured(), |params| params.descriptor = "tr(".to_owned()),
        configure(House::new(), |params| params.deployment = DeploymentId([0x22; 32])),
        no(reused, open(2)),
        no(House::new(), Command::FreezeAccount { account: nobody, by: BY }),
        no(frozen, ask),
        no(thawed, Command::ThawAccount { account: alice.account, by: BY }),
        no(exhausted, address),
        no(enough, one_more),
        no(too_far, beyond),
        no(known, register(key, None)),
        no(House::new(), register(KeyId([0; 32]), None)),
        no(revoked, late),
        no(House::new(), Command::RevokeKey { key: KeyId([7; 32]) }),
    ]
}

fn requests() -> Vec<Refusal> {
    let (mut reading, alice) = house();
    let reader = SigningKey::from_bytes(&[0x77; 32]);
    let scopes = Scopes::NONE.with(Scope::Read);
    reading.register(&reader, Principal::Account(alice.account), scopes, None);
    let ask = Ask::of(&mut reading, &alice, btc(1)).request();
    let read_only = Command::RequestWithdrawal { asked: reading.signed(&reader, Scope::Read, ask) };
    let (mut strange, _) = house();
    let bob = strange.a_customer("bob");
    let ask = Ask::of(&mut strange, &alice, btc(1));
    let foreign = strange.requesting(&bob, &ask);
    let (mut maturing, _) = house();
    let payment = maturing.payment(&alice, btc(1));
    maturing.block(&[payment]);
    maturing.block(&[]);
    let ask = Ask::of(&mut maturing, &alice, cents(250));
    let too_fresh = maturing.requesting(&alice, &ask);
    let begin = crate::house::BEGIN;
    vec![
        no(reading, read_only),
        no(strange, foreign),
        WithdrawalRequest::parse(b"SRP1".to_vec(), None).unwrap_err(),
        asked(|ask| ask.intent.deployment = DeploymentId([0x22; 32])),
        asked(|ask| ask.intent.not_after = begin),
        asked(|ask| ask.intent.not_after = begin + 72 * 3600 + 1),
        asked(|ask| ask.signed_by = Some(SigningKey::from_bytes(&[0x55; 32]))),
        asked(|ask| ask.intent.script = vec![0x6a, 0x01, 0x00]),
        asked(|ask| ask.intent.amount = sats(4_999)),
        asked(|ask| ask.intent.fee = sats(999)),
        asked(|ask| ask.intent.fee = sats(50_001)),
        asked(|ask| ask.intent.amount = btc(2)),
        no(maturing, too_fresh),
    ]
}

fn withdrawals() -> Vec<Refusal> {
    let unknown = WithdrawalId::new(AccountId::from_u64(1), [9; 32]);
    let (mut queued, alice) = house();
    let id = queued.withdraw(&alice, btc(1));
    let mut reviewed = House::with(|params| {
        params.cool_down_from = Sats::MAX;
        params.review_from = btc(1);
    });
    let alice = reviewed.a_customer("alice");
    reviewed.fund(&alice, btc(2));
    let in_review = reviewed.withdraw(&alice, btc(1));
    let approve = Command::ApproveWithdrawal { withdrawal: in_review, by: BY };
    reviewed.ok(approve);
    vec![
        no(House::new(), Command::DenyWithdrawal { withdrawal: unknown, by: BY }),
        no(queued, Command::ApproveWithdrawal { withdrawal: id, by: BY }),
        no(reviewed, Command::ApproveWithdrawal { withdrawal: in_review, by: BY }),
    ]
}

/// What is said instead of asking the signer for bob's payout out of alice's coin, whose block was
/// replaced.
fn coin_gone() -> Refusal {
    let mut house = House::new();
    let (bob, alice) = (house.a_customer("bob"), house.a_customer("alice"));
    house.fund(&bob, btc(2));
    house.fund(&alice, btc(3));
    house.withdraw(&bob, btc(1));
    house.pass(600);
    let batch = house.assemble();
    house.rewind(3);
    house.state.sign_request(batch, 0, &mut |_| None).unwrap_err()
}

fn batches() -> Vec<Refusal> {
    let mut stopped = House::new();
    stopped.ok(Command::StopReleases { stop: Stop::Operator });
    let (under_way, _) = built();
    let (mut ready, alice) = house();
    ready.withdraw(&alice, btc(1));
    ready.pass(600);
    let (dissolved, id) = built();
    let (mut altered, batch) = built();
    let other = altered.pay(&[]);
    let transaction = encode::serialize(&other);
    let (halted, under_halt) = built();
    vec![
        assembling(stopped, |_| ()),
        no(House::new(), Command::ResumeReleases { stop: Stop::Operator, by: BY }),
        assembling(under_way, |_| ()),
        assembling(House::new(), |_| ()),
        assembling(ready, |assembly| assembly.signer_left = sats(1)),
        assembling(House::new(), |assembly| assembly.fee_rate = FeeRate::from_sat_per_kwu(12_501)),
        no(House::new(), Command::RecordBroadcast { batch: BatchId(7) }),
        no(dissolved, Command::RecordBroadcast { batch: id }),
        coin_gone(),
        no(altered, Command::RecordSigned { batch, transaction }),
        no(halted, Command::RecordRefused { batch: under_halt, tag: RefusalTag::Halted }),
    ]
}

fn saved(change: impl FnOnce(&mut SnapshotTaken)) -> Command {
    let mut taken = SnapshotTaken { seq: 1, state_version: STATE_VERSION, digest: [0x5d; 32] };
    change(&mut taken);
    Command::RecordSnapshot { taken }
}

fn blocks_and_settlements() -> Vec<Refusal> {
    let mut ahead = House::new();
    let (mut at, block) = ahead.next_block(&[]);
    at.height.0 += 1;
    let skipping = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
    let (mut twice, alice) = house();
    let coin = twice.fund(&alice, btc(1));
    let thefts = [1, 2].map(|to| House::spending(&[coin], &[(stranger(to), btc(1))]));
    let (at, block) = twice.next_block(&thefts);
    let spending_twice = Command::ConnectBlock { at, work: [0; 32], block: Arc::new(block) };
    let mut below = House::new();
    below.blocks(2);
    let first = below.chain[0].0;
    let start = House::new();
    let tip = start.tip();
    let (mut reused, alice) = house();
    let bob = reused.a_customer("bob");
    reused.settle(1, &alice, &bob, cents(1));
    let altered = reused.settling(1, &[(&alice, &bob, cents(2))]);
    let (empty, _) = house();
    let nothing = empty.settling(1, &[]);
    let (overdrawn, _) = house();
    let whole = overdrawn.settling(1, &[(&alice, &alice, cents(1))]);
    vec![
        no(ahead, skipping),
        no(twice, spending_twice),
        no(below, Command::DisconnectBlock { block: first }),
        no(start, Command::DisconnectBlock { block: tip }),
        no(reused, altered),
        no(empty, nothing),
        no(overdrawn, whole),
        no(House::new(), saved(|taken| taken.seq = 99)),
    ]
}

#[test]
fn every_refusal_is_met_by_a_command_and_says_what_to_do() {
    let all: Vec<Refusal> =
        [accounts_and_keys(), requests(), withdrawals(), batches(), blocks_and_settlements()]
            .into_iter()
            .flatten()
            .collect();
    let of = |id: &&str| all.iter().find(|refusal| refusal.id() == *id);
    let missing: Vec<_> = Refusal::IDS.iter().filter(|id| of(id).is_none()).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    assert_eq!(all.len(), Refusal::IDS.len());
    let rows: String = Refusal::IDS.iter().filter_map(of).map(row).collect();
    expect![[r#"
        409 not-configured: nothing is configured; the first command of a journal sets the parameters
        422 parameters-wrong: final_confirmations is at least 1
        409 another-installation: network, deployment, descriptor and start block belong to the journal; this one was begun with others
        422 descriptor-wrong: the hot descriptor cannot be used: `(` (position 2) not closed
        404 account-unknown: no account acct_0000000000000063
        409 account-not-frozen: account acct_0000000000001001 is not frozen
        409 key-known: key key_8a88e… is registered already; a key serves one principal, once
        422 key-unusable: key-weak: key_00000… has a part of small order; generate a new key pair
        404 key-unknown: no key key_07070…
        404 withdrawal-unknown: no withdrawal wd_001090…
        403 scope-missing: this key lacks the scope `withdraw`
        403 not-your-account: the signing key does not belong to acct_0000000000001001
        403 key-revoked: key key_8a88e… is revoked or has ended; use another key
        422 idempotency-key-reused: this idempotency key was used before with another request; take a new key
        409 numbers-exhausted: the numbers of addresses are used up
        409 addresses-enough: acct_0000000000001001 has 1000 deposit addresses, the most that one account may have; use one of these again
        409 address-gap: the next address is number 1, and the signer spends none from 1 on; widen gap.external in signer.toml, restart both, or have older addresses paid and spent first
        422 intent-unreadable: the payout intent cannot be read: a payout intent with a script of 1 bytes has 88 bytes, found 4
        422 intent-elsewhere: the payout intent is for another network or deployment
        422 intent-expired: the payout intent ended at 2026-09-21T14:13:20.000Z, it is 2026-09-21T14:13:20.000Z; sign a new one
        422 intent-too-long: the payout intent ends at 2026-09-24T14:13:21.000Z, more than 72 hours after 2026-09-21T14:13:20.000Z
        422 amount-below-minimum: 4999 sat is below the smallest withdrawal of 5000 sat
        422 fee-below-quote: the intent offers a fee of 999 sat, a withdrawal costs 1000 sat; sign a new intent
        422 fee-above-maximum: the intent offers a fee of 50001 sat, at most 50000 sat is taken; sign a new intent
        422 destination-script: the script is no standard payment script (P2PKH, P2SH, P2WPKH, P2WSH, P2TR)
        403 intent-signature: the signature over the payout intent does not verify with the key of the request
        409 withdrawal-state: withdrawal wd_0018e6… is queued; approving is not possible any more
        403 account-frozen: account acct_0000000000001001 is frozen; an operator thaws it
        409 already-approved: operator 1 has already approved wd_0018e6… review needs different people
        422 funds-insufficient: 200001000 sat asked, 200000000 sat available
        422 funds-maturing: 250001000 sat asked, 200000000 sat may be withdrawn now; the rest waits for confirmations
        409 not-stopped: releases are not stopped by: operator
        409 releases-stopped: releases are stopped: operator
        409 batch-under-way: batch_0000000000000001 is not signed yet; one batch at a time
        409 fee-rate-above-maximum: a fee rate of 12501 sat/kwu is above the maximum of 12500 sat/kwu
        409 nothing-to-pay: no withdrawal is ready to be paid
        409 coins-insufficient: 100000000 sat and the network's fee do not fit into the 1 sat that hot coins and signer allow now; replenish the hot tier, or wait for confirmations or for the signer's limit
        404 batch-unknown: no batch batch_0000000000000007
        409 coin-gone: batch_0000000000000001 spends 49e55e0da9c4dd1398482af15864d3b28402183b1eb220e6df29a87cd46f1dad:0, which the chain does not have now; it waits until a block carries the coin again, or until people freeze and book the difference
        422 batch-altered: the signer returned another transaction than batch_0000000000000001: it pays something else
        409 batch-state: batch_0000000000000001 is built; broadcasting is not possible
        409 batch-may-be-signed: signer-halted does not prove that batch_0000000000000001 was never signed; it stays as it is
        409 block-not-next: block 102 (96d860d9… does not continue 100 (00000000…
        409 block-impossible: block 107 (1819b997… cannot be: a73e2196effb8610e867b1f3b22c678558f79ad6cbcf671d5d29c91bcca39ecf spends coin 40ea35d7306a24e2aee6958a216a6fd0f4a106ea05f824324b19e696be936813:0, which is spent already; the node is damaged or lies: compare its chain with another node's
        409 block-not-tip: block 101 (96d860d9… is not the tip 102 (c8f39c77…
        409 reorg-too-deep: the chain was replaced below 100 (00000000… deeper than 100 blocks; people must decide: see the runbook `deep-reorg`
        422 settlement-size: a settlement has 1 to 10000 transfers, found 0
        422 settlement-reused: this settlement id was used before with another content
        422 settlement-transfer: transfer 0 of the settlement: ledger-same-account: 1000000 sat would go from 1/credit-1/4097 to itself; name two different accounts; nothing of it was posted
        409 snapshot-impossible: the state after entry 99 cannot have been saved in version 4: the journal has 2 entries, and this release writes version 4
    "#]].assert_eq(&rows);
}

/// Keys and ids are long and stand in other tests.
fn row(refusal: &Refusal) -> String {
    let words = refusal.to_string();
    let short = words.split(' ').map(|word| {
        let id = word.starts_with("key_") || word.starts_with("wd_") || word.starts_with('(');
        if id && word.len() > 16 { format!("{}…", &word[..9]) } else { word.to_owned() }
    });
    let text = short.collect::<Vec<_>>().join(" ");
    format!("{} {}: {text}\n", refusal.status(), refusal.id())
}

/// The page of refusals states the status of each.
#[test]
fn the_page_of_refusals_has_the_status_of_every_refusal() {
    let page = include_str!("../../../../docs/reference/refusals.md");
    let all = [accounts_and_keys(), requests(), withdrawals(), batches(), blocks_and_settlements()];
    for refusal in all.iter().flatten() {
        let row = format!("| `{}` | {} |", refusal.id(), refusal.status());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn ids_are_kebab_case_and_distinct() {
    let kebab = |id: &&&str| id.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    assert_eq!(Refusal::IDS.iter().filter(kebab).count(), Refusal::IDS.len());
    let distinct: std::collections::BTreeSet<_> = Refusal::IDS.iter().collect();
    assert_eq!(distinct.len(), Refusal::IDS.len());
}

/// A request that is wrong in every way, and what it is refused for as its faults are cured one
/// after the other.
#[test]
fn the_ladder_of_a_withdrawal_request() {
    let mut house = House::new();
    let (alice, bob) = (house.a_customer("alice"), house.a_customer("bob"));
    let reader = SigningKey::from_bytes(&[0x77; 32]);
    let read = Scopes::NONE.with(Scope::Read);
    house.register(&reader, Principal::Account(bob.account), read, None);
    house.ok(Command::FreezeAccount { account: alice.account, by: BY });
    let mut ask = Ask::of(&mut house, &alice, sats(1));
    ask.signed_by = Some(bob.key.clone());
    ask.intent.deployment = DeploymentId([0x22; 32]);
    ask.intent.not_after = 1;
    ask.intent.fee = Sats::ZERO;
    ask.intent.script = vec![0x6a];
    let mut ids = Vec::new();
    let request = house.signed(&reader, Scope::Read, ask.request());
    ids.push(house.refused(Command::RequestWithdrawal { asked: request }));
    let request = house.signed(&bob.key, Scope::Withdraw, ask.request());
    ids.push(house.refused(Command::RequestWithdrawal { asked: request }));
    let mut step = |house: &mut House, ask: &Ask| {
        let command = house.requesting(&alice, ask);
        ids.push(house.refused(command));
    };
    step(&mut house, &ask);
    ask.intent.deployment = params().deployment;
    step(&mut house, &ask);
    ask.intent.not_after = u64::from(u32::MAX);
    step(&mut house, &ask);
    ask.intent.not_after = crate::house::BEGIN + 3600;
    step(&mut house, &ask);
    ask.intent.amount = btc(2);
    step(&mut house, &ask);
    ask.intent.fee = sats(50_001);
    step(&mut house, &ask);
    ask.intent.fee = sats(1_000);
    step(&mut house, &ask);
    ask.intent.script = crate::house::stranger(1).to_bytes();
    step(&mut house, &ask);
    ask.signed_by = Some(alice.key.clone());
    step(&mut house, &ask);
    house.ok(Command::ThawAccount { account: alice.account, by: BY });
    step(&mut house, &ask);
    let payment = house.payment(&alice, btc(3));
    house.block(&[payment]);
    house.block(&[]);
    step(&mut house, &ask);
    house.block(&[]);
    house.ask(&alice, &ask);
    expect![[r#"
        scope-missing
        not-your-account
        intent-elsewhere
        intent-expired
        intent-too-long
        amount-below-minimum
        fee-below-quote
        fee-above-maximum
        destination-script
        intent-signature
        account-frozen
        funds-insufficient
        funds-maturing"#]]
    .assert_eq(&ids.join("\n"));
}

#[test]
fn a_snapshot_of_no_entry_of_entries_to_come_or_in_another_version_is_refused() {
    let house = House::new();
    let size = house.state.seq();
    let nonsense: [fn(&mut SnapshotTaken); 3] = [
        |taken| taken.seq = 0,
        |taken| taken.seq += 1,
        |taken| taken.state_version = STATE_VERSION + 1,
    ];
    for change in nonsense {
        let command = saved(|taken| {
            taken.seq = size;
            change(taken);
        });
        assert_eq!(no(House::new(), command).id(), "snapshot-impossible");
    }
    let mut house = house;
    house.ok(saved(|taken| taken.seq = size));
}

#[test]
fn the_ladder_of_a_batch() {
    let (mut house, alice) = house();
    let wrong = Assembly {
        fee_rate: FeeRate::from_sat_per_kwu(12_501),
        signer_left: sats(1),
        ..assembly()
    };
    let right_rate = Assembly { fee_rate: assembly().fee_rate, ..wrong };
    house.withdraw(&alice, cents(50));
    house.pass(600);
    let batch = house.assemble();
    house.ok(Command::StopReleases { stop: Stop::Drift });
    let mut ids = vec![house.refused(Command::AssembleBatch { assembly: wrong })];
    house.ok(Command::ResumeReleases { stop: Stop::Drift, by: BY });
    ids.push(house.refused(Command::AssembleBatch { assembly: wrong }));
    house.refuse(batch);
    ids.push(house.refused(Command::AssembleBatch { assembly: wrong }));
    ids.push(house.refused(Command::AssembleBatch { assembly: right_rate }));
    house.pass(60);
    ids.push(house.refused(Command::AssembleBatch { assembly: right_rate }));
    house.assemble();
    expect![[r#"
        releases-stopped
        batch-under-way
        fee-rate-above-maximum
        nothing-to-pay
        coins-insufficient"#]]
    .assert_eq(&ids.join("\n"));
}
