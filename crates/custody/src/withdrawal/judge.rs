//! The simple amount policy: large amounts cool down, larger ones go to review. The full policy
//! replaces this file.

use primitives::{Sats, Timestamp};

use super::{Rule, Verdict};
use crate::Params;

/// What the rules say of `amount` at `now`; `cooled` once its cool-down is over.
pub(super) fn judge(params: &Params, amount: Sats, now: Timestamp, cooled: bool) -> Verdict {
    if amount >= params.cool_down_from && !cooled {
        let until = now.saturating_add(params.cool_down);
        return Verdict::Delay { until, rule: Rule::AmountCoolDown };
    }
    if amount >= params.review_from {
        return Verdict::Review { rule: Rule::AmountReview };
    }
    Verdict::Allow { releases_at: now.saturating_add(params.release_window) }
}
