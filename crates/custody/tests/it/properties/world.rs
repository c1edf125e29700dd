//! A small world in which anything may be asked, but whose chain spends no coin twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use access::Scope;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid, consensus::encode};
use custody::{
    Command,
    event::Watched,
    idempotency::Idempotency,
    incident::Stop,
    payout::{Assembly, BatchState},
    withdrawal::OperatorId,
};
use primitives::{AccountId, BatchId, FeeRate, Outpoint, Sats, WithdrawalId};
use signer_protocol::RefusalTag;

use crate::house::{Ask, Customer, House, assembly, cents, sats, signed, stranger};

/// One step; what it does depends on what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) what: u8,
    pub(crate) a: u8,
    pub(crate) b: u8,
    pub(crate) c: u8,
}

/// Kinds of steps; those of the chain alone come first.
const KINDS: u8 = 29;
const CHAIN_KINDS: u8 = 8;

impl Step {
    /// The same step among those that concern the chain alone.
    pub(crate) const fn of_the_chain(self) -> Self {
        Self { what: self.what % CHAIN_KINDS, ..self }
    }
}

pub(crate) struct World {
    pub(crate) house: House,
    /// Transactions that miners could take.
    pool: Vec<Transaction>,
    /// Every transaction that was ever made, to know whose outputs exist.
    made: BTreeMap<Txid, Transaction>,
    addresses: Vec<(Customer, ScriptBuf)>,
    asks: Vec<(Customer, Ask)>,
}

const VALUES: [u64; 6] = [9_999, 10_000, 5_000_000, 40_000_000, 100_000_000, 350_000_000];

impl World {
    pub(crate) fn new() -> Self {
        let house = House::with(|params| params.reorg_stop_depth = 4);
        let mut world = Self {
            house,
            pool: Vec::new(),
            made: BTreeMap::new(),
            addresses: Vec::new(),
            asks: Vec::new(),
        };
        for name in ["alice", "bob"] {
            let customer = world.house.a_customer(name);
            let script = world.house.address(&customer);
            world.addresses.push((customer, script));
        }
        world
    }

    /// The same accounts and addresses as another world made on its way.
    pub(crate) fn same_customers_as(&mut self, other: &Self) {
        for (customer, _) in other.addresses.iter().skip(self.addresses.len()) {
            let script = self.house.address(customer);
            self.addresses.push((customer.clone(), script));
        }
    }

    /// Blocks until every deposit in the chain has matured, rewards too, and none is adrift.
    pub(crate) fn settle_down(&mut self) {
        self.house.blocks(120);
    }

    pub(crate) fn take(&mut self, step: Step) {
        let Step { a, b, c, .. } = step;
        match step.what % KINDS {
            0 => self.pay(a, b, c),
            1 => self.see(a),
            2 => self.mine(u32::from_le_bytes([a, b, c, 0xff])),
            3 => self.house.blocks(usize::from(a % 3) + 1),
            4 => self.rewind(usize::from(a % 6) + 1),
            5 => self.double_spend(a, b),
            6 => self.forget(a),
            7 => self.reward(a, b),
            8 => self.address(a),
            9 | 10 => self.withdraw(a, b, c),
            11 => self.ask_again(a),
            12 => self.cancel(a),
            13 => self.review(a, b),
            14 => self.freeze(a, b),
            15 => self.trade(a, b, c),
            16 => self.wait(a, b),
            17 | 18 => self.assemble(a, b),
            19 => self.sign(a),
            20 => self.refuse(a, b),
            21 => self.broadcast(a),
            22 => self.lose_the_answer(),
            23 => self.stop(a, b),
            24 => self.steal(a),
            25 => self.configure(a, b),
            26 => self.nonsense(a, b),
            27 => self.pay_out(),
            _ => drop(self.house.execute(&Command::Advance)),
        }
    }

    fn try_to(&mut self, command: Command) {
        let _refused_or_not = self.house.execute(&command);
    }

    fn customer(&self, number: u8) -> Customer {
        self.house.customers[usize::from(number) % self.house.customers.len()].clone()
    }

