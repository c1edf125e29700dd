//! Houses that have lived: events made by the state machine itself, put into a real journal in
//! large appends, and a snapshot beside it.

use std::path::Path;

use access::Principal;
use bitcoin::{
    NetworkKind,
    bip32::{DerivationPath, Xpriv, Xpub},
    secp256k1::Secp256k1,
};
use custody::{
    Command, Custody, Event, Params, STATE_VERSION, Settlement,
    deposit::finality::ConfirmationTable,
    event::{
        AccountOpened, AddressAssigned, CustomerTransfer, KeyRegistered, SnapshotTaken,
        TransfersSettled,
    },
};
use primitives::{
    BlockHash, BlockHeight, BlockRef, DeploymentId, FeeRate, Network, Sats, Seconds, Timestamp,
};
use store::{Identity, Journal, Record, SnapshotStore, SqliteJournal};
use strongroom::{
    clock,
    core::{self, Opened, Options},
};

use crate::{
    chain::{Numbers, connect, taproot, transaction},
    people::{self, BALANCE, FEE},
};

pub const DEPLOYMENT: DeploymentId = DeploymentId([0x11; 32]);
pub const IDENTITY: Identity = Identity { deployment: DEPLOYMENT, shard: 0 };
/// Records in one append while a house is made.
const APPEND: usize = 10_000;

/// How large a house is. Every account has 1 BTC and one address that is watched.
#[derive(Clone, Copy)]
pub struct Size {
    pub accounts: u64,
    /// Accounts, from number 2 on, that have a key.
    pub keyed: u64,
}

impl Size {
    pub const MILLION: Self = Self { accounts: 1_000_000, keyed: 10_000 };
    pub const SMALL: Self = Self { accounts: 10_000, keyed: 10_000 - 1 };
}

/// A house on the disk.
#[derive(Clone)]
pub struct House {
    pub options: Options,
    pub size: Size,
}

impl House {
    /// Makes journal and snapshot.
    pub fn build(dir: &Path, size: Size) -> Self {
        let mut past = Past::begin(dir);
        past.settle_in(size);
        past.endow();
        past.end(true)
    }

    /// Opens it as the server does.
    pub fn open(&self) -> Opened {
        core::open(&self.options).expect("a whole journal")
    }
}

/// A house that is being made.
pub struct Past {
    options: Options,
    size: Size,
    pub state: Custody,
    journal: SqliteJournal,
    waiting: Vec<Record>,
    pub at: Timestamp,
    pub numbers: Numbers,
}

impl Past {
    pub fn begin(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("the folder can be written");
        let (dir, shard, witnessed) = (dir.to_owned(), IDENTITY.shard, None);
        let options = Options { dir, deployment: DEPLOYMENT, shard, witnessed };
        let journal = SqliteJournal::create(&options.journal(), IDENTITY).expect("a new journal");
        let size = Size { accounts: 0, keyed: 0 };
        let (state, waiting, at) = (Custody::default(), Vec::new(), clock::now());
        let mut past =
            Self { options, size, state, journal, waiting, at, numbers: Numbers(0x5eed) };
        past.command(&Command::Configure { params: Box::new(params()) });
        past
    }

    /// Opens accounts, gives them addresses and keys.
    pub fn settle_in(&mut self, size: Size) {
        self.size = size;
        for number in 1..=size.accounts {
            self.event(AccountOpened { account: people::account(number), idempotency: None });
        }
        for (index, number) in (0..).zip(1..=size.accounts) {
            // The scripts of the first addresses come from the descriptor; those ahead are made
            // up, since deriving a million of them takes minutes and tells nothing.
            let (account, idempotency) = (people::account(number), None);
            let lookahead = taproot(&self.numbers.bytes());
            self.event(AddressAssigned { account, index, lookahead, idempotency });
        }
        let service = people::api_key(&people::service_key(), Principal::Service);
        self.event(KeyRegistered { key: service });
        for number in (2..).take(size.keyed as usize) {
            let principal = Principal::Account(people::account(number));
            self.event(KeyRegistered {
                key: people::api_key(&people::customer_key(number), principal),
            });
        }
    }

    /// One large deposit to the first account, which shares it out.
    pub fn endow(&mut self) {
        let accounts = self.size.accounts;
        let script = self.state.address(0).expect("it was assigned").script.clone();
        let value = (accounts + 1) * BALANCE;
        let deposit = transaction(&mut self.numbers, 1, vec![(script, value)]);
        self.block(vec![deposit]);
        let all: Vec<u64> = (2..=accounts).collect();
        for some in all.chunks(custody::TRANSFERS_MAX) {
            let transfers = some.iter().map(|number| CustomerTransfer {
                from: people::account(1),
                to: people::account(*number),
                amount: sats(BALANCE),
            });
            self.settled(transfers.collect());
        }
    }

