//! Turns, crashes and recoveries of the two processes.

use custody::{
    Command, Custody, STATE_VERSION,
    event::SnapshotTaken,
    planted::{self, Bug},
};
use sha2::{Digest, Sha256};

use super::{
    disk::CrashPoint,
    failure::{Check, Found},
    journal::{Dated, Journal, Stopped},
    observer::digest,
    server::{Disks, Server, Turn, apply},
    world::World,
};

/// The invariant that a state which the journal does not make breaks.
const NAME: &str = "replay-equals-live";

impl World {
    /// The core takes a turn: decide, apply, append once, and only then answer.
    pub(crate) fn turn(&mut self) -> Check {
        let now = self.clock.server();
        let Some(server) = &mut self.server else { return Ok(()) };
        let turn = server.take_turn(now)?;
        if turn.answers.is_empty() {
            return Ok(());
        }
        self.observer.attempts(&server.state)?;
        if planted::active(Bug::AnswerBeforeDurable) {
            self.observer.answered(&turn.answers);
        }
        let crashes = !turn.events.is_empty() && self.random.chance(self.profile.crash_in_append);
        let crash = crashes.then(|| CrashPoint::any(&mut self.random));
        let first = server.journal.size().saturating_add(1);
        if !turn.events.is_empty() {
            match server.journal.append(&mut self.disks.journal, &turn.events, crash) {
                Ok(()) => {}
                Err(Stopped::Crashed) => {
                    self.trace.line(format_args!("turn: crash {crash:?}"));
                    return self.crash_server();
                }
                Err(Stopped::Found(found)) => return Err(found),
            }
        }
        self.observer.durable(first, &turn.events);
        self.observer.answered(&turn.answers);
        self.tell_of(&turn);
        Ok(())
    }

    fn tell_of(&mut self, turn: &Turn) {
        for answer in &turn.answers {
            match &answer.outcome {
                Ok(()) => self.trace.line(format_args!("turn: {}", answer.command)),
                Err(refusal) => {
                    if let (Some(server), "assemble-batch") = (&mut self.server, answer.command) {
                        server.worker.rest();
                    }
                    self.report.count_refusal(refusal.id());
                    self.trace.line(format_args!("turn: {} refused: {refusal}", answer.command));
                }
            }
        }
        for (_, event) in &turn.events {
            self.trace.line(format_args!("event: {}", event.name()));
            self.report.count_event(event.name());
        }
    }

    /// The server's process ends, by a power cut or a kill; the connection breaks.
    pub(crate) fn crash_server(&mut self) -> Check {
        if self.server.take().is_none() {
            return Ok(());
        }
        self.report.server_crashes = self.report.server_crashes.saturating_add(1);
        let power = self.random.chance(700);
        self.trace.line(format_args!("server: crash, power cut {power}"));
        if power {
            self.disks.journal.cut_power(&mut self.random);
            self.disks.snapshots.cut_power(&mut self.random);
        } else {
            self.disks.journal.flush();
            self.disks.snapshots.flush();
        }
        self.drop_connection()?;
        if self.random.chance(850) { self.restart_server() } else { Ok(()) }
    }

    /// The server starts again from its disks alone.
    pub(crate) fn restart_server(&mut self) -> Check {
        // Longer, mostly, than requests of the life before are refused for.
        self.clock.pass(self.random.between(1_000, 15_000));
        self.alter_snapshot()?;
        let begun = self.begin()?;
        let recovered = recover(&mut self.disks, begun, self.observer.acknowledged_seq())?;
        let Recovered { state, journal, events, skipped, acknowledged, digest } = recovered;
        self.observer.acknowledged_survives(&state)?;
        self.observer.same_history(acknowledged)?;
        self.observer.recovered(state.seq(), digest)?;
        if self.random.chance(50) {
            state.check_indexes()?;
        }
        if skipped > 0 {
            self.report.snapshots_used = self.report.snapshots_used.saturating_add(1);
            if self.random.chance(200) {
                self.same_without_snapshot(&state, digest)?;
            }
        }
        self.observer.durable(skipped.saturating_add(1), &events);
        self.report.recoveries = self.report.recoveries.saturating_add(1);
        self.trace.line(format_args!("server: recovered {} events", state.seq()));
        self.server = Some(Server::start(state, journal, self.clock.server()));
        self.check_again();
        Ok(())
    }

    /// The state of a snapshot and its tail decides as the state of the whole journal does.
    fn same_without_snapshot(&mut self, state: &Custody, digest: u64) -> Check {
        let recovered = recover(&mut self.disks, Custody::default(), 0)?;
        let (whole, of_whole) = (recovered.state, recovered.digest);
        let alike = |command: &Command| {
            let now = self.clock.server();
            state.decide(now, command) == whole.decide(now, command)
        };
        let same = of_whole == digest && alike(&Command::Advance) && alike(&Command::Tick);
        if same {
            return Ok(());
        }
        let found = "a snapshot with its tail is not the state that the journal makes";
        Err(Found::new(NAME, found))
    }

