//! What other processes take of the machine: a figure that was measured beside a compiler is worth
//! little, and must say so.

use std::{fs, thread, time::Duration};

/// The share of all processors from which a figure is called noisy.
const NOISY_FROM: f64 = 0.05;
/// How long a quiet machine is waited for, in tries of [`TRY`].
const TRIES: u32 = 6;
const TRY: Duration = Duration::from_millis(500);

/// Processor time so far, in ticks of the kernel.
struct Ticks {
    /// Of all processors, at work or idle.
    total: u64,
    /// At work, and what the host took away.
    busy: u64,
    /// At work for this process and the children that have ended.
    own: u64,
}

impl Ticks {
    fn now() -> Self {
        let all = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = all.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already.
        let fields: Vec<u64> =
            first.split_whitespace().skip(1).take(8).filter_map(|it| it.parse().ok()).collect();
        let total = fields.iter().sum();
        let idle: u64 = fields.iter().skip(3).take(2).sum();
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // After the name, which may hold blanks, the 12th to 15th fields are processor times.
        let fields = own.rsplit(')').next().unwrap_or_default().split_whitespace();
        let own = fields.skip(11).take(4).filter_map(|it| it.parse::<u64>().ok()).sum();
        Self { total, busy: total - idle, own }
    }

    /// What others took of the machine since `earlier`.
    fn others_since(&self, earlier: &Self) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy);
        let others = busy.saturating_sub(self.own.saturating_sub(earlier.own));
        others as f64 / (self.total.saturating_sub(earlier.total)).max(1) as f64
    }
}

/// Watches the machine while something is measured.
pub struct Watch(Ticks);

impl Watch {
    /// Waits for a quiet machine, though not for ever, and begins.
    pub fn begin() -> Self {
        for _ in 0..TRIES {
            let before = Ticks::now();
            thread::sleep(TRY);
            if Ticks::now().others_since(&before) < NOISY_FROM {
                break;
            }
        }
        Self(Ticks::now())
    }

    /// Processor time of this process since the beginning, in seconds.
    pub fn own_seconds(&self) -> f64 {
        // Linux counts in hundredths of a second wherever a program can see it (USER_HZ).
        Ticks::now().own.saturating_sub(self.0.own) as f64 / 100.0
    }

    /// What others took of the machine since the beginning, and whether that is too much.
    pub fn others(&self) -> (f64, bool) {
        let share = Ticks::now().others_since(&self.0);
        (share, share >= NOISY_FROM)
    }
}