    /// Records a settlement.
    pub fn settled(&mut self, transfers: Vec<CustomerTransfer>) {
        let [id, ..] = *self.numbers.bytes().as_chunks::<16>().0 else { return };
        let settlement = Settlement { id, transfers };
        self.event(TransfersSettled {
            settlement: id,
            fingerprint: settlement.fingerprint(),
            key: people::key_id(&people::service_key()),
            transfers: settlement.transfers,
        });
    }

    /// Connects a block and does what follows from it, as the core does.
    pub fn block(&mut self, txdata: Vec<bitcoin::Transaction>) {
        let tip = self.state.chain_state().expect("configured").tip;
        let (_, command) = connect(tip, txdata);
        self.command(&command);
        while self.command(&Command::Advance) > 0 {}
    }

    /// Decides, folds, and says how many events there were.
    pub fn command(&mut self, command: &Command) -> usize {
        let events = self.state.decide(self.at, command).expect("nothing refuses it");
        let count = events.len();
        for event in events {
            self.event(event);
        }
        count
    }

    /// Folds an event and puts it into the journal.
    pub fn event(&mut self, event: impl Into<Event>) {
        let event = event.into();
        self.state.apply(self.at, &event).expect("it can follow");
        let (kind, version) = event.kind();
        let body = event.encode().expect("short lists");
        self.waiting.push(Record { at: self.at, kind, version, body });
        if self.waiting.len() >= APPEND {
            self.append();
        }
    }

    fn append(&mut self) {
        let next = self.journal.next_seq();
        self.journal.append(next, &self.waiting).expect("the disk works");
        self.waiting.clear();
        drop(self.state.take_touched());
    }

    /// Closes the house, with or without a snapshot that the journal names and somebody has
    /// witnessed.
    pub fn end(mut self, snapshot: bool) -> House {
        self.append();
        if snapshot {
            self.save();
            self.options.witnessed = Some(self.journal.head());
        }
        House { options: self.options, size: self.size }
    }

    fn save(&mut self) {
        let store = SnapshotStore::open(&self.options.snapshots(), IDENTITY).expect("a folder");
        let state = &self.state;
        let write = |mut file: &mut dyn std::io::Write| state.write_to(&mut file);
        let written = store.write(STATE_VERSION, self.journal.position(), write);
        let (seq, digest) = (self.journal.size(), written.expect("the disk works").state_digest);
        self.event(SnapshotTaken { seq, state_version: STATE_VERSION, digest });
        self.append();
    }
}

pub fn sats(sats: u64) -> Sats {
    Sats::parse(sats).expect("less than the supply")
}

/// Deposits count at one confirmation; nothing cools down or is reviewed, and nothing is released
/// within the hour.
pub fn params() -> Params {
    Params {
        network: Network::Regtest,
        deployment: DEPLOYMENT,
        descriptor: descriptor(),
        start: BlockRef { height: BlockHeight(100), hash: BlockHash([0; 32]) },
        gap_external: u32::MAX,
        confirmations: ConfirmationTable::fixed(1),
        withdrawable_extra: 0,
        final_confirmations: 1,
        reorg_stop_depth: 6,
        adrift_blocks_max: 6,
        deposit_min: sats(1_000),
        withdrawal_min: sats(5_000),
        withdrawal_fee: sats(FEE),
        withdrawal_fee_max: sats(50_000),
        release_window: Seconds(3600),
        cool_down_from: Sats::MAX,
        cool_down: Seconds(0),
        review_from: Sats::MAX,
        review_approvals: 2,
        batch_outputs_max: 100,
        batch_inputs_max: 500,
        batch_total_max: Sats::MAX,
        batch_retry: Seconds(60),
        fee_rate_max: FeeRate::from_sat_per_vb(50).expect("a low rate"),
        fund_share_bps: 0,
    }
}

/// A taproot descriptor of a published seed.
fn descriptor() -> String {
    let secp = Secp256k1::new();
    let master = Xpriv::new_master(NetworkKind::Test, &[7; 32]).expect("a good seed");
    let path: DerivationPath = "86h/1h/0h".parse().expect("a good path");
    let account = master.derive_priv(&secp, &path).expect("a good path");
    let account = Xpub::from_priv(&secp, &account);
    format!("tr([{}/86h/1h/0h]{account}/<0;1>/*)", master.fingerprint(&secp))
}
