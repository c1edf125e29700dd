//! `connect-block`: a block of 4,000 transactions through the core, beside a million scripts.

use std::time::Instant;

use bitcoin::Transaction;
use custody::Command;
use primitives::BlockRef;
use strongroom::core::Core;

use crate::{
    chain::{Numbers, connect, stranger, transaction},
    load::Watch,
    report::Lab,
};

const TRANSACTIONS: usize = 4_000;
const BLOCKS: usize = 20;

pub fn measure(lab: &mut Lab) {
    let house = lab.million();
    let opened = house.open();
    let mut tip = opened.state().chain_state().expect("configured").tip;
    let scripts: Vec<Vec<u8>> = (0..1_000_000)
        .filter_map(|index| Some(opened.state().address(index)?.script.clone()))
        .collect();
    let running = opened.run_alone();
    let seed = strongroom::clock::random().expect("randomness");
    let mut numbers = Numbers(u64::from_le_bytes(seed));
    for deposits in [0, 100] {
        let made = blocks(&mut tip, &mut numbers, &scripts, deposits);
        run(lab, &running.core(), made, deposits);
    }
    running.stop();
}

/// Blocks in which every `4000 / deposits`-th transaction pays one of our scripts.
fn blocks(
    tip: &mut BlockRef,
    numbers: &mut Numbers,
    scripts: &[Vec<u8>],
    deposits: usize,
) -> Vec<Command> {
    let mut made = Vec::with_capacity(BLOCKS);
    for _ in 0..BLOCKS {
        let mut txdata: Vec<Transaction> =
            (0..TRANSACTIONS - deposits).map(|_| stranger(numbers)).collect();
        for _ in 0..deposits {
            let ours = scripts[numbers.below(scripts.len() as u64) as usize].clone();
            txdata.push(transaction(numbers, 2, vec![(ours, 1_000_000), (vec![0x51], 330)]));
        }
        let (at, command) = connect(*tip, txdata);
        *tip = at;
        made.push(command);
    }
    made
}

fn run(lab: &Lab, core: &Core, blocks: Vec<Command>, deposits: usize) {
    let watch = Watch::begin();
    let mut took = Vec::with_capacity(blocks.len());
    for command in blocks {
        let begun = Instant::now();
        let pending = core.execute(command, |_, outcome| outcome);
        pending.wait().expect("the core runs").expect("nothing refuses it");
        took.push(begun.elapsed());
    }
    let name = format!("connect-block/{deposits}-deposits");
    let conditions = format!(
        "{TRANSACTIONS} transactions of 2 inputs and 2 outputs, 1000000 watched scripts, {BLOCKS} blocks; the block and what follows from it (credits) durable in one append"
    );
    lab.latencies(&watch, &name, &mut took, &conditions);
}
