//! What stops releases, and what people must look at.

use std::fmt;

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};
use primitives::{AccountId, Outpoint, Sats, Txid};

use crate::{
    Custody, Event, Refusal,
    event::{IncidentOpened, ReleasesResumed, ReleasesStopped},
    withdrawal::OperatorId,
};

/// Why nothing is released. Any one of them is enough; only a person lifts one.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub enum Stop {
    /// An operator stopped releases.
    Operator,
    /// The chain was replaced deeper than the operator allows.
    DeepReorg,
    /// A coin of ours was spent outside the books.
    UnexplainedSpend,
    /// Coins and books disagree.
    Drift,
}

impl Stop {
    /// Every reason.
    pub const ALL: [Self; 4] =
        [Self::Operator, Self::DeepReorg, Self::UnexplainedSpend, Self::Drift];

    /// The stable name.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::DeepReorg => "deep-reorg",
            Self::UnexplainedSpend => "unexplained-spend",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Incident {
    /// The stable name.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::DepositReversed { .. } => "deposit-reversed",
            Self::UnexplainedSpend { .. } => "unexplained-spend",
            Self::DeepReorg { .. } => "deep-reorg",
            Self::BatchFailed { .. } => "batch-failed",
        }
    }
}

/// Something that people must look at.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, BorshSchema)]
pub enum Incident {
    /// A credited deposit vanished from the chain for good.
    DepositReversed {
        /// The deposit's output.
        deposit: Outpoint,
        /// Whose deposit.
        account: AccountId,
        /// Its value.
        value: Sats,
        /// What of it the customer now owes.
        claim: Sats,
    },
    /// A coin of ours was spent by a transaction that is not in the books.
    UnexplainedSpend {
        /// The coin.
        coin: Outpoint,
        /// Its value.
        value: Sats,
        /// The transaction.
        by: Txid,
    },
    /// The chain was replaced deeper than the operator allows.
    DeepReorg {
        /// Blocks that were disconnected.
        depth: u32,
    },
    /// A batch can never confirm.
    BatchFailed {
        /// The batch's transaction.
        txid: Txid,
    },
}

impl Custody {
    pub(crate) fn stop_releases(&self, stop: Stop) -> Vec<Event> {
        if self.stops.contains(&stop) { Vec::new() } else { vec![ReleasesStopped { stop }.into()] }
    }

    /// Only a bug of ours or a damaged state makes coins and books differ; nothing is released
    /// before a person has looked.
    pub(crate) fn reconcile(&self) -> Vec<Event> {
        match self.coins_match_books() {
            Ok(()) => Vec::new(),
            Err(_) => self.stop_releases(Stop::Drift),
        }
    }

    pub(crate) fn resume_releases(
        &self,
        stop: Stop,
        by: OperatorId,
    ) -> Result<Vec<Event>, Refusal> {
        if !self.stops.contains(&stop) {
            return Err(Refusal::NotStopped { stop });
        }
        Ok(vec![ReleasesResumed { stop, by }.into()])
    }

    pub(crate) fn apply_releases_stopped(&mut self, event: &ReleasesStopped) -> Result<(), String> {
        let new = self.stops.insert(event.stop);
        new.then_some(()).ok_or_else(|| format!("{} is in force already", event.stop))
    }

    pub(crate) fn apply_releases_resumed(&mut self, event: &ReleasesResumed) -> Result<(), String> {
        if event.stop == Stop::DeepReorg
            && let Some(chain) = &mut self.chain
        {
            // People have accepted the chain as it stands, however little work it has.
            chain.most_work = [0; 32];
        }
        let known = self.stops.remove(&event.stop);
        known.then_some(()).ok_or_else(|| format!("{} is not in force", event.stop))
    }

    pub(crate) fn apply_incident_opened(&mut self, event: &IncidentOpened) -> Result<(), String> {
        match &event.incident {
            Incident::DeepReorg { .. } => {
                self.chain.as_mut().ok_or("nothing is configured")?.reorg_reported = true;
            }
            Incident::UnexplainedSpend { coin, .. } => {
                self.unexplained.get_mut(coin).ok_or("no such spend")?.reported = true;
            }
            Incident::DepositReversed { .. } | Incident::BatchFailed { .. } => {}
        }
        self.incidents.push((self.now, event.incident.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use primitives::{BlockHeight, Outpoint, Sats, Timestamp, Txid};

    use super::Stop;
    use crate::{Command, Custody, Event, coins::Coin, event::Watched};

    #[test]
    fn coins_that_differ_from_the_books_stop_releases_once() {
        let mut state = Custody::default();
        let at = Timestamp::parse_seconds(1_557_249_324).unwrap();
        assert_eq!(state.decide(at, &Command::Reconcile), Ok(Vec::new()), "nothing differs");
        let coin = Coin {
            value: Sats::parse(1).unwrap(),
            watched: Watched::External(0),
            height: BlockHeight(1),
            coinbase: false,
            at_rest: true,
        };
        // As a bug or a damaged state would have it: no event makes a coin that no book knows.
        state.coins.insert(Outpoint { txid: Txid([1; 32]), vout: 0 }, coin).unwrap();
        let events = state.decide(at, &Command::Reconcile).unwrap();
        assert!(
            matches!(&events[..], [Event::ReleasesStopped(stopped)] if stopped.stop == Stop::Drift)
        );
        state.apply(at, &events[0]).unwrap();
        assert!(state.stops().any(|stop| stop == Stop::Drift));
        assert_eq!(state.decide(at, &Command::Reconcile), Ok(Vec::new()), "it is in force already");
    }
}
