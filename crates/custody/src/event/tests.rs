//! Events are API: their schemas, their bytes, and that none is ever applied where it cannot
//! follow.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "tests; expect-test writes the hashes"
)]

use std::collections::{BTreeMap, BTreeSet};

use access::{ApiKey, Principal, Scopes};
use expect_test::{expect, expect_file};
use primitives::{
    AccountId, BlockHash, BlockHeight, Confirmations, FeeRate, Sats, Seconds, from_hex, to_hex,
};

use super::*;
use crate::{
    Custody,
    house::{House, params},
    withdrawal::Rule,
};

#[test]
fn schemas_are_those_that_were_published() {
    expect_file!["../../schemas/events.txt"].assert_eq(&Event::schemas());
}

#[test]
fn kinds_are_numbered_once() {
    let numbers: BTreeSet<_> =
        Event::KINDS.iter().map(|(kind, version, _)| (kind, version)).collect();
    assert_eq!(numbers.len(), Event::KINDS.len());
}

fn sats(sats: u64) -> Sats {
    Sats::parse(sats).unwrap()
}

fn account() -> AccountId {
    AccountId::from_number(7).unwrap()
}

fn outpoint(number: u8) -> Outpoint {
    Outpoint { txid: Txid([number; 32]), vout: u32::from(number) }
}

fn withdrawal() -> WithdrawalId {
    WithdrawalId::new(account(), [0x77; 32])
}

fn key() -> ApiKey {
    // Source: RFC 8032, section 7.1, test 1. Published: never use it.
    let id = "key_d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let principal = Principal::Account(account());
    let expires = Some(Timestamp::parse_seconds(1_900_000_000).unwrap());
    ApiKey::issue(id.parse().unwrap(), principal, Scopes::allowed_for(principal), at(), expires)
        .unwrap()
}

fn at() -> Timestamp {
    Timestamp::parse_seconds(1_800_000_000).unwrap()
}

fn our_transaction() -> OurTransaction {
    OurTransaction {
        txid: Txid([0x44; 32]),
        spends: vec![outpoint(1)],
        receipts: vec![
            Receipt { vout: 0, value: sats(5), watched: Watched::External(3) },
            Receipt { vout: 2, value: sats(6), watched: Watched::Internal(4) },
        ],
        inputs: vec![outpoint(1), outpoint(2)],
        coinbase: false,
    }
}

fn block() -> BlockRef {
    BlockRef { height: BlockHeight(840_000), hash: BlockHash([0x55; 32]) }
}

/// One event of each kind with fixed content, and of each variant of what they hold. What stands
/// here was released: add, and change nothing.
fn one_of_each() -> Vec<Event> {
    let (deposit, by, batch) = (outpoint(9), OperatorId(3), BatchId(12));
    let until = at().saturating_add(Seconds(60));
    let rule = Rule::AmountCoolDown;
    let mut events = chain_events(deposit);
    events.extend([
        Configured { params: params_of_then(), lookahead: vec![vec![0x51, 0x20], vec![]] }.into(),
        AccountOpened {
            account: account(),
            idempotency: Some(Idempotency { key: [0xaa; 32], fingerprint: [0xbb; 32] }),
        }
        .into(),
        KeyRegistered { key: key() }.into(),
        KeyRevoked { key: key().id }.into(),
        AddressAssigned { account: account(), index: 5, lookahead: vec![0x51], idempotency: None }
            .into(),
        AccountFrozen { account: account(), by: OperatorId(0) }.into(),
        AccountThawed { account: account(), by }.into(),
        WithdrawalRequested {
            intent: b"SRP1 and so on".to_vec(),
            key: Some(key().id),
            signature: Some([0x66; 64]),
            verdict: Verdict::Allow { releases_at: at() },
        }
        .into(),
        WithdrawalJudged { withdrawal: withdrawal(), verdict: Verdict::Delay { until, rule } }
            .into(),
        WithdrawalJudged {
            withdrawal: withdrawal(),
            verdict: Verdict::Review { rule: Rule::AmountReview },
        }
        .into(),
        WithdrawalJudged {
            withdrawal: withdrawal(),
            verdict: Verdict::Refuse { rule: Rule::IntentExpired },
        }
        .into(),
        WithdrawalApproved { withdrawal: withdrawal(), by, releases_at: Some(until) }.into(),
        WithdrawalDenied { withdrawal: withdrawal(), by }.into(),
        WithdrawalCancelled { withdrawal: withdrawal() }.into(),
        BatchRefused { batch, tag: RefusalTag::Tranche, releases_at: until }.into(),
        BatchSigned { batch, transaction: vec![2, 0, 0, 0] }.into(),
        BatchBroadcast { batch }.into(),
        BatchSettled { batch }.into(),
        BatchFailed { batch, dead: vec![outpoint(1)], releases_at: until }.into(),
        WithdrawalFailed { withdrawal: withdrawal() }.into(),
        RefusalRecorded {
            key: None,
            command: "open-account".to_owned(),
            rule: "not-configured".to_owned(),
        }
        .into(),
        SnapshotTaken { seq: 41, state_version: 3, digest: [0x5d; 32] }.into(),
    ]);
    events.extend(Stop::ALL.map(|stop| ReleasesStopped { stop }.into()));
    events.push(ReleasesResumed { stop: Stop::Drift, by }.into());
    events
}

