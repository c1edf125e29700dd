//! A signer with clocks that can be turned and a disk that can be restarted.

use bitcoin::Transaction;
use primitives::{AccountId, Network, Sats, Timestamp};
use signer::{
    Now, ScriptKind, Settings, Signer, SoftKeys,
    sample::{self, Batch, BatchPlan},
};
use signer_protocol::{Description, RefusalTag, Request, Response, SignedTransaction};

use crate::disk::Disk;

pub(crate) struct Rig {
    pub(crate) keys: SoftKeys,
    pub(crate) settings: Settings,
    pub(crate) disk: Disk,
    pub(crate) signer: Signer<Disk>,
    /// Seconds since 1970.
    pub(crate) wall: u64,
    /// Milliseconds beyond `wall`.
    pub(crate) wall_millis: u64,
    pub(crate) monotonic_millis: u64,
    /// [`Rig::counted`] when it was last asked to sign, or at the beginning.
    pub(crate) before: (usize, u64),
}

pub(crate) fn sats(sats: u64) -> Sats {
    Sats::parse(sats).unwrap()
}

pub(crate) fn account(number: u64) -> AccountId {
    AccountId::from_number(number).unwrap()
}

impl Rig {
    pub(crate) fn new(kind: ScriptKind) -> Self {
        Self::with(kind, |_| ())
    }

    pub(crate) fn with(kind: ScriptKind, alter: impl FnOnce(&mut Settings)) -> Self {
        let keys = sample::keys(Network::Regtest, kind).unwrap();
        let mut settings = sample::settings(&keys).unwrap();
        alter(&mut settings);
        let disk = Disk::default();
        let signer = Signer::open(settings.clone(), disk.clone()).unwrap();
        let wall = sample::NOON.to_seconds();
        let mut rig = Self {
            keys,
            settings,
            disk,
            signer,
            wall,
            wall_millis: 0,
            monotonic_millis: 0,
            before: (0, 0),
        };
        rig.before = rig.counted();
        rig
    }

    pub(crate) fn now(&self) -> Now {
        let wall = Timestamp::parse_millis(self.wall * 1000 + self.wall_millis).unwrap();
        Now { wall, monotonic_millis: self.monotonic_millis }
    }

    /// The process ends and starts again; its monotonic clock starts anew.
    pub(crate) fn restart(&mut self) {
        self.monotonic_millis = 0;
        self.signer = Signer::open(self.settings.clone(), self.disk.clone()).unwrap();
    }

    /// Other settings from the next start on.
    pub(crate) fn reconfigure(&mut self, alter: impl FnOnce(&mut Settings)) {
        alter(&mut self.settings);
        self.restart();
    }

    pub(crate) fn ask(&mut self, request: Request) -> Response {
        if matches!(request, Request::Sign(_)) && self.signer.broken().is_none() {
            self.before = self.counted();
        }
        self.signer.handle(request, self.now(), &self.keys)
    }

    /// Records, and satoshis in the outer bucket.
    pub(crate) fn counted(&mut self) -> (usize, u64) {
        (self.disk.records().len(), self.left())
    }

    pub(crate) fn sign(&mut self, batch: &Batch) -> Response {
        self.ask(batch.request())
    }

    pub(crate) fn signed(&mut self, batch: &Batch) -> SignedTransaction {
        match self.sign(batch) {
            Response::Signed(signed) => signed,
            other => panic!("expected a signature, found {other:?}"),
        }
    }

    pub(crate) fn refused(&mut self, batch: &Batch) -> RefusalTag {
        tag(self.sign(batch))
    }

    pub(crate) fn describe(&mut self) -> Description {
        match self.ask(Request::Describe) {
            Response::Description(description) => description,
            other => panic!("expected a description, found {other:?}"),
        }
    }

    /// What the outer bucket holds, in satoshis.
    pub(crate) fn left(&mut self) -> u64 {
        self.describe().buckets[0].left.to_sat()
    }

    pub(crate) fn plan(&self) -> BatchPlan {
        sample::a_batch(&self.settings)
    }

    /// The sample batch.
    pub(crate) fn batch(&self) -> Batch {
        self.plan().build().unwrap()
    }

    /// The sample batch with customer key 1 on its first withdrawal.
    pub(crate) fn customer_batch(&self) -> Batch {
        self.plan().with(|plan| plan.payouts[0].signed_by = Some(1)).build().unwrap()
    }

    /// Lists customer key `number` for `owner` and lets it cool down.
    pub(crate) fn list_key(&mut self, owner: AccountId, number: u8) {
        let now = self.now();
        assert!(self.signer.add_key(owner, sample::customer_key_id(number), now).unwrap());
        self.monotonic_millis += self.settings.limits.key_cool_down.0 * 1000;
    }
}

pub(crate) fn tag(response: Response) -> RefusalTag {
    match response {
        Response::Refused { tag, .. } => tag,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

pub(crate) fn transaction(signed: &SignedTransaction) -> Transaction {
    bitcoin::consensus::deserialize(&signed.transaction).unwrap()
}
