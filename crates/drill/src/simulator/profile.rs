//! What kind of world a seed makes: how often what happens.

use super::random::Random;

/// One kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes.
    Pass,
    /// A wall clock is set wrong, or right again.
    ClockJump,
    /// A stranger pays customers.
    Deposit,
    /// A stranger spends again what he paid with, or his payment leaves the mempool.
    Unpay,
    /// A block is mined.
    Mine,
    /// Blocks are taken back, and mostly replaced by more.
    Reorg,
    /// A hot coin is spent outside the books.
    Steal,
    /// The follower tells the core of a block.
    Follow,
    /// The follower tells the core of the mempool.
    Gossip,
    /// The core takes a turn.
    Turn,
    /// A customer asks for something.
    Customer,
    /// An operator does something.
    Operator,
    /// The trading service settles.
    Settle,
    /// The worker does something.
    Work,
    /// A message between server and signer arrives.
    Deliver,
    /// The worker gives up waiting.
    GiveUp,
    /// The operator of the signer's host does something.
    SignerHost,
    /// The server crashes.
    CrashServer,
    /// The signer crashes.
    CrashSigner,
    /// The server stores a snapshot.
    Snapshot,
}

/// How often what happens in one run.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) kind: Kind,
    weights: &'static [(Action, u64)],
    total: u64,
    /// In 1,000: a request to the signer arrives twice.
    pub(crate) duplicates: u64,
    /// In 1,000: a turn's append ends in a crash.
    pub(crate) crash_in_append: u64,
    /// In 1,000: a process dies between two moments of one step.
    pub(crate) crash_between: u64,
    /// In 1,000: a write of the signer ends in a crash, at each request.
    pub(crate) crash_in_signer: u64,
    /// In 1,000: the run ends with quiet hours, after which everybody must be paid.
    pub(crate) quiet: u64,
    /// The largest deposit, in satoshis: small ones make batches of many coins.
    pub(crate) deposit_max: u64,
    /// The most blocks that are mined at once.
    pub(crate) blocks_at_once: u32,
    /// In 1,000: a block's reward goes to a customer.
    pub(crate) rewards: u64,
    /// In 1,000: a transaction of a block that is taken back is lost for good.
    pub(crate) loses: u64,
}

use Action::{
    ClockJump, CrashServer, CrashSigner, Customer, Deliver, Deposit, Follow, GiveUp, Gossip, Mine,
    Operator, Pass, Reorg, Settle, SignerHost, Snapshot, Steal, Turn, Unpay, Work,
};

/// Business as usual, with a fault now and then.
const CALM: &[(Action, u64)] = &[
    (Pass, 60),
    (ClockJump, 4),
    (Deposit, 90),
    (Unpay, 15),
    (Mine, 110),
    (Reorg, 8),
    (Steal, 2),
    (Follow, 160),
    (Gossip, 40),
    (Turn, 120),
    (Customer, 120),
    (Operator, 50),
    (Settle, 20),
    (Work, 150),
    (Deliver, 180),
    (GiveUp, 15),
    (SignerHost, 12),
    (CrashServer, 8),
    (CrashSigner, 6),
    (Snapshot, 15),
];
/// Crash upon crash.
const STORM: &[(Action, u64)] = &[
    (Pass, 50),
    (ClockJump, 2),
    (Deposit, 80),
    (Unpay, 8),
    (Mine, 100),
    (Reorg, 6),
    (Steal, 2),
    (Follow, 160),
    (Gossip, 20),
    (Turn, 60),
    (Customer, 120),
    (Operator, 40),
    (Settle, 15),
    (Work, 200),
    (Deliver, 60),
    (GiveUp, 15),
    (SignerHost, 8),
    (CrashServer, 60),
    (CrashSigner, 40),
    (Snapshot, 30),
];
/// The chain does not hold still.
const REORGS: &[(Action, u64)] = &[
    (Pass, 40),
    (ClockJump, 2),
    (Deposit, 90),
    (Unpay, 40),
    (Mine, 140),
    (Reorg, 45),
    (Steal, 10),
    (Follow, 260),
    (Gossip, 40),
    (Turn, 140),
    (Customer, 80),
    (Operator, 50),
    (Settle, 15),
    (Work, 150),
    (Deliver, 180),
    (GiveUp, 10),
    (SignerHost, 6),
    (CrashServer, 10),
    (CrashSigner, 6),
    (Snapshot, 15),
];
/// Somebody else has the keys, and the coins of batches are spent under them.
const THEFT: &[(Action, u64)] = &[
    (Pass, 40),
    (ClockJump, 2),
    (Deposit, 110),
    (Unpay, 10),
    (Mine, 130),
    (Reorg, 6),
    (Steal, 40),
    (Follow, 220),
    (Gossip, 20),
    (Turn, 130),
    (Customer, 110),
    (Operator, 90),
    (Settle, 10),
    (Work, 180),
    (Deliver, 200),
    (GiveUp, 10),
    (SignerHost, 6),
    (CrashServer, 8),
    (CrashSigner, 6),
    (Snapshot, 10),
];
/// More is asked than the signer may release, its clock is set, its host restarts.
const RUN: &[(Action, u64)] = &[
    (Pass, 30),
    (ClockJump, 40),
    (Deposit, 90),
    (Unpay, 4),
    (Mine, 120),
    (Reorg, 3),
    (Steal, 1),
    (Follow, 170),
    (Gossip, 10),
    (Turn, 140),
    (Customer, 190),
    (Operator, 60),
    (Settle, 10),
    (Work, 220),
    (Deliver, 240),
    (GiveUp, 10),
    (SignerHost, 20),
    (CrashServer, 6),
    (CrashSigner, 40),
    (Snapshot, 8),
];

