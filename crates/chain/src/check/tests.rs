#![allow(clippy::arithmetic_side_effects, reason = "small made-up numbers")]

use bitcoin::{Block, CompactTarget, Network, block::Header, consensus::deserialize, hashes::Hash};
use primitives::{BlockHash, BlockHeight, BlockRef};

use super::{ChainWork, Refusal, Rules, Window, body};
use crate::{
    made_up::{self, mine},
    node::our_hash,
};

const BLOCK_169482: &[u8] = include_bytes!("../../tests/data/mainnet-169482.raw");
const BLOCK_227836: &[u8] = include_bytes!("../../tests/data/mainnet-227836.raw");
const BLOCK_482683: &[u8] = include_bytes!("../../tests/data/mainnet-482683.raw");

fn real(bytes: &[u8]) -> Block {
    deserialize(bytes).unwrap()
}

/// A regtest window on the first block, and a good block with three payments on top of it.
fn window_and_block() -> (Window, Block) {
    let genesis = bitcoin::constants::genesis_block(Network::Regtest);
    let tip = crate::node::genesis(Network::Regtest);
    let window =
        Window::begin(Rules::of(Network::Regtest), tip, genesis.header, ChainWork::ZERO).unwrap();
    let payments = (0..3).map(made_up::payment).collect();
    let block = mine(&genesis.header, 1, 7, payments);
    (window, block)
}

fn rule_of(window: &Window, block: &Block) -> &'static str {
    match window.check(our_hash(block.block_hash()), block) {
        Ok(()) => "passes",
        Err(refusal) => {
            // The name and the text must not drift apart.
            assert!(refusal.to_string().starts_with(&format!("{}: ", refusal.rule())));
            refusal.rule()
        }
    }
}

/// What `spoil` makes of a good block, sealed again with all commitments right.
fn spoiled(spoil: impl FnOnce(&mut Block)) -> &'static str {
    let (window, mut block) = window_and_block();
    spoil(&mut block);
    made_up::grind(&mut block);
    rule_of(&window, &block)
}

#[test]
fn a_good_block_passes() {
    assert_eq!(spoiled(|_| {}), "passes");
}

#[test]
fn every_rule_refuses_the_block_that_breaks_it() {
    let (window, block) = window_and_block();
    let other = BlockHash([7; 32]);
    let refused = window.check(other, &block).unwrap_err();
    assert_eq!(refused, Refusal::WrongBlockHash { found: our_hash(block.block_hash()) });

    let genesis_time = window.tip_header().time;
    assert_eq!(
        spoiled(|block| block.header.prev_blockhash = bitcoin::BlockHash::all_zeros()),
        "wrong-parent"
    );
    assert_eq!(
        spoiled(|block| block.header.bits = CompactTarget::from_consensus(0x207f_fffe)),
        "wrong-difficulty"
    );
    assert_eq!(spoiled(|block| block.header.time = genesis_time), "time-too-old");
    assert_eq!(spoiled(|block| block.txdata.clear()), "no-coinbase");
    assert_eq!(spoiled(|block| drop(block.txdata.remove(0))), "no-coinbase");
    assert_eq!(
        spoiled(|block| {
            let coinbase = block.txdata[0].clone();
            block.txdata.push(coinbase);
        }),
        "second-coinbase"
    );
    assert_eq!(spoiled(|block| block.txdata[1] = made_up::heavy_payment()), "too-heavy");
    assert_eq!(
        spoiled(|block| {
            *block = mine(&window.tip_header().clone(), 2, 7, Vec::new());
        }),
        "wrong-coinbase-height"
    );
    assert_eq!(spoiled(|block| block.txdata.swap(1, 2)), "wrong-merkle-root");
    assert_eq!(spoiled(|block| block.txdata[2].output[0].value *= 2), "wrong-merkle-root");
}

#[test]
fn a_hash_above_its_target_is_refused() {
    let (window, mut block) = window_and_block();
    while block.header.target().is_met_by(block.block_hash()) {
        block.header.nonce += 1;
    }
    assert_eq!(rule_of(&window, &block), "insufficient-work");
}