    /// The signer's process ends.
    pub(crate) fn crash_signer(&mut self) -> Check {
        if !self.signer.is_up() {
            return Ok(());
        }
        self.trace.line(format_args!("signer: crash"));
        self.signer.stop(&self.clock, &mut self.random);
        self.wire.to_signer.clear();
        self.report.signer_crashes = self.report.signer_crashes.saturating_add(1);
        if self.random.chance(850) { self.restart_signer() } else { Ok(()) }
    }

    /// Counts a signer that died over a write of its own.
    pub(crate) fn note_signer(&mut self) {
        if self.signer.take_death() {
            self.trace.line(format_args!("signer: died over a write"));
            self.report.signer_crashes = self.report.signer_crashes.saturating_add(1);
        }
    }

    /// The signer starts again from its disk alone.
    pub(crate) fn restart_signer(&mut self) -> Check {
        self.signer.start(&mut self.clock, &mut self.random)?;
        self.report.recoveries = self.report.recoveries.saturating_add(1);
        self.trace.line(format_args!("signer: recovered"));
        Ok(())
    }

    /// The state with which a start begins: mostly that of the newest snapshot which an entry
    /// names that the signer has witnessed. One that cannot be asked lets the whole journal be
    /// replayed, and so does a die, since each way must lead to the same state.
    fn begin(&mut self) -> Result<Custody, Found> {
        let head = self.signer.witnessed(&self.clock, &mut self.random)?;
        let Some(head) = head.filter(|_| self.random.chance(700)) else {
            return Ok(Custody::default());
        };
        let names = Journal::names(&mut self.disks.journal, head.size)?;
        for bytes in self.disks.snapshots.open().iter().rev() {
            if let Some(seq) = names.get(&sha256(bytes)) {
                let state = read(bytes)?;
                return if state.seq() == *seq { Ok(state) } else { Err(misnamed(*seq)) };
            }
            self.report.snapshots_passed_over = self.report.snapshots_passed_over.saturating_add(1);
        }
        Ok(Custody::default())
    }

    /// Somebody who owns the server's disk puts another state in front of the newest: the time of
    /// its last event is another, so that whoever begins with it is found out.
    fn alter_snapshot(&mut self) -> Check {
        if !self.random.chance(100) {
            return Ok(());
        }
        let Some(mut bytes) = self.disks.snapshots.open().pop() else { return Ok(()) };
        if let Some(byte) = bytes.get_mut(8) {
            *byte ^= 1;
        }
        self.trace.line(format_args!("server: the newest snapshot was altered"));
        let written = self.disks.snapshots.append(&bytes, None);
        written.map_err(|_| Found::simulator("a disk without a crash"))
    }

    /// The server stores its state, so that a start needs less of the journal, and has the journal
    /// name it. It may die between the two.
    pub(crate) fn snapshot(&mut self) -> Check {
        let Some(server) = &self.server else { return Ok(()) };
        let bytes = server.state.to_bytes().map_err(|e| Found::simulator(e.to_string()))?;
        let crash = self.random.chance(100).then(|| CrashPoint::any(&mut self.random));
        self.trace.line(format_args!("server: snapshot at {}", server.state.seq()));
        match self.disks.snapshots.append(&bytes, crash) {
            Ok(()) => {
                let (seq, digest) = (server.state.seq(), sha256(&bytes));
                let taken = SnapshotTaken { seq, state_version: STATE_VERSION, digest };
                self.tell(Command::RecordSnapshot { taken });
                self.maybe_crash()
            }
            Err(_) => self.crash_server(),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn read(bytes: &[u8]) -> Result<Custody, Found> {
    let read = Custody::from_bytes(bytes);
    read.map_err(|error| Found::new(NAME, format!("a snapshot cannot be read: {error}")))
}

fn misnamed(seq: u64) -> Found {
    Found::new(NAME, format!("the state that is named as of entry {seq} is of another"))
}

/// What a start finds.
struct Recovered {
    state: Custody,
    journal: Journal,
    /// Events that no snapshot held.
    events: Vec<Dated>,
    /// Events that a snapshot held.
    skipped: u64,
    /// The state's digest.
    digest: u64,
    /// Its digest at the sequence number that was asked for, where the replay passed it.
    acknowledged: Option<u64>,
}

/// Reads the journal behind `state`, which is what a snapshot held or nothing. Nothing else is
/// known of the past.
fn recover(disks: &mut Disks, mut state: Custody, acknowledged: u64) -> Result<Recovered, Found> {
    let skipped = state.seq();
    let (journal, events) = Journal::open(&mut disks.journal, skipped)?;
    if journal.size() < skipped {
        let found = format!("a snapshot holds {skipped} events, the journal {}", journal.size());
        return Err(Found::new("acknowledged-survives", found));
    }
    let mut passed = None;
    for (at, event) in &events {
        apply(&mut state, *at, event)?;
        if state.seq() == acknowledged {
            passed = Some(digest(&state)?);
        }
    }
    drop(state.take_touched());
    // Most crashes leave nothing behind what was acknowledged.
    let digest = match passed {
        Some(passed) if state.seq() == acknowledged => passed,
        Some(_) | None => digest(&state)?,
    };
    Ok(Recovered { state, journal, events, skipped, digest, acknowledged: passed })
}