    fn pay(&mut self, whom: u8, value: u8, more: u8) {
        let (_, script) = self.addresses[usize::from(whom) % self.addresses.len()].clone();
        let value = sats(VALUES[usize::from(value) % VALUES.len()]);
        let descriptor = self.house.state.descriptor().unwrap();
        let ahead = Watched::External(self.house.state.next_address() + u32::from(more % 20));
        let other = match more % 5 {
            0 => vec![(descriptor.script(Watched::Internal(u32::from(more % 3))).unwrap(), value)],
            1 => vec![(descriptor.script(ahead).unwrap(), value)],
            2 => vec![(script.clone(), value), (stranger(1), value)],
            _ => Vec::new(),
        };
        let payment = self.house.pay(&[vec![(script, value)], other].concat());
        self.add(payment);
    }

    fn add(&mut self, transaction: Transaction) {
        self.made.insert(transaction.compute_txid(), transaction.clone());
        if !self.pool.contains(&transaction) {
            self.pool.push(transaction);
        }
    }

    fn pooled(&self, number: u8) -> Option<Transaction> {
        let count = self.pool.len();
        (count > 0).then(|| self.pool[usize::from(number) % count].clone())
    }

    fn see(&mut self, which: u8) {
        let Some(transaction) = self.pooled(which) else { return };
        self.try_to(Command::SeeTransaction { transaction: Arc::new(transaction) });
    }

    fn forget(&mut self, which: u8) {
        let Some(transaction) = self.pooled(which) else { return };
        self.pool.retain(|known| *known != transaction);
        let txid = crate::house::outpoint_of(&transaction, 0).txid;
        self.try_to(Command::ForgetTransaction { txid });
    }

    /// Mines those of the pool that `mask` selects, as far as the chain allows them.
    fn mine(&mut self, mask: u32) {
        let chosen: Vec<_> = std::mem::take(&mut self.pool);
        let (mut block, mut left) = (Vec::new(), Vec::new());
        let (mut spent, mut mined) = self.chain_facts();
        for (number, transaction) in chosen.into_iter().enumerate() {
            let selected = mask >> (number % 32) & 1 == 1;
            if selected && self.allowed(&transaction, &mut spent, &mined) {
                mined.insert(transaction.compute_txid());
                block.push(transaction);
            } else {
                left.push(transaction);
            }
        }
        self.pool = left;
        self.house.block(&block);
    }

    /// What the chain has spent, and which transactions it has.
    fn chain_facts(&self) -> (BTreeSet<OutPoint>, BTreeSet<Txid>) {
        let blocks = self.house.chain.iter().flat_map(|(_, block)| &block.txdata);
        let spent =
            blocks.clone().flat_map(|mined| &mined.input).map(|input| input.previous_output);
        (spent.collect(), blocks.map(Transaction::compute_txid).collect())
    }

    fn allowed(
        &self,
        transaction: &Transaction,
        spent: &mut BTreeSet<OutPoint>,
        mined: &BTreeSet<Txid>,
    ) -> bool {
        let inputs: Vec<_> = transaction.input.iter().map(|input| input.previous_output).collect();
        let exists =
            |coin: &OutPoint| !self.made.contains_key(&coin.txid) || mined.contains(&coin.txid);
        let good = inputs.iter().all(|coin| !spent.contains(coin) && exists(coin));
        let new = !mined.contains(&transaction.compute_txid());
        if good && new {
            spent.extend(inputs);
        }
        good && new
    }

    fn rewind(&mut self, depth: usize) {
        for _ in 0..depth.min(self.house.chain.len()) {
            for transaction in self.house.disconnect() {
                self.add(transaction);
            }
        }
    }

    /// A block that spends the coins of a pooled transaction otherwise.
    fn double_spend(&mut self, which: u8, to: u8) {
        let Some(victim) = self.pooled(which) else { return };
        let value = sats(VALUES[usize::from(to) % VALUES.len()]);
        let script = if to % 2 == 0 { stranger(66) } else { self.addresses[0].1.clone() };
        let theft = House::instead_of(&victim, &[(script, value)]);
        self.mine_alone(theft);
    }

    fn mine_alone(&mut self, transaction: Transaction) {
        let (mut spent, mined) = self.chain_facts();
        self.made.insert(transaction.compute_txid(), transaction.clone());
        if self.allowed(&transaction, &mut spent, &mined) {
            self.house.block(&[transaction]);
        }
    }

    fn reward(&mut self, whom: u8, value: u8) {
        let (_, script) = self.addresses[usize::from(whom) % self.addresses.len()].clone();
        let value = sats(VALUES[usize::from(value) % VALUES.len()]);
        let reward = self.house.reward(&[(script, value)]);
        self.made.insert(reward.compute_txid(), reward.clone());
        let (at, block) = self.house.next_block_of(vec![reward]);
        self.house.connect(at, block);
    }

