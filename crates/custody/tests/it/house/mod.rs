//! A house for tests: the core without a shell, a made-up chain, and customers who really sign.
//!
//! The tests inside the crate include this file too, so it speaks of `custody` by name. After
//! every command [`House::execute`] does what the core does after a block, journals what happened
//! and checks every invariant.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "tests; no test uses all of it"
)]

mod chain;
mod customers;
mod everything;
mod payouts;
pub(crate) mod show;

use std::{cell::RefCell, sync::LazyLock};

use access::{NonceMemory, Settings, Verifier};
use bitcoin::{
    Block, NetworkKind,
    bip32::{DerivationPath, Xpriv, Xpub},
    secp256k1::Secp256k1,
};
use custody::{Command, Custody, Event, Params, Refusal, deposit::finality::ConfirmationTable};
use primitives::{
    BlockHash, BlockHeight, BlockRef, DeploymentId, FeeRate, Network, Outpoint, Sats, Seconds,
    Timestamp, WithdrawalId,
};

pub(crate) use chain::{outpoint_of, stranger};
pub(crate) use customers::{Ask, Customer};
pub(crate) use payouts::{assembly, signed};

/// An amount in satoshis.
pub(crate) fn sats(sats: u64) -> Sats {
    Sats::parse(sats).unwrap()
}

/// An amount in whole bitcoin.
pub(crate) fn btc(btc: u64) -> Sats {
    sats(btc * 100_000_000)
}

/// An amount in hundredths of a bitcoin.
pub(crate) fn cents(hundredths: u64) -> Sats {
    sats(hundredths * 1_000_000)
}

/// The hot wallet of every house: a taproot descriptor of a published seed.
pub(crate) fn descriptor() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let secp = Secp256k1::new();
        let master = Xpriv::new_master(NetworkKind::Test, &[7; 32]).unwrap();
        let path: DerivationPath = "86h/1h/0h".parse().unwrap();
        let account = Xpub::from_priv(&secp, &master.derive_priv(&secp, &path).unwrap());
        let fingerprint = master.fingerprint(&secp);
        format!("tr([{fingerprint}/86h/1h/0h]{account}/<0;1>/*)")
    });
    &TEXT
}

/// Small numbers: a deposit is credited after 2 confirmations, withdrawable after 3, and 3 are
/// final.
pub(crate) fn params() -> Params {
    Params {
        network: Network::Regtest,
        deployment: DeploymentId([0x11; 32]),
        descriptor: descriptor().to_owned(),
        start: BlockRef { height: BlockHeight(100), hash: BlockHash([0; 32]) },
        gap_external: 1_000_000,
        confirmations: ConfirmationTable::fixed(2),
        withdrawable_extra: 1,
        final_confirmations: 3,
        reorg_stop_depth: 5,
        adrift_blocks_max: 4,
        deposit_min: sats(10_000),
        withdrawal_min: sats(5_000),
        withdrawal_fee: sats(1_000),
        withdrawal_fee_max: sats(50_000),
        release_window: Seconds(600),
        cool_down_from: btc(3),
        cool_down: Seconds(3 * 3600),
        review_from: btc(5),
        review_approvals: 2,
        batch_outputs_max: 5,
        batch_inputs_max: 10,
        batch_total_max: btc(4),
        batch_retry: Seconds(60),
        fee_rate_max: FeeRate::from_sat_per_vb(50).unwrap(),
        fund_share_bps: 2_500,
    }
}

/// The first moment of every house.
pub(crate) const BEGIN: u64 = 1_790_000_000;

/// The core, its journal, and the world around it.
pub(crate) struct House {
    pub(crate) state: Custody,
    pub(crate) at: Timestamp,
    pub(crate) journal: Vec<(Timestamp, Event)>,
    /// The chain that the node would give, from the block after the start.
    pub(crate) chain: Vec<(BlockRef, Block)>,
    /// Deposits and withdrawals in the order in which they came up, so that tests can name them.
    pub(crate) deposits: Vec<Outpoint>,
    pub(crate) withdrawals: Vec<WithdrawalId>,
    pub(crate) customers: Vec<Customer>,
    pub(crate) service: ed25519_dalek::SigningKey,
    pub(crate) checks: bool,
    verifier: Verifier,
    nonces: RefCell<(u128, NonceMemory)>,
    stamp: u32,
}

