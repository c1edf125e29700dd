//! Quiet hours at the end: no faults, honest blocks, operators at their desks. Afterwards every
//! withdrawal is paid or ended, or there is a visible reason.

use custody::{Command, withdrawal::OperatorId};

use super::{failure::Check, invariants::why_unpaid, signer_host::Act, world::World};

/// Rounds of ten minutes: enough for the buckets to refill and for every payout to be final.
const ROUNDS: u32 = 60;
/// Rounds in which nothing happened, after which nothing will.
const STILL: u32 = 10;
/// Tasks and messages of one round at most.
const TASKS_MAX: u32 = 60;
/// Tasks in a row without any effect, after which a round ends.
const IDLE_MAX: u32 = 5;

impl World {
    /// Quiet hours, then the question who was not paid.
    pub(crate) fn quiet_hours(&mut self) -> Check {
        self.calm_down()?;
        let mut still = 0_u32;
        for _ in 0..ROUNDS {
            let before = self.progress();
            self.quiet_round()?;
            still = if self.progress() == before { still.saturating_add(1) } else { 0 };
            if still >= STILL {
                break;
            }
        }
        self.everybody_is_paid()
    }

    fn calm_down(&mut self) -> Check {
        self.trace.line(format_args!("quiet hours begin"));
        self.profile.crash_in_append = 0;
        self.profile.crash_between = 0;
        self.profile.crash_in_signer = 0;
        self.profile.duplicates = 0;
        self.clock.set_server_offset(0);
        self.clock.set_signer_offset(0);
        if self.server.is_none() {
            self.restart_server()?;
        }
        // An armed crash goes off with the process.
        self.crash_signer()?;
        if !self.signer.is_up() {
            self.restart_signer()?;
        }
        self.host_acts(Act::AcceptWall)?;
        self.host_acts(Act::Resume)?;
        self.give_up()
    }

    /// What changes while anything happens; the tip alone is no progress.
    fn progress(&self) -> Option<(usize, u64)> {
        let server = self.server.as_ref()?;
        let ended = server.state.withdrawals().filter(|(_, w)| !w.state.holds_money()).count();
        let live = server.state.live_batches().map(|(id, batch)| (id, batch.state.name()));
        let mark = live.fold(0_u64, |sum, (id, name)| {
            let length = u64::try_from(name.len()).unwrap_or(0);
            sum.wrapping_mul(31).wrapping_add(id.0).wrapping_add(length)
        });
        Some((ended, mark))
    }

    /// A block, and all the work that it allows: whoever asks afterwards finds nothing that could
    /// have been done already.
    fn quiet_round(&mut self) -> Check {
        self.clock.pass(600_000);
        self.mine_including(1000)?;
        if let Some(server) = &mut self.server {
            server.worker.rested();
        }
        let stops: Vec<_> = self.server.iter().flat_map(|server| server.state.stops()).collect();
        for stop in stops {
            self.tell(Command::ResumeReleases { stop, by: OperatorId(1) });
        }
        self.tell(Command::Reconcile);
        self.tell(Command::Tick);
        self.gossip();
        self.settle_down()?;
        let mut idle = 0_u32;
        for _ in 0..TASKS_MAX {
            let before = self.wire.number();
            self.work()?;
            self.deliver_request()?;
            self.deliver_answer()?;
            let told = self.server.as_ref().is_some_and(|server| !server.waiting.is_empty());
            self.settle_down()?;
            // What the node does not take is tried again and again: one idle task proves nothing.
            let worked = told || before != self.wire.number();
            idle = if worked { 0 } else { idle.saturating_add(1) };
            if idle >= IDLE_MAX {
                break;
            }
        }
        self.settle_down()
    }

    /// Everything that waits is decided, and the core stands where the node stands.
    fn settle_down(&mut self) -> Check {
        loop {
            self.turn()?;
            self.check()?;
            let waits = self.server.as_ref().is_some_and(|server| !server.waiting.is_empty());
            if !waits && !self.follow_one() {
                return Ok(());
            }
        }
    }

    /// `queued-gets-paid`.
    fn everybody_is_paid(&mut self) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let now = self.clock.server().max(server.state.now());
        server.state.check_indexes()?;
        for (id, withdrawal) in server.state.withdrawals() {
            why_unpaid(&server.state, now, *id, withdrawal)?;
        }
        Ok(())
    }
}
