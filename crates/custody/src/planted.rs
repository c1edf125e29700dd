//! Bugs that the simulator must find, so that we know it bites. They exist only with the feature
//! `planted-bugs`, which no release enables; without it [`active`] is always false and compiles to
//! nothing.

#[cfg(all(feature = "planted-bugs", not(debug_assertions)))]
compile_error!("the feature `planted-bugs` is for the simulator's tests only, never for a release");

/// One bug that somebody could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A withdrawal is accepted without looking at the balance.
    NoBalanceCheck,
    /// A withdrawal is accepted without holding its money.
    SkippedHold,
    /// A withdrawal ends unpaid and its hold stays.
    ForgottenVoid,
    /// A withdrawal stays in the queue when a batch takes it.
    DoubleBatch,
    /// A coin that a batch reserves stays spendable.
    CoinReservedTwice,
    /// A reorg does not take back what its blocks posted.
    ForgottenReversal,
    /// A deposit is credited at its first confirmation.
    CreditedTooEarly,
    /// A deposit that comes back after a reorg is credited again.
    CreditedTwice,
    /// A trade makes money withdrawable whose deposit has not matured.
    SharesForgotten,
    /// A withdrawal that was signed loses its pin when it queues again.
    PinForgotten,
    /// A batch of which the signer's answer was lost is dissolved.
    DissolvedUnasked,
    /// A batch posts no network fee.
    FeeNotPosted,
    /// The shell answers before the journal is durable.
    AnswerBeforeDurable,
    /// The shell broadcasts a signed batch before it is journaled.
    BroadcastBeforeJournal,
    /// The signer's bucket is full again after each restart.
    WindowResetAtRestart,
    /// The signer's bucket follows the wall clock.
    WindowFollowsWallClock,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 16] = [
        Self::NoBalanceCheck,
        Self::SkippedHold,
        Self::ForgottenVoid,
        Self::DoubleBatch,
        Self::CoinReservedTwice,
        Self::ForgottenReversal,
        Self::CreditedTooEarly,
        Self::CreditedTwice,
        Self::SharesForgotten,
        Self::PinForgotten,
        Self::DissolvedUnasked,
        Self::FeeNotPosted,
        Self::AnswerBeforeDurable,
        Self::BroadcastBeforeJournal,
        Self::WindowResetAtRestart,
        Self::WindowFollowsWallClock,
    ];
}

#[cfg(feature = "planted-bugs")]
std::thread_local! {
    static ACTIVE: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    ACTIVE.set(bug);
}

/// Whether this bug is planted in this thread.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn active(bug: Bug) -> bool {
    ACTIVE.get() == Some(bug)
}

/// Whether this bug is planted: never, without the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn active(_: Bug) -> bool {
    false
}
