//! Strangers: wallets that pay customers, spend again what they paid with, mine, and steal.

use bitcoin::{OutPoint, ScriptBuf, Txid, WPubkeyHash, hashes::Hash};

use super::{convert, node::Tx, random::Random, world::World};

/// Wallets of strangers.
const WALLETS: u8 = 3;
/// Coins of each at the beginning.
const COINS: u32 = 12;
/// The fee of a stranger's transaction, in satoshis.
const FEE: u64 = 300;
/// Less than this comes back to nobody.
const CHANGE_MIN: u64 = 1_000;

/// The script of a stranger's wallet; the thief's is the one after the last.
pub(crate) fn wallet(number: u8) -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([number.saturating_add(1); 20]))
}

/// A script that customers withdraw to: often a stranger's wallet, so that money goes round.
pub(crate) fn destination(random: &mut Random) -> ScriptBuf {
    match u8::try_from(random.below(5)) {
        Ok(number) if number < WALLETS => wallet(number),
        _ => ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(random.bytes())),
    }
}

/// What strangers own before the first block that the house follows.
pub(crate) fn funds(random: &mut Random) -> Vec<(OutPoint, ScriptBuf, u64)> {
    let mut coins = Vec::new();
    for number in 0..WALLETS {
        let id = Txid::from_byte_array([number.saturating_add(0xa0); 32]);
        for vout in 0..COINS {
            let value = random.between(200_000, 3_000_000);
            coins.push((OutPoint::new(id, vout), wallet(number), value));
        }
    }
    coins
}

impl World {
    /// A coin of a stranger that nothing in the mempool spends: confirmed, or change in the
    /// mempool.
    fn strangers_coin(&mut self) -> Option<(OutPoint, ScriptBuf, u64)> {
        let script = wallet(u8::try_from(self.random.below(u64::from(WALLETS))).unwrap_or(0));
        let confirmed = self
            .node
            .unspent()
            .filter(|(_, coin)| coin.script == script && !coin.coinbase)
            .map(|(outpoint, coin)| (*outpoint, coin.value));
        let waiting = self.node.pool.iter().flat_map(Tx::outputs);
        let waiting = waiting
            .filter(|(_, output)| output.script_pubkey == script)
            .map(|(outpoint, output)| (outpoint, output.value.to_sat()));
        let mut coins: Vec<(OutPoint, u64)> = confirmed.chain(waiting).collect();
        coins.retain(|(outpoint, _)| !self.node.pool.spends(outpoint));
        let (outpoint, value) = self.random.pick(&coins).copied()?;
        Some((outpoint, script, value))
    }

    /// A script of the house: mostly a customer's address, sometimes one that is nobody's yet, or
    /// change, which anybody can read in the chain.
    pub(crate) fn script_of_house(&mut self) -> Option<ScriptBuf> {
        let state = &self.server.as_ref()?.state;
        let known = u64::from(state.next_address());
        let index = match self.random.below(20) {
            0 => known.saturating_add(self.random.below(20)),
            1 => {
                let changes: Vec<&Vec<u8>> = state
                    .batches()
                    .filter_map(|(_, batch)| batch.change.as_ref().map(|change| &change.script))
                    .collect();
                let script = self.random.pick(&changes)?;
                return Some(ScriptBuf::from_bytes((*script).clone()));
            }
            _ => self.random.below(known),
        };
        let address = state.address(u32::try_from(index).ok()?)?;
        Some(ScriptBuf::from_bytes(address.script.clone()))
    }

    /// A stranger pays one to three addresses of the house in one transaction.
    pub(crate) fn deposit(&mut self) {
        let Some((coin, script, mut left)) = self.strangers_coin() else { return };
        let mut outputs = Vec::new();
        let twice_the_same = self.random.chance(200);
        let mut to = None;
        for _ in 0..self.random.count(1, 3) {
            if to.is_none() || !twice_the_same {
                to = self.script_of_house();
            }
            let Some(to) = to.clone() else { return };
            let dust = self.random.chance(60);
            let amount = if dust {
                self.random.between(300, 4_999)
            } else {
                self.random.between(8_000, self.profile.deposit_max)
            };
            if let Some(rest) = left.checked_sub(amount.saturating_add(FEE)) {
                outputs.push((to, amount));
                left = rest;
            }
        }
        if left > CHANGE_MIN {
            outputs.push((script, left.saturating_sub(FEE)));
        }
        if outputs.is_empty() {
            return;
        }
        let tx = Tx::spend(&[coin], outputs);
        self.trace.line(format_args!("stranger: pays with {}", tx.id));
        let _taken = self.node.accept(&tx, false);
    }

    /// A payment leaves the mempool, or is replaced by one that pays nobody here.
    pub(crate) fn unpay(&mut self) {
        if self.random.chance(300) {
            self.trace.line(format_args!("node: forgets a transaction"));
            self.node.forget(&mut self.random);
        } else {
            self.double_spend(1000);
        }
    }

    /// Strangers spend again what they paid with: each with this chance, in 1,000.
    pub(crate) fn double_spend(&mut self, chance: u64) {
        let mut theirs: Vec<OutPoint> = Vec::new();
        for tx in self.node.pool.iter() {
            let inputs = tx.inputs().filter(|input| {
                let spent = self.node.unspent_output(input);
                spent.is_some_and(|coin| (0..WALLETS).any(|number| coin.script == wallet(number)))
            });
            theirs.extend(inputs);
        }
        if chance >= 1000 {
            theirs = self.random.pick(&theirs).copied().into_iter().collect();
        }
        for coin in theirs {
            if !self.random.chance(chance) {
                continue;
            }
            let value = self.node.unspent_output(&coin).map_or(0, |coin| coin.value);
            let back = (wallet(0), value.saturating_sub(FEE));
            let tx = Tx::spend(&[coin], vec![back]);
            self.trace.line(format_args!("stranger: spends {coin} again"));
            let _taken = self.node.accept(&tx, true);
        }
    }

    /// A hot coin is spent outside the books; a miner was paid to prefer it.
    pub(crate) fn steal(&mut self) {
        let Some(server) = &self.server else { return };
        let state = &server.state;
        let all: Vec<OutPoint> =
            state.coins().iter().map(|(outpoint, _)| convert::out_point(outpoint)).collect();
        let reserved: Vec<OutPoint> = state
            .live_batches()
            .flat_map(|(_, batch)| batch.inputs.iter().map(convert::out_point))
            .collect();
        let wanted = if self.random.chance(700) { &reserved } else { &all };
        let Some(coin) = self.random.pick(wanted).copied() else { return };
        let Some(value) = self.node.unspent_output(&coin).map(|coin| coin.value) else {
            return;
        };
        let tx = Tx::spend(&[coin], vec![(wallet(WALLETS), value.saturating_sub(FEE))]);
        let taken = self.node.accept(&tx, true);
        self.trace.line(format_args!("thief: spends {coin}: {taken:?}"));
        self.report.thefts = self.report.thefts.saturating_add(1);
    }
}