fn chain_events(deposit: Outpoint) -> Vec<Event> {
    let (value, claim) = (sats(2_100), sats(7));
    let incidents = [
        Incident::DepositReversed { deposit, account: account(), value, claim },
        Incident::UnexplainedSpend { coin: outpoint(4), value, by: Txid([0x99; 32]) },
        Incident::DeepReorg { depth: 6 },
        Incident::BatchFailed { txid: Txid([0x98; 32]) },
    ];
    let change = Change { vout: 1, index: 8, script: vec![0x51, 0x20, 0x01], value: sats(31) };
    let transfer = CustomerTransfer {
        from: account(),
        to: AccountId::from_number(8).unwrap(),
        amount: sats(1),
    };
    let mut events = vec![
        TransactionSeen { transaction: our_transaction() }.into(),
        TransactionForgotten { txid: Txid([0x44; 32]) }.into(),
        BlockConnected {
            block: block(),
            work: [0x77; 32],
            transactions: vec![OurTransaction { coinbase: true, ..our_transaction() }],
            conflicts: vec![Txid([0x46; 32])],
        }
        .into(),
        BlockDisconnected { block: block() }.into(),
        DepositCredited { deposit, required: Confirmations(6), repaid: sats(1) }.into(),
        DepositMatured { deposit }.into(),
        DepositReversed {
            deposit,
            cancelled: vec![withdrawal()],
            from_available: sats(2_093),
            claim,
        }
        .into(),
        BatchBuilt {
            batch: BatchId(12),
            transaction: vec![1, 2, 3],
            txid: Txid([0x43; 32]),
            inputs: vec![outpoint(1), outpoint(2)],
            payouts: vec![Payout { withdrawal: withdrawal(), vout: 0 }],
            change: Some(change),
            fee: sats(210),
            fee_rate: FeeRate::from_sat_per_kwu(1_000),
        }
        .into(),
        TransfersSettled {
            settlement: [0x12; 16],
            fingerprint: [0x13; 32],
            key: key().id,
            transfers: vec![transfer],
        }
        .into(),
    ];
    events.extend(incidents.map(|incident| IncidentOpened { incident }.into()));
    events
}

/// The parameters of the golden file; tests elsewhere may change theirs.
fn params_of_then() -> Params {
    let confirmations = crate::deposit::finality::ConfirmationTable::new(
        &crate::deposit::finality::FinalityModel {
            attacker_permille: 100,
            accepted_loss: sats(1_000_000),
            majority_permille: 1_250,
            block_reward: sats(312_500_000),
            floor: 196,
        },
    );
    Params { confirmations, descriptor: "tr(…/<0;1>/*)".to_owned(), start: block(), ..params() }
}

/// A journal of the first release: what it says must be read for ever. A row is kind, version,
/// name and body; to add rows for new kinds, run with `UPDATE_EXPECT=1` and look at the diff.
#[test]
fn the_golden_journal_is_read_as_it_was_written() {
    let row = |event: &Event| {
        let (kind, version) = event.kind();
        format!("{kind} {version} {} {}\n", event.name(), to_hex(&event.encode().unwrap()))
    };
    let events = one_of_each();
    let names: BTreeSet<_> = events.iter().map(Event::name).collect();
    assert_eq!(names.len(), Event::KINDS.len(), "an event of each kind");
    let written: String = events.iter().map(row).collect();
    expect_file!["../../tests/golden/events-v1.txt"].assert_eq(&written);
    let golden = include_str!("../../tests/golden/events-v1.txt");
    for (line, event) in golden.lines().zip(&events) {
        let [kind, version, _, body] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let body: Vec<u8> = body
            .as_bytes()
            .chunks(2)
            .map(|pair| from_hex::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0])
            .collect();
        let read = Event::decode(kind.parse().unwrap(), version.parse().unwrap(), &body).unwrap();
        assert_eq!(read, *event);
        assert_eq!(read.encode().unwrap(), body);
        // A byte more or less is no event.
        let (kind, version) = event.kind();
        assert!(Event::decode(kind, version, &[&body[..], &[0]].concat()).is_err());
        assert!(body.is_empty() || Event::decode(kind, version, &body[..body.len() - 1]).is_err());
    }
}

