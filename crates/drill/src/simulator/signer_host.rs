//! The signer's host: the real signer over a memory on simulated disks, with its own clocks and
//! its own crashes.

use std::{cell::RefCell, rc::Rc};

use custody::planted::{self, Bug};
use primitives::KeyId;
use signer::{
    Fault, Head, Memory, Record, Signer,
    governor::{Level, Levels},
    record::Reservation,
};
use signer_protocol::{
    Request, Response, TreeHead,
    message::{body_length, decode_body, encode_frame},
};

use super::{
    clock::Clock,
    disk::{CrashPoint, Crashed, LogFile},
    failure::Found,
    installation::{CUSTOMERS, UNLISTED, account, customer_key, house, key_id},
    journal::SHARD,
    random::Random,
};

/// What survives the signer's process.
#[derive(Debug, Default)]
struct Disk {
    log: LogFile,
    head: LogFile,
    /// After so many writes more, the process dies at this point of the next.
    crash: Option<(u32, CrashPoint)>,
    crashed: bool,
    /// Physical milliseconds that the signer had run when it was last given something to do.
    running_millis: u64,
    /// What became durable, or was found so at a start, since somebody last asked.
    news: News,
}

/// What the signer has durably done. Some of it repeats after a start.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Each with the physical milliseconds that the signer had run then.
    pub(crate) reserved: Vec<(Reservation, u64)>,
    pub(crate) signed: Vec<Vec<u8>>,
}

impl News {
    pub(crate) const fn is_empty(&self) -> bool {
        self.reserved.is_empty() && self.signed.is_empty()
    }
}

impl Disk {
    fn note(&mut self, record: &Record) {
        if let Record::Reserved(reservation) = record {
            self.news.reserved.push((reservation.clone(), self.running_millis));
        }
        if let Record::Signed { transaction, .. } = record {
            self.news.signed.push(transaction.clone());
        }
    }

    /// Whether this write is the last one.
    const fn due(&mut self) -> Option<CrashPoint> {
        match self.crash {
            Some((0, point)) => {
                self.crash = None;
                self.crashed = true;
                Some(point)
            }
            Some((writes, point)) => {
                self.crash = Some((writes.saturating_sub(1), point));
                None
            }
            None => None,
        }
    }
}

/// The memory that the signer is given: two files on a disk that outlives it.
pub(crate) struct DiskMemory {
    disk: Rc<RefCell<Disk>>,
    records: Vec<Vec<u8>>,
}

impl DiskMemory {
    fn write(&self, file: fn(&mut Disk) -> &mut LogFile, bytes: &[u8]) -> Result<(), Fault> {
        let mut disk = self.disk.borrow_mut();
        let due = disk.due();
        file(&mut disk).append(bytes, due).map_err(|Crashed| {
            Fault::memory("a simulated write", std::io::Error::other("the process died"))
        })
    }
}

fn damaged(what: impl std::fmt::Display) -> Fault {
    Fault::StateDamaged { what: format!("{what}") }
}

impl Memory for DiskMemory {
    fn replay(
        &mut self,
        each: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Option<Head>, Fault> {
        let mut disk = self.disk.borrow_mut();
        self.records = disk.log.open();
        let heads = disk.head.open();
        let head = heads.last().map(|bytes| borsh::from_slice::<Head>(bytes)).transpose();
        let head = head.map_err(damaged)?;
        let found = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        let expected = head.as_ref().map_or(0, |head| head.records);
        if found < expected {
            return Err(Fault::StateShorter { found, expected });
        }
        for bytes in &self.records {
            let mut record: Record = borsh::from_slice(bytes).map_err(damaged)?;
            disk.note(&record);
            if planted::active(Bug::WindowResetAtRestart)
                && let Record::Reserved(reservation) = &mut record
            {
                reservation.levels = full_buckets()?;
            }
            each(record)?;
        }
        Ok(head)
    }

    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        let bytes = borsh::to_vec(record).map_err(damaged)?;
        self.write(|disk| &mut disk.log, &bytes)?;
        self.records.push(bytes);
        self.disk.borrow_mut().note(record);
        Ok(())
    }

