//! The made-up world around the house, and its steps.

use custody::{Command, Custody};
use primitives::Timestamp;

use super::{
    Options,
    clients::Clients,
    clock::Clock,
    failure::{Check, Found},
    installation::{CUSTOMERS, house, params_of_run},
    journal::Journal,
    node::Node,
    observer::Observer,
    outsiders,
    profile::{Action, Profile},
    random::Random,
    report::Report,
    server::{Disks, Server},
    signer_host::SignerHost,
    trace::Trace,
    wire::Wire,
};

/// Everything that one run is made of.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) profile: Profile,
    pub(crate) clock: Clock,
    pub(crate) node: Node,
    pub(crate) wire: Wire,
    pub(crate) signer: SignerHost,
    pub(crate) disks: Disks,
    /// `None` while the server is down.
    pub(crate) server: Option<Server>,
    pub(crate) clients: Clients,
    pub(crate) observer: Observer,
    pub(crate) trace: Trace,
    pub(crate) report: Report,
    /// What was checked last: nothing is checked again that did not change.
    checked: Option<u64>,
}

impl World {
    /// The founding day.
    pub(crate) fn found(seed: u64, options: &Options) -> Result<Self, Found> {
        let mut random = Random::new(seed);
        let profile = Profile::draw(&mut random, options.kind);
        let kind = profile.kind.name();
        let clock = Clock::new();
        let signer = SignerHost::found(&clock)?;
        let mut trace = Trace::new(options.reader.clone());
        trace.line(format_args!("seed {seed}: {kind}"));
        let report = Report { seed, kind, ..Report::default() };
        let mut world = Self {
            node: Node::new(outsiders::funds(&mut random)),
            random,
            profile,
            clock,
            wire: Wire::default(),
            signer,
            disks: Disks::default(),
            server: None,
            clients: Clients::default(),
            observer: Observer::new()?,
            trace,
            report,
            checked: None,
        };
        world.found_house()?;
        Ok(world)
    }

    /// The journal of the founding day, and the parameters of this run.
    fn found_house(&mut self) -> Check {
        let mut server = Server::start(Custody::default(), Journal::default(), Timestamp::EPOCH);
        let founding = &house()?.founding;
        for (at, event) in founding {
            super::server::apply(&mut server.state, *at, event)?;
        }
        self.observer.attempts(&server.state)?;
        let appended = server.journal.append(&mut self.disks.journal, founding, None);
        appended.map_err(|_| Found::simulator("the founding crashed"))?;
        self.observer.durable(1, founding);
        self.observer.answered(&[]);
        let params = Box::new(params_of_run(&mut self.random)?);
        server.waiting.push_back(Command::Configure { params });
        self.server = Some(server);
        self.turn()?;
        if self.server.is_none() {
            self.restart_server()?;
        }
        for customer in 1..=CUSTOMERS {
            self.clock.pass(6_000);
            self.ask_address(customer)?;
        }
        self.turn()?;
        self.first_deposits()?;
        self.check()
    }

    /// Money comes in, and is buried under some blocks.
    fn first_deposits(&mut self) -> Check {
        for _ in 0..self.random.count(2, 10) {
            self.deposit();
        }
        for _ in 0..self.random.count(0, 4) {
            self.mine_including(1000)?;
        }
        self.follow()
    }

    /// One step: something happens, and then every invariant is checked.
    pub(crate) fn step(&mut self) -> Check {
        if self.server.is_none() && self.random.chance(700) {
            self.restart_server()?;
        }
        if !self.signer.is_up() && self.random.chance(500) {
            self.restart_signer()?;
        }
        let action = self.profile.draw_action(&mut self.random);
        self.act(action)?;
        self.clock.pass(self.random.between(0, 3_000));
        self.check()
    }

    fn act(&mut self, action: Action) -> Check {
        match action {
            Action::Pass => self.pass(),
            Action::ClockJump => self.jump_clock(),
            Action::Deposit => self.deposit(),
            Action::Unpay => self.unpay(),
            Action::Steal => self.steal(),
            Action::Gossip => self.gossip(),
            Action::Mine => return self.mine(),
            Action::Reorg => return self.reorg(),
            Action::Follow => return self.follow(),
            Action::Turn => return self.turn(),
            Action::Customer => return self.customer().and_then(|()| self.soon()),
            Action::Operator => return self.operator().and_then(|()| self.soon()),
            Action::Settle => return self.settle().and_then(|()| self.soon()),
            Action::Work => return self.work_on(),
            Action::Deliver => return self.deliver(),
            Action::GiveUp => return self.give_up(),
            Action::SignerHost => return self.signer_host(),
            Action::CrashServer => return self.crash_server(),
            Action::CrashSigner => return self.crash_signer(),
            Action::Snapshot => return self.snapshot(),
        }
        Ok(())
    }

