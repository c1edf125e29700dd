//! Random histories of a ledger. Another crate's tests may include this file as a module: it uses
//! only the public interface of `ledger`, `primitives` and `proptest`.
//!
//! A history is a list of [`Step`]s over a small chart of accounts, so that accounts meet often.
//! Most steps can succeed once some money came in; enough of them cannot, so that every refusal
//! turns up (a test counts them). Everything derives from proptest's own source of randomness and
//! shrinks: to fewer steps, smaller amounts, earlier accounts.

use ledger::{Code, Hold, HoldId, Ledger, LedgerAccountId, Refusal, Transfer};
use primitives::{AssetId, Sats};
use proptest::{collection::vec, prelude::*, sample::select};

/// One call of the ledger.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// [`Ledger::post`].
    Post(Vec<Transfer>),
    /// [`Ledger::hold`].
    Hold(HoldId, Hold),
    /// [`Ledger::void_hold`].
    Void(HoldId),
    /// [`Ledger::post_hold`].
    PostHold(HoldId, Vec<(LedgerAccountId, Sats)>),
    /// [`Ledger::post_hold`] of what is then pending under this name: so many thousandths of it go
    /// to the first account and the rest to the second.
    PostHoldInTwo(HoldId, u16, [LedgerAccountId; 2]),
}

impl Step {
    /// The plain step that this one means for `ledger` as it is now.
    #[must_use]
    pub(crate) fn resolve(self, ledger: &Ledger) -> Self {
        let Self::PostHoldInTwo(id, thousandths, [first, second]) = self else { return self };
        let whole = ledger.pending_hold(id).map_or(1, |hold| hold.amount.to_sat());
        let part = whole / 1000 * u64::from(thousandths);
        let parts = [(first, part), (second, whole - part)];
        let parts = parts.into_iter().filter(|&(_, part)| part > 0);
        Self::PostHold(id, parts.map(|(to, part)| (to, Sats::parse(part).unwrap())).collect())
    }

    /// What the ledger says it would answer.
    ///
    /// # Errors
    ///
    /// The ledger's refusal.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), Refusal> {
        match self.clone().resolve(ledger) {
            Self::Post(transfers) => ledger.check(&transfers),
            Self::Hold(id, hold) => ledger.check_hold(id, hold),
            Self::Void(id) => ledger.check_void_hold(id),
            Self::PostHold(id, to) => ledger.check_post_hold(id, &to),
            Self::PostHoldInTwo(..) => unreachable!("resolved"),
        }
    }

    /// Makes the call.
    ///
    /// # Errors
    ///
    /// The ledger's refusal.
    pub(crate) fn make(&self, ledger: &mut Ledger) -> Result<(), Refusal> {
        match self.clone().resolve(ledger) {
            Self::Post(transfers) => ledger.post(&transfers),
            Self::Hold(id, hold) => ledger.hold(id, hold),
            Self::Void(id) => ledger.void_hold(id),
            Self::PostHold(id, to) => ledger.post_hold(id, &to),
            Self::PostHoldInTwo(..) => unreachable!("resolved"),
        }
    }
}

/// The chart: coins in two tiers; available and held of two customers; fees. In two assets, of
/// which the second is rare.
#[must_use]
pub(crate) fn chart(asset: AssetId) -> Vec<LedgerAccountId> {
    let account = |code, owner| LedgerAccountId { asset, code, owner };
    vec![
        account(Code::debit_normal(1), 0),
        account(Code::debit_normal(1), 1),
        account(Code::credit_normal(1), 1),
        account(Code::credit_normal(1), 2),
        account(Code::credit_normal(2), 1),
        account(Code::credit_normal(2), 2),
        account(Code::credit_normal(3), 0),
    ]
}

/// Up to `steps_max` steps.
pub(crate) fn histories(steps_max: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 0..=steps_max)
}

/// One step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(deposit(), 1..3).prop_map(Step::Post),
        4 => vec(transfer(), 1..5).prop_map(Step::Post),
        6 => (hold_id(), hold()).prop_map(|(id, hold)| Step::Hold(id, hold)),
        2 => hold_id().prop_map(Step::Void),
        1 => (hold_id(), vec((account(), amount()), 0..3))
            .prop_map(|(id, to)| Step::PostHold(id, to)),
        3 => (hold_id(), 0..=1000_u16, [account(), account()])
            .prop_map(|(id, thousandths, to)| Step::PostHoldInTwo(id, thousandths, to)),
    ]
}

/// Money from outside, which makes everything else possible.
fn deposit() -> impl Strategy<Value = Transfer> {
    asset().prop_flat_map(|asset| {
        let (coins, owed) = (chart(asset)[..2].to_vec(), chart(asset)[2..].to_vec());
        (select(coins), select(owed), amount()).prop_map(|(debit, credit, amount)| Transfer {
            debit,
            credit,
            amount,
        })
    })
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let random = pair().prop_flat_map(|(debit, credit)| {
        amount().prop_map(move |amount| Transfer { debit, credit, amount })
    });
    prop_oneof![2 => deposit(), 5 => random]
}

fn hold() -> impl Strategy<Value = Hold> {
    let from_available = (1..=2_u64, 0..2_usize, amount()).prop_map(|(owner, to, amount)| {
        let chart = chart(AssetId::BITCOIN);
        let available = chart.iter().find(|id| id.code == Code::credit_normal(1));
        Hold { from: LedgerAccountId { owner, ..*available.unwrap() }, held: chart[4 + to], amount }
    });
    let random = (pair(), amount()).prop_map(|((from, held), amount)| Hold { from, held, amount });
    prop_oneof![2 => from_available, 1 => random]
}

/// Two accounts, mostly different and of one asset.
fn pair() -> impl Strategy<Value = (LedgerAccountId, LedgerAccountId)> {
    let different = (asset(), 0..7_usize, 1..7_usize).prop_map(|(asset, first, further)| {
        let chart = chart(asset);
        (chart[first], chart[(first + further) % chart.len()])
    });
    prop_oneof![19 => different, 1 => (account(), account())]
}

fn account() -> impl Strategy<Value = LedgerAccountId> {
    asset().prop_flat_map(|asset| select(chart(asset)))
}

fn asset() -> impl Strategy<Value = AssetId> {
    prop_oneof![9 => Just(AssetId::BITCOIN), 1 => Just(AssetId(2))]
}

/// Few names, so that they meet again.
fn hold_id() -> impl Strategy<Value = HoldId> {
    (0..4_u8).prop_map(|name| HoldId([name; 32]))
}

/// Mostly small; sometimes nothing, and sometimes near the most that an account can hold.
fn amount() -> impl Strategy<Value = Sats> {
    let most = Sats::MAX.to_sat();
    prop_oneof![
        40 => 1..=20_u64,
        8 => 1..=most / 8,
        1 => Just(0_u64),
        1 => most - 20..=most,
    ]
    .prop_map(|sats| Sats::parse(sats).unwrap())
}