    fn read(&mut self, number: u64) -> Result<Record, Fault> {
        let bytes = usize::try_from(number).ok().and_then(|number| self.records.get(number));
        let bytes = bytes.ok_or_else(|| damaged("a record is missing"))?;
        borsh::from_slice(bytes).map_err(damaged)
    }

    fn store_head(&mut self, head: &Head) -> Result<(), Fault> {
        let bytes = borsh::to_vec(head).map_err(damaged)?;
        self.write(|disk| &mut disk.head, &bytes)
    }
}

/// The planted bug of a signer that forgets at each start what it has released.
fn full_buckets() -> Result<Levels, Fault> {
    let limits = &house().map_err(damaged)?.settings.limits;
    Ok(Levels {
        outer: Level::of(limits.outer.capacity),
        customer_signed: Level::of(limits.classes.customer_signed.capacity),
        server_vouched: Level::of(limits.classes.server_vouched.capacity),
    })
}

/// The host.
pub(crate) struct SignerHost {
    disk: Rc<RefCell<Disk>>,
    signer: Option<Signer<DiskMemory>>,
    /// Physical milliseconds that the signer has run, up to the last stop.
    ran: u64,
    up_since: u64,
    /// Whether it died over a write of its own since somebody last asked.
    died: bool,
}

impl SignerHost {
    /// A host whose signer was founded and knows the customers' keys.
    pub(crate) fn found(clock: &Clock) -> Result<Self, Found> {
        let disk = Rc::default();
        let mut host = Self { disk, signer: None, ran: 0, up_since: 0, died: false };
        host.open(clock)?;
        let now = clock.signer(false);
        let Some(signer) = host.signer.as_mut() else { return Ok(host) };
        for customer in (1..=CUSTOMERS).filter(|customer| *customer != UNLISTED) {
            let key: KeyId = key_id(customer_key(customer));
            let added = signer.add_key(account(customer), key, now);
            added.map_err(|error| Found::simulator(error.to_string()))?;
        }
        Ok(host)
    }

    fn open(&mut self, clock: &Clock) -> Result<(), Found> {
        self.note_time(clock);
        let memory = DiskMemory { disk: Rc::clone(&self.disk), records: Vec::new() };
        let opened = Signer::open(house()?.settings.clone(), memory);
        let signer = opened.map_err(|fault| Found::new("signer-recovers", fault.in_full()))?;
        self.signer = Some(signer);
        self.up_since = clock.elapsed();
        Ok(())
    }

    /// What becomes durable now, became so at this time.
    fn note_time(&self, clock: &Clock) {
        self.disk.borrow_mut().running_millis = self.running_millis(clock);
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.signer.is_some()
    }

    /// Physical milliseconds that the signer has run in all its life.
    pub(crate) const fn running_millis(&self, clock: &Clock) -> u64 {
        let now = if self.is_up() { clock.elapsed().saturating_sub(self.up_since) } else { 0 };
        self.ran.saturating_add(now)
    }

    /// Lets the process die in one of its next writes.
    pub(crate) fn arm(&mut self, random: &mut Random) {
        if !self.is_up() {
            return;
        }
        let crash = Some((random.count(0, 2), CrashPoint::any(random)));
        self.disk.borrow_mut().crash = crash;
    }