    fn address(&mut self, whom: u8) {
        let customer = self.customer(whom);
        let script = self.house.address(&customer);
        self.addresses.push((customer, script));
    }

    fn withdraw(&mut self, who: u8, amount: u8, to: u8) {
        let customer = self.customer(who);
        let amounts = [4_999, 5_000, 3_000_000, 30_000_000, 90_000_000, 310_000_000, 500_000_000];
        let amount = sats(amounts[usize::from(amount) % amounts.len()]);
        let ours = self.addresses[usize::from(to) % self.addresses.len()].1.clone();
        let mut ask = Ask::of(&mut self.house, &customer, amount).with(|intent| {
            intent.fee = sats(1_000 + u64::from(to));
            if to % 3 == 0 {
                intent.script = ours.to_bytes();
            }
            if to % 7 == 0 {
                intent.not_after -= 23 * 3600;
            }
        });
        if to % 5 == 0 {
            ask.signed_by = None;
        }
        self.asks.push((customer, ask));
        self.ask_again(u8::try_from(self.asks.len() - 1).unwrap_or(0));
    }

    fn ask_again(&mut self, which: u8) {
        let count = self.asks.len();
        if count == 0 {
            return;
        }
        let (customer, ask) = self.asks[usize::from(which) % count].clone();
        let command = self.house.requesting(&customer, &ask);
        self.try_to(command);
    }

    fn withdrawal(&self, number: u8) -> Option<(Customer, WithdrawalId)> {
        let count = self.asks.len();
        let (customer, ask) = self.asks.get(usize::from(number) % count.max(1))?;
        Some((customer.clone(), ask.request().id()))
    }

    fn cancel(&mut self, which: u8) {
        let Some((customer, id)) = self.withdrawal(which) else { return };
        let command = self.house.cancelling(&customer, id);
        self.try_to(command);
    }

    fn review(&mut self, which: u8, how: u8) {
        let Some((_, withdrawal)) = self.withdrawal(which) else { return };
        let by = OperatorId(u32::from(how % 3));
        let denial = how % 4 == 0;
        self.try_to(if denial {
            Command::DenyWithdrawal { withdrawal, by }
        } else {
            Command::ApproveWithdrawal { withdrawal, by }
        });
    }

    fn freeze(&mut self, whom: u8, how: u8) {
        let (account, by) = (self.customer(whom).account, OperatorId(1));
        self.try_to(if how % 4 == 0 {
            Command::FreezeAccount { account, by }
        } else {
            Command::ThawAccount { account, by }
        });
    }

    fn trade(&mut self, id: u8, how: u8, much: u8) {
        let (from, to) = (self.customer(how), self.customer(how / 2));
        let amounts = [0, 1, 1_000_000, 20_000_000, 110_000_000];
        let amount = sats(amounts[usize::from(much) % amounts.len()]);
        let command = self.house.settling(id % 8, &[(&from, &to, amount), (&to, &from, sats(1))]);
        self.try_to(command);
    }

    fn wait(&mut self, a: u8, b: u8) {
        self.house.wait([1, 60, 600, 3 * 3600, 20 * 3600][usize::from(a) % 5] + u64::from(b));
        self.try_to(Command::Tick);
    }

    fn assemble(&mut self, rate: u8, left: u8) {
        self.house.wait(u64::from(rate % 2) * 600);
        let rates = [250, 1_000, 12_500, 12_501];
        let fee_rate = FeeRate::from_sat_per_kwu(rates[usize::from(rate) % rates.len()]);
        let lefts = [Sats::MAX, Sats::MAX, cents(40), sats(1)];
        let signer_left = lefts[usize::from(left) % lefts.len()];
        let assembly = Assembly { fee_rate, signer_left, seed: [left; 32] };
        self.try_to(Command::AssembleBatch { assembly });
    }