/// CVE-2012-2459: with three transactions of which the last is written twice the root is the same.
#[test]
fn a_list_lengthened_without_changing_its_root_is_refused() {
    let genesis = bitcoin::constants::genesis_block(Network::Regtest).header;
    let (window, _) = window_and_block();
    let mut block = mine(&genesis, 1, 7, vec![made_up::payment(1), made_up::payment(2)]);
    assert_eq!(rule_of(&window, &block), "passes");
    block.txdata.push(block.txdata[2].clone());
    assert_eq!(rule_of(&window, &block), "repeated-transactions");
}

#[test]
fn witness_data_must_be_what_the_coinbase_commits_to() {
    // Witness data is outside the txids: none of these changes the merkle root.
    assert_eq!(
        spoiled(|block| block.txdata[1].input[0].witness.push([1])),
        "wrong-witness-commitment"
    );
    assert_eq!(
        spoiled(|block| {
            for transaction in &mut block.txdata {
                transaction.input[0].witness.clear();
            }
        }),
        "wrong-witness-commitment",
        "stripped of all witness data"
    );
    let (window, mut block) = window_and_block();
    block.txdata[0].output.pop();
    made_up::commit_to_transactions(&mut block);
    made_up::grind(&mut block);
    assert_eq!(rule_of(&window, &block), "unexpected-witness");
}

#[test]
fn a_block_without_witness_data_needs_no_commitment() {
    let (window, mut block) = window_and_block();
    block.txdata[0].output.pop();
    for transaction in &mut block.txdata {
        transaction.input[0].witness.clear();
    }
    made_up::commit_to_transactions(&mut block);
    made_up::grind(&mut block);
    assert_eq!(rule_of(&window, &block), "passes");
}

#[test]
fn real_blocks_before_and_after_witness_data_pass() {
    let rules = Rules::of(Network::Bitcoin);
    for (height, bytes, transactions) in
        [(169_482, BLOCK_169482, 14), (227_836, BLOCK_227836, 100), (482_683, BLOCK_482683, 12)]
    {
        let block = real(bytes);
        assert_eq!(block.txdata.len(), transactions);
        assert_eq!(body::check(rules, height, &block), Ok(()), "{height}");
    }
}

#[test]
fn a_real_block_at_another_height_or_with_another_witness_is_refused() {
    let rules = Rules::of(Network::Bitcoin);
    let mut block = real(BLOCK_482683);
    let refused = body::check(rules, 482_684, &block);
    assert_eq!(refused, Err(Refusal::WrongCoinbaseHeight { expected: 482_684 }));
    // Before activation nothing may commit to witness data (and the coinbase has some).
    let mut before = rules;
    before.segwit_from = 482_684;
    assert_eq!(body::check(before, 482_683, &block), Err(Refusal::UnexpectedWitness));
    let payment = block.txdata.iter_mut().skip(1).find(|tx| !tx.input[0].witness.is_empty());
    payment.unwrap().input[0].witness.push([0]);
    assert_eq!(body::check(rules, 482_683, &block), Err(Refusal::WrongWitnessCommitment));
}