    /// Answers a frame; `None` where the process is down, or died over it.
    pub(crate) fn answer(
        &mut self,
        frame: &[u8],
        clock: &Clock,
        random: &mut Random,
    ) -> Result<Option<Vec<u8>>, Found> {
        self.note_time(clock);
        let Some(signer) = self.signer.as_mut() else { return Ok(None) };
        let now = clock.signer(planted::active(Bug::WindowFollowsWallClock));
        let response = signer.handle_body(body(frame)?, now, &house()?.keys);
        if let Response::Fault { detail } = &response {
            let died = self.disk.borrow().crashed;
            if !died {
                return Err(Found::new("signer-recovers", detail.clone()));
            }
            self.died = true;
            self.stop(clock, random);
            return Ok(None);
        }
        let answer = encode_frame(&response).map_err(|e| Found::simulator(e.to_string()))?;
        Ok(Some(answer))
    }

    /// What a server asks before it opens its journal; `None` where the process is down or has
    /// witnessed nothing.
    pub(crate) fn witnessed(
        &mut self,
        clock: &Clock,
        random: &mut Random,
    ) -> Result<Option<TreeHead>, Found> {
        let request = encode_frame(&Request::WitnessedHead { shard: SHARD });
        let request = request.map_err(|e| Found::simulator(e.to_string()))?;
        let Some(frame) = self.answer(&request, clock, random)? else { return Ok(None) };
        let response = decode_body(body(&frame)?);
        let response = response.map_err(|e| Found::simulator(e.to_string()))?;
        let Response::Witnessed { head } = response else {
            return Err(Found::simulator("a head was asked for, and none was answered"));
        };
        Ok(head)
    }

    /// The operator of the signer's host acts: stores the time, halts, resumes, trusts the clock.
    pub(crate) fn act(
        &mut self,
        act: Act,
        clock: &Clock,
        random: &mut Random,
    ) -> Result<(), Found> {
        let Some(signer) = self.signer.as_mut() else { return Ok(()) };
        let now = clock.signer(planted::active(Bug::WindowFollowsWallClock));
        let done = match act {
            Act::Checkpoint => signer.checkpoint(now).map_err(signer::AdminError::Fault),
            Act::Halt => signer.halt("drill", now),
            Act::Resume => signer.resume(now),
            Act::AcceptWall => signer
                .halt("the clock was wrong", now)
                .and_then(|()| signer.accept_wall_clock(now))
                .and_then(|()| signer.resume(now)),
        };
        match done {
            Ok(()) => Ok(()),
            Err(_) if self.disk.borrow().crashed => {
                self.died = true;
                self.stop(clock, random);
                Ok(())
            }
            Err(error) => Err(Found::new("signer-recovers", error.to_string())),
        }
    }

    /// The process ends, by a power cut or a kill.
    pub(crate) fn stop(&mut self, clock: &Clock, random: &mut Random) {
        self.ran = self.running_millis(clock);
        self.signer = None;
        let mut disk = self.disk.borrow_mut();
        disk.crash = None;
        disk.crashed = false;
        if random.chance(700) {
            disk.log.cut_power(random);
            disk.head.cut_power(random);
        } else {
            disk.log.flush();
            disk.head.flush();
        }
    }

    pub(crate) const fn take_death(&mut self) -> bool {
        std::mem::replace(&mut self.died, false)
    }

    /// The process starts again from what is durable.
    pub(crate) fn start(&mut self, clock: &mut Clock, random: &mut Random) -> Result<(), Found> {
        clock.restart_signer(random.below(1_000_000));
        self.open(clock)
    }

    /// What became durable since this was last asked.
    pub(crate) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.disk.borrow_mut().news)
    }
}

/// What an operator does on the signer's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Checkpoint,
    Halt,
    Resume,
    AcceptWall,
}

/// The body of a frame, as a socket's reader would cut it out.
pub(crate) fn body(frame: &[u8]) -> Result<&[u8], Found> {
    let (prefix, body) =
        frame.split_first_chunk().ok_or_else(|| Found::simulator("a frame without a length"))?;
    match body_length(*prefix) {
        Ok(length) if length == body.len() => Ok(body),
        _ => Err(Found::simulator("a frame whose length is not its body's")),
    }
}
