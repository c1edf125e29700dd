//! A small world in which anything may be asked, but whose chain spends no coin twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use access::{Principal, Scope, Scopes};
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid, consensus::encode};
use custody::{
    Command, WithdrawalState,
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

/// What a step does. It stands here as often as it is likely.
const CHAIN: [fn(&mut World, Step); 16] = [
    World::pay,
    World::pay,
    World::pay,
    World::see,
    World::see,
    World::forget,
    World::mine,
    World::mine,
    World::mine,
    World::mine,
    World::blocks,
    World::blocks,
    World::blocks,
    World::rewind,
    World::double_spend,
    World::reward,
];
const REST: [fn(&mut World, Step); 32] = [
    World::address,
    World::withdraw,
    World::withdraw,
    World::withdraw,
    World::withdraw,
    World::ask_again,
    World::cancel,
    World::review,
    World::review,
    World::review,
    World::freeze,
    World::trade,
    World::wait,
    World::wait,
    World::assemble,
    World::assemble,
    World::sign,
    World::sign,
    World::sign,
    World::refuse,
    World::broadcast,
    World::broadcast,
    World::broadcast,
    World::lose_the_answer,
    World::stop,
    World::calm_down,
    World::calm_down,
    World::calm_down,
    World::steal,
    World::configure,
    World::nonsense,
    World::pay_out,
];

impl Step {
    /// The same step among those that concern the chain alone.
    pub(crate) const fn of_the_chain(self) -> Self {
        Self { what: self.what % 16, ..self }
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

const VALUES: [u64; 7] =
    [9_999, 10_000, 5_000_000, 40_000_000, 100_000_000, 350_000_000, 600_000_000];

impl World {
    /// A world in which the hot tier has coins.
    pub(crate) fn new() -> Self {
        let mut world = Self::poor();
        for value in [400, 300, 200, 100, 100, 50] {
            let script = world.addresses[value as usize / 100 % 2].1.clone();
            let payment = world.house.pay(&[(script, cents(value))]);
            world.made.insert(payment.compute_txid(), payment.clone());
            world.house.block(&[payment]);
        }
        world.house.blocks(2);
        world
    }

    /// A world at its first block.
    pub(crate) fn poor() -> Self {
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
        let actions: Vec<_> = CHAIN.into_iter().chain(REST).collect();
        actions[usize::from(step.what) % actions.len()](self, step);
    }

    fn try_to(&mut self, command: Command) {
        let _refused_or_not = self.house.execute(&command);
    }

    fn customer(&self, number: u8) -> Customer {
        self.house.customers[usize::from(number) % self.house.customers.len()].clone()
    }

    fn pay(&mut self, Step { a: whom, b: value, c: more, .. }: Step) {
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

    fn see(&mut self, Step { a: which, .. }: Step) {
        let Some(transaction) = self.pooled(which) else { return };
        self.try_to(Command::SeeTransaction { transaction: Arc::new(transaction) });
    }

    fn forget(&mut self, Step { a: which, .. }: Step) {
        let Some(transaction) = self.pooled(which) else { return };
        self.pool.retain(|known| *known != transaction);
        let txid = crate::house::outpoint_of(&transaction, 0).txid;
        self.try_to(Command::ForgetTransaction { txid });
    }

    /// Mines those of the pool that `mask` selects, as far as the chain allows them.
    fn mine(&mut self, Step { a, b, .. }: Step) {
        // Miners take most of what they see.
        let mask = !(u32::from(a) & u32::from(b));
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

    fn rewind(&mut self, Step { a, .. }: Step) {
        let depth = usize::from(a % 6) + 1;
        for _ in 0..depth.min(self.house.chain.len()) {
            for transaction in self.house.disconnect() {
                self.add(transaction);
            }
        }
    }

    /// A block that spends the coins of a pooled transaction otherwise.
    fn double_spend(&mut self, Step { a: which, b: to, .. }: Step) {
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

    fn reward(&mut self, Step { a: whom, b: value, .. }: Step) {
        let (_, script) = self.addresses[usize::from(whom) % self.addresses.len()].clone();
        let value = sats(VALUES[usize::from(value) % VALUES.len()]);
        let reward = self.house.reward(&[(script, value)]);
        self.made.insert(reward.compute_txid(), reward.clone());
        let (at, block) = self.house.next_block_of(vec![reward]);
        self.house.connect(at, block);
    }

    fn address(&mut self, Step { a: whom, .. }: Step) {
        let customer = self.customer(whom);
        let script = self.house.address(&customer);
        self.addresses.push((customer, script));
    }

    fn withdraw(&mut self, Step { a: who, b: amount, c: to, .. }: Step) {
        let customer = self.customer(who);
        let amounts = [
            4_999,
            5_000,
            3_000_000,
            30_000_000,
            90_000_000,
            290_000_000,
            310_000_000,
            500_000_000,
        ];
        let amount = sats(amounts[usize::from(amount) % amounts.len()]);
        let ours = self.addresses[usize::from(to) % self.addresses.len()].1.clone();
        let mut ask = Ask::of(&mut self.house, &customer, amount).with(|intent| {
            intent.fee = sats(1_000 + u64::from(to));
            if to % 4 == 0 {
                intent.script = ours.to_bytes();
            }
            if to % 7 == 0 {
                intent.not_after -= 23 * 3600;
            }
        });
        if to % 5 == 0 {
            ask.signed_by = None;
        }
        let command = self.house.requesting(&customer, &ask);
        self.asks.push((customer, ask));
        self.try_to(command);
    }

    fn ask_again(&mut self, Step { a: which, .. }: Step) {
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

    fn cancel(&mut self, Step { a: which, .. }: Step) {
        let Some((customer, id)) = self.withdrawal(which) else { return };
        let command = self.house.cancelling(&customer, id);
        self.try_to(command);
    }

    fn review(&mut self, Step { a: which, b: how, .. }: Step) {
        let all = self.house.state.withdrawals();
        let waiting: Vec<_> = all
            .filter(|(_, withdrawal)| matches!(withdrawal.state, WithdrawalState::InReview { .. }))
            .map(|(id, _)| *id)
            .collect();
        let chosen = waiting.get(usize::from(which) % waiting.len().max(1)).copied();
        let chosen = chosen.or_else(|| self.withdrawal(which).map(|(_, id)| id));
        let Some(withdrawal) = chosen else { return };
        let by = OperatorId(u32::from(how % 3));
        let denial = how % 16 == 0;
        self.try_to(if denial {
            Command::DenyWithdrawal { withdrawal, by }
        } else {
            Command::ApproveWithdrawal { withdrawal, by }
        });
    }

    fn freeze(&mut self, Step { a: whom, b: how, .. }: Step) {
        let (account, by) = (self.customer(whom).account, OperatorId(1));
        self.try_to(if how % 4 == 0 {
            Command::FreezeAccount { account, by }
        } else {
            Command::ThawAccount { account, by }
        });
    }

    fn trade(&mut self, Step { a: id, b: how, c: much, .. }: Step) {
        let (from, to) = (self.customer(how), self.customer(how / 2));
        let amounts = [0, 1, 1_000_000, 20_000_000, 110_000_000];
        let amount = sats(amounts[usize::from(much) % amounts.len()]);
        let command = self.house.settling(id % 8, &[(&from, &to, amount), (&to, &from, sats(1))]);
        self.try_to(command);
    }

    fn wait(&mut self, Step { a, b, .. }: Step) {
        self.house.wait(
            [1, 60, 600, 600, 3 * 3600, 3 * 3600, 20 * 3600][usize::from(a) % 7] + u64::from(b),
        );
        self.try_to(Command::Tick);
    }

    fn assemble(&mut self, Step { a: rate, b: left, .. }: Step) {
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

    fn sign(&mut self, Step { a: which, .. }: Step) {
        let Some(batch) = self.batch(which) else { return };
        let Some(paid) = self.paid(batch) else { return };
        let transaction = encode::serialize(&paid);
        self.try_to(Command::RecordSigned { batch, transaction });
    }

    fn refuse(&mut self, Step { a: which, b: how, .. }: Step) {
        let Some(batch) = self.batch(which) else { return };
        let tag = RefusalTag::ALL[usize::from(how) % RefusalTag::ALL.len()];
        // A signer that signed never says anything that proves the opposite.
        let known =
            self.paid(batch).is_some_and(|paid| self.made.contains_key(&paid.compute_txid()));
        if !known {
            self.try_to(Command::RecordRefused { batch, tag });
        }
    }

    fn broadcast(&mut self, Step { a: which, .. }: Step) {
        let Some(batch) = self.batch(which) else { return };
        self.try_to(Command::RecordBroadcast { batch });
        let sent = self.house.state.batch(batch).unwrap().state == BatchState::Broadcast;
        if let Some(paid) = self.paid(batch).filter(|_| sent) {
            self.add(paid);
        }
    }

    /// The signer signed and somebody broadcast it, and we never heard of it.
    fn lose_the_answer(&mut self, _: Step) {
        let Some(batch) = self.batch(0) else { return };
        if self.house.state.batch(batch).unwrap().state == BatchState::Built {
            self.add(self.paid(batch).unwrap());
        }
    }

    fn pay_out(&mut self, _: Step) {
        self.house.wait(600);
        let assembly = Command::AssembleBatch { assembly: assembly() };
        if self.house.execute(&assembly).is_ok() {
            let batch = self.batch(0).unwrap();
            let paid = self.house.send(batch);
            self.add(paid);
        }
    }

    fn stop(&mut self, Step { a: which, .. }: Step) {
        let stop = Stop::ALL[usize::from(which) % Stop::ALL.len()];
        self.try_to(Command::StopReleases { stop });
    }

    /// Operators have looked at everything.
    fn calm_down(&mut self, _: Step) {
        let by = OperatorId(1);
        for stop in Stop::ALL {
            self.try_to(Command::ResumeReleases { stop, by });
        }
        for customer in self.house.customers.clone() {
            self.try_to(Command::ThawAccount { account: customer.account, by });
        }
    }

    fn blocks(&mut self, Step { a, .. }: Step) {
        self.house.blocks(usize::from(a % 3) + 1);
    }

    /// Somebody with our keys spends a coin of ours.
    fn steal(&mut self, Step { a: which, .. }: Step) {
        let coins: Vec<Outpoint> = self.house.state.coins().iter().map(|(coin, _)| *coin).collect();
        if coins.is_empty() || which % 4 != 0 {
            return;
        }
        let lives =
            |batch: &custody::payout::Batch| (batch.inputs.len() > 1).then(|| batch.inputs[1]);
        let in_batch = self.house.state.live_batches().find_map(|(_, batch)| lives(batch));
        let in_batch = in_batch.filter(|coin| which % 8 != 0 && coins.contains(coin));
        let coin = in_batch.unwrap_or(coins[usize::from(which) % coins.len()]);
        self.mine_alone(House::spending(&[coin], &[(stranger(66), cents(1))]));
    }

    fn configure(&mut self, Step { a, b, .. }: Step) {
        self.house.configure(|params| match a % 4 {
            0 => params.final_confirmations = u32::from(b % 4) + 1,
            1 => params.fund_share_bps = u16::from(b) * 39,
            2 => params.batch_inputs_max = u32::from(b % 4) + 1,
            _ => params.withdrawable_extra = u32::from(b % 3),
        });
    }

    /// What nobody should ask.
    fn nonsense(&mut self, Step { a, b, .. }: Step) {
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
        let spare = ed25519_dalek::SigningKey::from_bytes(&std::array::from_fn(|at| {
            if at == 0 { a } else { 0x5a }
        }));
        let key = primitives::KeyId(spare.verifying_key().to_bytes());
        let scopes = Scopes::NONE.with(Scope::Read);
        let principal = Principal::Account(customer.account);
        self.try_to(Command::RegisterKey { key, principal, scopes, expires: None });
        self.try_to(Command::RevokeKey { key });
        // Taking back the only block is no nonsense.
        for command in commands.into_iter().take(if self.house.chain.len() == 1 { 7 } else { 8 }) {
            self.try_to(command);
        }
    }
}