/// The first 439 blocks of mainnet, one on top of the other: real work, real times.
#[test]
fn the_first_blocks_of_mainnet_pass_in_their_order() {
    let mut bytes: &[u8] = include_bytes!("../../tests/data/mainnet-first-439.dat");
    let mut blocks = Vec::new();
    while let Some((frame, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_le_bytes(frame[4..].try_into().unwrap()).try_into().unwrap();
        let (block, rest) = rest.split_at(length);
        blocks.push(real(block));
        bytes = rest;
    }
    assert_eq!(blocks.len(), 439);
    let first = &blocks[0];
    let tip = crate::node::genesis(Network::Bitcoin);
    let work = ChainWork::of(&first.header);
    let mut window = Window::begin(Rules::of(Network::Bitcoin), tip, first.header, work).unwrap();
    for block in &blocks[1..] {
        assert_eq!(rule_of(&window, block), "passes");
        window.push(block.header).unwrap();
    }
    assert_eq!(window.tip().height, BlockHeight(438));
    // 439 blocks at difficulty 1 are 439 * (2^32 + 2^16 + 1) hashes: floor(2^256 / (target + 1)).
    let sum = 439_u64 * 0x0001_0001_0001;
    assert_eq!(&window.work().to_be_bytes()[24..], sum.to_be_bytes());
}

/// A chain of made-up headers that nobody mined: enough for the rules that come before the work.
struct Headers {
    window: Window,
}

impl Headers {
    fn begin(network: Network, height: u32, time: u32, bits: u32) -> Self {
        let header = Header {
            version: bitcoin::block::Version::TWO,
            prev_blockhash: bitcoin::BlockHash::all_zeros(),
            merkle_root: bitcoin::TxMerkleNode::all_zeros(),
            time,
            bits: CompactTarget::from_consensus(bits),
            nonce: height,
        };
        let at = BlockRef { height: BlockHeight(height), hash: our_hash(header.block_hash()) };
        let window = Window::begin(Rules::of(network), at, header, ChainWork::ZERO).unwrap();
        Self { window }
    }

    fn child(&self, time: u32, bits: u32) -> Header {
        Header {
            prev_blockhash: self.window.tip_header().block_hash(),
            time,
            bits: CompactTarget::from_consensus(bits),
            ..*self.window.tip_header()
        }
    }

    fn push(&mut self, time: u32, bits: u32) {
        let header = self.child(time, bits);
        self.window.push(header).unwrap();
    }

    /// Goes on to `height`, with times that rise evenly to `time`.
    fn fill(mut self, height: u32, time: u32, bits: u32) -> Self {
        let (from, begun) = (self.window.tip().height.0, self.window.tip_header().time);
        for step in 1..=(height - from) {
            let share = u64::from(time - begun) * u64::from(step) / u64::from(height - from);
            self.push(begun + u32::try_from(share).unwrap(), bits);
        }
        self
    }

    /// Which bits the rules ask of the next header.
    fn required(&self, time: u32) -> u32 {
        let header = self.child(time, 0);
        super::difficulty::required(&self.window, &header).unwrap().to_consensus()
    }
}

/// Three real ends of a period (the second changes nothing: the limit). Source: the chain itself;
/// Bitcoin Core's `pow_tests` looks at the same heights.
#[test]
fn difficulty_changes_as_it_did_on_mainnet() {
    for (first, began, ended, before, after) in [
        (30_240, 1_261_130_161, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a),
        (0, 1_231_006_505, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff),
        (66_528, 1_279_008_237, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd),
    ] {
        let chain = Headers::begin(Network::Bitcoin, first, began, before);
        let chain = chain.fill(first + 2015, ended, before);
        assert_eq!(chain.required(ended + 600), after, "after {first}");
    }
}

#[test]
fn difficulty_does_not_change_within_a_period() {
    let chain = Headers::begin(Network::Bitcoin, 30_240, 1_261_130_161, 0x1d00_ffff);
    let chain = chain.fill(30_240 + 2014, 1_262_000_000, 0x1d00_ffff);
    assert_eq!(chain.required(1_300_000_000), 0x1d00_ffff);
}

#[test]
fn a_period_that_ends_before_it_began_changes_difficulty_by_four() {
    let mut chain = Headers::begin(Network::Bitcoin, 2016, 1_300_000_000, 0x1c05_a3f4);
    for _ in 0..2015 {
        chain.push(1_299_999_000, 0x1c05_a3f4);
    }
    assert_eq!(chain.required(1_300_000_600), 0x1c01_68fd);
}

#[test]
fn a_testnet_block_after_twenty_minutes_may_be_easy_and_the_next_goes_back() {
    let (hard, easy) = (0x1c05_a3f4, 0x1d00_ffff);
    for network in [Network::Testnet, Network::Testnet4] {
        let mut chain = Headers::begin(network, 4032, 1_300_000_000, hard);
        assert_eq!(chain.required(1_300_001_200), hard);
        assert_eq!(chain.required(1_300_001_201), easy);
        chain.push(1_300_001_201, easy);
        chain.push(1_300_002_402, easy);
        assert_eq!(chain.required(1_300_002_403), hard, "not {easy:08x}, as the tip has");
    }
}

#[test]
fn testnet4_alone_retargets_from_the_first_block_and_forbids_the_time_warp() {
    let (hard, easy) = (0x1c05_a3f4, 0x1d00_ffff);
    let two_weeks = 14 * 24 * 3600;
    let after_a_period = |network| {
        let chain = Headers::begin(network, 4032, 1_300_000_000, hard);
        let mut chain = chain.fill(4032 + 2014, 1_300_000_000 + two_weeks - 1300, hard);
        chain.push(1_300_000_000 + two_weeks, easy);
        chain
    };
    let testnet3 = after_a_period(Network::Testnet);
    assert_eq!(testnet3.required(1_400_000_000), easy, "an easy last block makes all easy");
    let testnet4 = after_a_period(Network::Testnet4);
    assert_eq!(testnet4.required(1_400_000_000), hard);

    let parent = 1_300_000_000 + two_weeks;
    let check = |chain: &Headers, time| {
        let header = chain.child(time, 0);
        super::header::check_time(&chain.window, &header).map_err(|refusal| refusal.rule())
    };
    assert_eq!(check(&testnet4, parent - 600), Ok(()));
    assert_eq!(check(&testnet4, parent - 601), Err("time-warp"));
    assert_eq!(check(&testnet3, parent - 601), Ok(()));
}

#[test]
fn regtest_never_changes_its_difficulty() {
    let chain = Headers::begin(Network::Regtest, 0, 1_300_000_000, 0x207f_ffff);
    let chain = chain.fill(2015, 1_300_010_000, 0x207f_ffff);
    assert_eq!(chain.required(1_300_010_001), 0x207f_ffff);
    assert_eq!(chain.required(1_400_000_000), 0x207f_ffff);
}

#[test]
fn the_median_is_of_the_newest_eleven_times() {
    let mut chain = Headers::begin(Network::Regtest, 0, 1000, 0x207f_ffff);
    for time in [1, 2, 3, 4, 5, 30, 20, 40, 50, 60, 70] {
        chain.push(time, 0x207f_ffff);
    }
    // 1 2 3 4 5 | 20 | 30 40 50 60 70
    let check = |time| super::header::check_time(&chain.window, &chain.child(time, 0));
    assert_eq!(check(20), Err(Refusal::TimeTooOld { median: 20, found: 20 }));
    assert_eq!(check(21), Ok(()));
}

#[test]
fn without_the_headers_that_a_rule_needs_nothing_is_judged() {
    let chain = Headers::begin(Network::Bitcoin, 5000, 1_300_000_000, 0x1d00_ffff);
    let block = Block { header: chain.child(1_300_000_600, 0x1d00_ffff), txdata: Vec::new() };
    let refused = chain.window.check(our_hash(block.block_hash()), &block);
    assert_eq!(refused, Err(Refusal::MissingContext { needed_from: 4032, lowest: 5000 }));
}

#[test]
fn headers_below_the_tip_must_be_the_ones_it_names() {
    let long = Headers::begin(Network::Regtest, 0, 1000, 0x207f_ffff).fill(30, 4000, 0x207f_ffff);
    let all: Vec<Header> = long.window.newest_first().copied().collect();
    let tip = long.window.tip();
    let rules = Rules::of(Network::Regtest);
    let mut short = Window::begin(rules, tip, all[0], long.window.work()).unwrap();
    assert_eq!(short.extend_below(all[2]).unwrap_err().rule(), "wrong-block-hash");
    for header in &all[1..11] {
        assert_eq!(short.missing_below(), Some(our_hash(header.block_hash())));
        short.extend_below(*header).unwrap();
    }
    assert_eq!(short.missing_below(), None);
    assert_eq!(short, long.window);
    assert!(Window::begin(rules, tip, all[1], ChainWork::ZERO).is_err());
    // Ten headers took more work than the node claims for the whole chain.
    let mut poor = Window::begin(rules, tip, all[0], ChainWork::ZERO).unwrap();
    assert_eq!(poor.extend_below(all[1]), Err(Refusal::ImpossibleWork));
}

#[test]
fn a_window_goes_back_only_to_what_it_holds_and_forgets_what_is_deep() {
    let mut chain = Headers::begin(Network::Regtest, 0, 1000, 0x207f_ffff);
    let first = chain.window.tip();
    chain = chain.fill(154, 4000, 0x207f_ffff);
    let before = chain.window.clone();
    chain = chain.fill(400, 9000, 0x207f_ffff);
    assert!(chain.window.newest_first().count() < 200);
    let after = chain.window.clone();
    assert!(!chain.window.rewind_to(first));
    assert!(!chain.window.rewind_to(before.tip()));
    assert_eq!(chain.window, after);
    let tenth = BlockRef {
        height: BlockHeight(390),
        hash: our_hash(chain.window.at(390).unwrap().block_hash()),
    };
    assert!(chain.window.rewind_to(tenth));
    assert_eq!(chain.window.tip(), tenth);
    assert!(chain.window.work() < after.work());
}