impl House {
    /// A house with [`params`].
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A house whose parameters differ.
    pub(crate) fn with(change: impl FnOnce(&mut Params)) -> Self {
        let mut house = Self::unconfigured();
        let mut params = params();
        change(&mut params);
        house.ok(Command::Configure { params: Box::new(params) });
        house.register_service();
        house
    }

    /// A house at the beginning of its journal.
    pub(crate) fn unconfigured() -> Self {
        let authorities = vec!["house.example".to_owned()];
        Self {
            state: Custody::default(),
            at: Timestamp::parse_seconds(BEGIN).unwrap(),
            journal: Vec::new(),
            chain: Vec::new(),
            deposits: Vec::new(),
            withdrawals: Vec::new(),
            customers: Vec::new(),
            service: ed25519_dalek::SigningKey::from_bytes(&[0xee; 32]),
            checks: true,
            verifier: Verifier::new(Settings::new(authorities, Timestamp::EPOCH)),
            nonces: RefCell::new((0, NonceMemory::new(1_000_000))),
            stamp: 0,
        }
    }

    /// Decides and applies, and does what follows from a block, as the core does.
    pub(crate) fn execute(&mut self, command: &Command) -> Result<Vec<Event>, Refusal> {
        let events = self.state.decide(self.at, command)?;
        self.fold(&events);
        let mut all = events;
        let block =
            matches!(command, Command::ConnectBlock { .. } | Command::DisconnectBlock { .. });
        for _ in 0..if block { 10_000 } else { 0 } {
            let events = self.state.decide(self.at, &Command::Advance).unwrap();
            if events.is_empty() {
                break;
            }
            self.fold(&events);
            all.extend(events);
        }
        let again = self.state.decide(self.at, &Command::Advance).unwrap();
        assert!(!block || again.is_empty(), "the consequences of a block never end: {again:?}");
        self.note();
        if self.checks {
            self.state.check_invariants().unwrap();
        }
        Ok(all)
    }

    /// Executes what must not be refused.
    #[track_caller]
    pub(crate) fn ok(&mut self, command: Command) -> Vec<Event> {
        let name = command.name();
        self.execute(&command).unwrap_or_else(|refusal| panic!("{name}: {}", refusal.id()))
    }

    /// Executes what must be refused, and says by which rule.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: Command) -> &'static str {
        let before = self.state.digest().unwrap();
        let refusal = self.execute(&command).expect_err("nothing refused it");
        assert_eq!(before, self.state.digest().unwrap(), "a refusal changed something");
        refusal.id()
    }

    /// Applies and journals events.
    pub(crate) fn fold(&mut self, events: &[Event]) {
        for event in events {
            self.state.apply(self.at, event).unwrap_or_else(|corrupt| panic!("{corrupt}"));
            self.journal.push((self.at, event.clone()));
        }
    }

    /// Gives what came up its number.
    fn note(&mut self) {
        let touched = self.state.take_touched();
        for deposit in touched.deposits {
            let known = self.state.deposit(&deposit).is_some();
            if known && !self.deposits.contains(&deposit) {
                self.deposits.push(deposit);
            }
        }
        for withdrawal in touched.withdrawals {
            if !self.withdrawals.contains(&withdrawal) {
                self.withdrawals.push(withdrawal);
            }
        }
    }

    /// Lets time pass, and does what follows from it.
    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<Event> {
        self.wait(seconds);
        self.ok(Command::Tick)
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.at = self.at.saturating_add(Seconds(seconds));
    }

    /// Other parameters from now on.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Params)) {
        let mut params = self.state.params().unwrap().clone();
        change(&mut params);
        self.ok(Command::Configure { params: Box::new(params) });
    }

    /// The state that the journal makes.
    pub(crate) fn replayed(&self) -> Custody {
        let mut state = Custody::default();
        for (at, event) in &self.journal {
            state.apply(*at, event).unwrap();
        }
        state
    }

    /// Goes on with what a snapshot of the state gives.
    pub(crate) fn restore(&mut self) {
        let bytes = self.state.to_bytes().unwrap();
        let restored = Custody::from_bytes(&bytes).unwrap();
        assert_eq!(restored.to_bytes().unwrap(), bytes);
        self.state = restored;
    }

    /// A number that was never used, for transactions and blocks.
    pub(crate) fn stamp(&mut self) -> u32 {
        self.stamp += 1;
        self.stamp
    }

    /// The house's books, by the name in the chart.
    pub(crate) fn book(&self, code: ledger::Code) -> Sats {
        self.state.ledger().balance(custody::books::house(code))
    }
}