/// What kind of world it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Business as usual, with a fault now and then.
    Calm,
    /// Crash upon crash.
    Storm,
    /// The chain does not hold still.
    Reorgs,
    /// Somebody else has the keys.
    Theft,
    /// More is asked than the signer may release, and its clock is set.
    Run,
    /// Hundreds of blocks: rewards ripen, and what no reorg reaches is forgotten.
    Ages,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Calm, Self::Storm, Self::Reorgs, Self::Theft, Self::Run, Self::Ages];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Storm => "storm",
            Self::Reorgs => "reorgs",
            Self::Theft => "theft",
            Self::Run => "run",
            Self::Ages => "ages",
        }
    }

    /// Half of all worlds are storms, since crashes are what is counted.
    fn draw(random: &mut Random) -> Self {
        match random.below(20) {
            0..=9 => Self::Storm,
            10 | 11 => Self::Calm,
            12..=14 => Self::Reorgs,
            15 | 16 => Self::Theft,
            17 | 18 => Self::Run,
            _ => Self::Ages,
        }
    }
}

impl Profile {
    /// A world of this kind, or of the kind that the seed makes.
    pub(crate) fn draw(random: &mut Random, wanted: Option<Kind>) -> Self {
        let drawn = Kind::draw(random);
        let kind = wanted.unwrap_or(drawn);
        let weights = match kind {
            Kind::Calm => CALM,
            Kind::Storm => STORM,
            Kind::Reorgs | Kind::Ages => REORGS,
            Kind::Theft => THEFT,
            Kind::Run => RUN,
        };
        let usual = Self {
            kind,
            weights,
            total: weights.iter().fold(0, |sum, (_, weight)| sum.saturating_add(*weight)),
            duplicates: 60,
            crash_in_append: 10,
            crash_between: 2,
            crash_in_signer: 10,
            quiet: 1000,
            deposit_max: random.pick(&[60_000, 200_000, 700_000]).copied().unwrap_or(700_000),
            blocks_at_once: 1,
            rewards: 60,
            loses: 60,
        };
        match kind {
            Kind::Storm => Self {
                crash_in_append: 100,
                crash_between: 70,
                crash_in_signer: 90,
                quiet: 150,
                ..usual
            },
            Kind::Ages => Self { blocks_at_once: 20, rewards: 300, ..usual },
            Kind::Calm | Kind::Reorgs | Kind::Theft | Kind::Run => usual,
        }
    }

    /// The next step.
    pub(crate) fn draw_action(&self, random: &mut Random) -> Action {
        let mut left = random.below(self.total);
        for (action, weight) in self.weights {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *action,
            }
        }
        Pass
    }
}