    fn pass(&mut self) {
        let millis = match self.random.below(10) {
            0 => self.random.between(600_000, 3_600_000),
            1..=3 => self.random.between(60_000, 600_000),
            _ => self.random.between(1_000, 60_000),
        };
        self.trace.line(format_args!("{} s pass", millis / 1000));
        self.clock.pass(millis);
        self.tell(Command::Tick);
    }

    fn jump_clock(&mut self) {
        if self.clock.jumped() && self.random.chance(600) {
            self.clock.set_server_offset(0);
            self.clock.set_signer_offset(0);
            self.trace.line(format_args!("clocks are right again"));
            return;
        }
        let hours = i64::from(self.random.count(1, 48)).saturating_mul(3_600_000);
        let forward = self.random.chance(700);
        let offset = if forward { hours } else { hours.saturating_neg() };
        if self.random.chance(800) {
            self.clock.set_signer_offset(offset);
        } else {
            self.clock.set_server_offset(offset.checked_div(48).unwrap_or(0));
        }
        self.trace.line(format_args!("a clock jumps by up to {offset} ms"));
    }

    /// The core mostly takes its turn at once.
    fn soon(&mut self) -> Check {
        if self.random.chance(600) { self.turn() } else { Ok(()) }
    }

    /// The worker and the signer talk for a while. Either may die between two moments.
    fn work_on(&mut self) -> Check {
        for _ in 0..self.random.count(1, 12) {
            self.work()?;
            self.maybe_crash()?;
            if self.random.chance(900) {
                self.deliver()?;
            }
            self.maybe_crash()?;
            self.soon()?;
            self.check()?;
        }
        Ok(())
    }

    /// A process dies between two moments of one step.
    pub(crate) fn maybe_crash(&mut self) -> Check {
        if !self.random.chance(self.profile.crash_between) {
            return Ok(());
        }
        if self.random.chance(600) { self.crash_server() } else { self.crash_signer() }
    }

    fn deliver(&mut self) -> Check {
        if self.random.chance(self.profile.crash_in_signer) {
            self.signer.arm(&mut self.random);
        }
        if self.random.chance(900) {
            self.deliver_request()?;
        }
        if self.random.chance(900) { self.deliver_answer() } else { Ok(()) }
    }

    /// Gives the core a command, if the server is up.
    pub(crate) fn tell(&mut self, command: Command) {
        if let Some(server) = &mut self.server {
            server.waiting.push_back(command);
        }
    }

    /// The invariants, unless nothing has changed since they were checked.
    pub(crate) fn check(&mut self) -> Check {
        let news = self.signer.take_news();
        let signed = !news.is_empty();
        self.observer.signer_did(news)?;
        let Some(server) = &self.server else { return Ok(()) };
        let seq = server.state.seq();
        if self.checked != Some(seq) || signed {
            self.observer.follow_chain(&self.node, &server.state)?;
            self.observer.check(&server.state)?;
            self.checked = Some(seq);
        }
        Ok(())
    }

    /// What happened.
    pub(crate) fn report(mut self, steps: u32) -> Report {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.report.steps = steps;
        self.report.trace_digest = primitives::to_hex(&self.trace.digest());
        self.report.signed = self.observer.signatures.count();
        if let Some(server) = &self.server {
            let state = &server.state;
            let is = |name: &str| {
                count(state.withdrawals().filter(|(_, w)| w.state.name() == name).count())
            };
            self.report.events = state.seq();
            self.report.deposits = count(state.deposits().count());
            self.report.withdrawals = count(state.withdrawals().count());
            self.report.settled = is("settled");
            self.report.failed = is("failed");
            self.report.batches = count(state.batches().count());
        }
        self.report
    }

    /// A recovered state is checked whatever its sequence number.
    pub(crate) const fn check_again(&mut self) {
        self.checked = None;
    }
}