    fn batch(&self, number: u8) -> Option<BatchId> {
        let ids: Vec<_> = self.house.state.batches().map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[ids.len() - 1 - usize::from(number) % ids.len().min(3)])
    }

    /// The signed transaction of a batch, if it is known.
    fn paid(&self, batch: BatchId) -> Option<Transaction> {
        let bytes = &self.house.state.batch(batch).unwrap().transaction;
        (!bytes.is_empty()).then(|| signed(bytes))
    }

    fn sign(&mut self, which: u8) {
        let Some(batch) = self.batch(which) else { return };
        let Some(paid) = self.paid(batch) else { return };
        let transaction = encode::serialize(&paid);
        self.try_to(Command::RecordSigned { batch, transaction });
    }

    fn refuse(&mut self, which: u8, how: u8) {
        let Some(batch) = self.batch(which) else { return };
        let tag = RefusalTag::ALL[usize::from(how) % RefusalTag::ALL.len()];
        // A signer that signed never says anything that proves the opposite.
        let known =
            self.paid(batch).is_some_and(|paid| self.made.contains_key(&paid.compute_txid()));
        if !known {
            self.try_to(Command::RecordRefused { batch, tag });
        }
    }

    fn broadcast(&mut self, which: u8) {
        let Some(batch) = self.batch(which) else { return };
        self.try_to(Command::RecordBroadcast { batch });
        let sent = self.house.state.batch(batch).unwrap().state == BatchState::Broadcast;
        if let Some(paid) = self.paid(batch).filter(|_| sent) {
            self.add(paid);
        }
    }

    /// The signer signed and somebody broadcast it, and we never heard of it.
    fn lose_the_answer(&mut self) {
        let Some(batch) = self.batch(0) else { return };
        if self.house.state.batch(batch).unwrap().state == BatchState::Built {
            self.add(self.paid(batch).unwrap());
        }
    }

    fn pay_out(&mut self) {
        self.house.wait(600);
        let assembly = Command::AssembleBatch { assembly: assembly() };
        if self.house.execute(&assembly).is_ok() {
            let batch = self.batch(0).unwrap();
            let paid = self.house.send(batch);
            self.add(paid);
        }
    }

    fn stop(&mut self, which: u8, how: u8) {
        let stop = Stop::ALL[usize::from(which) % Stop::ALL.len()];
        let by = OperatorId(1);
        self.try_to(if how % 8 == 0 {
            Command::StopReleases { stop }
        } else {
            Command::ResumeReleases { stop, by }
        });
    }

    /// Somebody with our keys spends a coin of ours.
    fn steal(&mut self, which: u8) {
        let coins: Vec<Outpoint> = self.house.state.coins().iter().map(|(coin, _)| *coin).collect();
        if coins.is_empty() || which % 4 != 0 {
            return;
        }
        let coin = coins[usize::from(which) % coins.len()];
        self.mine_alone(House::spending(&[coin], &[(stranger(66), cents(1))]));
    }

    fn configure(&mut self, a: u8, b: u8) {
        self.house.configure(|params| match a % 4 {
            0 => params.final_confirmations = u32::from(b % 4) + 1,
            1 => params.fund_share_bps = u16::from(b) * 39,
            2 => params.batch_inputs_max = u32::from(b % 4) + 1,
            _ => params.withdrawable_extra = u32::from(b % 3),
        });
    }

    /// What nobody should ask.
    fn nonsense(&mut self, a: u8, b: u8) {
        let (batch, by) = (BatchId(u64::from(a)), OperatorId(u32::from(b)));
        let withdrawal = WithdrawalId::new(AccountId::from_u64(u64::from(a)), [b; 32]);
        let idempotency = Some(Idempotency { key: [a; 32], fingerprint: [b % 2; 32] });
        let customer = self.customer(a);
        let commands = [
            Command::RecordSigned { batch, transaction: vec![a, b] },
            Command::RecordRefused { batch, tag: RefusalTag::PinMissing },
            Command::RecordBroadcast { batch },
            Command::ApproveWithdrawal { withdrawal, by },
            Command::CancelWithdrawal {
                asked: self.house.signed(&customer.key, Scope::Read, withdrawal),
            },
            Command::AssignAddress {
                asked: self.house.signed(&customer.key, Scope::Read, idempotency),
            },
            Command::FreezeAccount { account: AccountId::from_u64(u64::from(b)), by },
            Command::DisconnectBlock {
                block: self.house.chain.first().map_or(self.house.tip(), |it| it.0),
            },
        ];
        // Taking back the only block is no nonsense.
        for command in commands.into_iter().take(if self.house.chain.len() == 1 { 7 } else { 8 }) {
            self.try_to(command);
        }
    }
}