#[test]
fn an_unknown_kind_or_version_is_named() {
    let error = |kind, version| Event::decode(kind, version, &[]).unwrap_err().to_string() + "\n";
    expect![[r#"
        event kind 33 version 1 is not known; run the release that wrote the journal, or a newer one
        event kind 1 version 2 is not known; run the release that wrote the journal, or a newer one
        the body of event BatchSettled is damaged
    "#]]
    .assert_eq(&[error(33, 1), error(1, 2), error(24, 1)].concat());
}

#[test]
fn what_has_happened_cannot_happen_again_at_once() {
    let house = House::with_everything();
    let mut state = Custody::default();
    let mut reasons: BTreeMap<(u16, &str), BTreeSet<String>> = BTreeMap::new();
    for (at, event) in &house.journal {
        state.apply(*at, event).unwrap();
        let again = state.clone().apply(*at, event);
        let reason = match again {
            Ok(()) => "may follow itself".to_owned(),
            Err(corrupt) => shortened(&corrupt.reason),
        };
        reasons.entry((event.kind().0, event.name())).or_default().insert(reason);
    }
    assert_eq!(reasons.len(), Event::KINDS.len(), "the house has every kind of event");
    let rows = reasons.into_iter().map(|((kind, name), reasons)| {
        let reasons: Vec<_> = reasons.into_iter().collect();
        format!("{kind} {name}: {}\n", reasons.join(" | "))
    });
    expect![[r#"
        1 Configured: may follow itself | these parameters belong to another installation
        2 AccountOpened: … is not the next account
        3 KeyRegistered: … is registered already
        4 KeyRevoked: … is revoked already
        5 AddressAssigned: address # is not the next one
        6 AccountFrozen: account … is frozen already
        7 AccountThawed: account … is not frozen
        8 TransactionSeen: nothing of … is new
        9 TransactionForgotten: nothing of … was waiting
        10 BlockConnected: block # … does not follow # …
        11 BlockDisconnected: block # … is not the tip # …
        12 DepositCredited: deposit … is credited
        13 DepositMatured: deposit … is credited
        14 DepositReversed: deposit … is orphaned
        15 WithdrawalRequested: … was requested before
        16 WithdrawalJudged: … is in-review, nothing judges it
        17 WithdrawalApproved: … is queued, not in review | … was approved by operator # before
        18 WithdrawalDenied: … is rejected, not in review
        19 WithdrawalCancelled: … is cancelled, it cannot end unpaid
        20 BatchBuilt: … does not follow batch number #
        21 BatchRefused: … is dissolved
        22 BatchSigned: … is signed
        23 BatchBroadcast: … is broadcast
        24 BatchSettled: … is final, not confirmed
        25 BatchFailed: … is failed
        26 TransfersSettled: this settlement was posted before
        27 ReleasesStopped: operator is in force already | unexplained-spend is in force already
        28 ReleasesResumed: operator is not in force | unexplained-spend is not in force
        29 IncidentOpened: may follow itself
        30 RefusalRecorded: may follow itself
        31 WithdrawalFailed: … is failed, it cannot fail
        32 SnapshotTaken: may follow itself
    "#]]
    .assert_eq(&rows.collect::<String>());
}

/// Ids are long, and stand in other tests.
fn shortened(text: &str) -> String {
    let number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let short = |word| match word {
        word if number(word) => "#",
        word if word.len() > 20 => "…",
        word => word,
    };
    let words = text.split(' ').map(short);
    words.collect::<Vec<_>>().join(" ")
}

/// Every event of one journal in every state of that journal: it folds or is found out, never a
/// panic, and where it folds the state is sound.
#[test]
fn an_event_in_a_state_where_it_cannot_follow_is_corrupt_history() {
    let house = House::with_everything();
    let mut state = Custody::default();
    let mut unsound: BTreeMap<&str, String> = BTreeMap::new();
    let mut corrupt = 0_u32;
    for (at, event) in &house.journal {
        for (_, other) in &house.journal {
            let mut state = state.clone();
            match state.apply(*at, other) {
                Err(found) => {
                    assert_eq!(found.event, other.name());
                    assert_eq!(found.seq, state.seq());
                    corrupt += 1;
                }
                Ok(()) => {
                    if let Err(broken) = state.check_invariants() {
                        unsound.entry(other.name()).or_insert(shortened(&broken.to_string()));
                    }
                }
            }
        }
        state.apply(*at, event).unwrap();
    }
    assert!(corrupt > 1_000);
    assert!(unsound.is_empty(), "{unsound:#?}");
}
