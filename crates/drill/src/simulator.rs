//! One seed, one run, byte for byte: the real domain and the real signer in a made-up world of
//! blocks, reorgs, disks that tear, processes that die, customers, operators and thieves.
//!
//! After every step the [`INVARIANTS`] are checked. What is modelled and what is not stands in
//! `docs/simulator.md`.

use custody::planted::Bug;

mod clients;
mod clock;
mod convert;
mod disk;
mod door;
mod failure;
mod follower;
mod installation;
mod invariants;
mod journal;
mod lives;
mod miners;
mod mirror;
mod node;
mod observer;
mod operators;
mod outsiders;
mod profile;
mod quiet;
mod random;
mod report;
mod server;
mod signer_host;
mod trace;
mod wire;
mod worker;
mod world;

pub use failure::Failure;
pub use invariants::INVARIANTS;
pub use profile::Kind;
pub use report::Report;
pub use trace::Reader;

use failure::{Check, Found};
use world::World;

/// How a run is watched, and what is planted in it.
#[derive(Clone, Default)]
pub struct Options {
    /// Reads every line of the trace as it is made.
    pub reader: Option<Reader>,
    /// What kind of world it is; drawn from the seed where it is left out.
    pub kind: Option<Kind>,
    /// A bug that the run should find. It is planted only in a build with the feature
    /// `planted-bugs`; without that nothing is planted and nothing found.
    pub bug: Option<Bug>,
}

/// Runs the world of `seed` for `steps` steps; most worlds end with quiet hours.
///
/// # Errors
///
/// The [`Failure`] that was found first. Its text says how to see it again.
pub fn simulate(seed: u64, steps: u32, options: &Options) -> Result<Report, Box<Failure>> {
    let _planted = Planted::new(options.bug);
    let failure = |step, found: Found, trace: Vec<String>| {
        let Found { invariant, found } = found;
        let bug = options.bug.map(|bug| format!("{bug:?}"));
        let kind = options.kind.map(Kind::name);
        Box::new(Failure { seed, steps, step, kind, bug, invariant, found, trace })
    };
    let mut world = World::found(seed, options).map_err(|found| failure(0, found, Vec::new()))?;
    for step in 1..=steps {
        world.step().map_err(|found| failure(step, found, world.trace.last_lines()))?;
    }
    let end = steps.saturating_add(1);
    finish(&mut world).map_err(|found| failure(end, found, world.trace.last_lines()))?;
    Ok(world.report(steps))
}

fn finish(world: &mut World) -> Check {
    if world.random.chance(world.profile.quiet) { world.quiet_hours() } else { Ok(()) }
}

/// A bug that is planted in this thread until this is dropped.
struct Planted;

impl Planted {
    #[cfg(feature = "planted-bugs")]
    fn new(bug: Option<Bug>) -> Self {
        custody::planted::plant(bug);
        Self
    }

    #[cfg(not(feature = "planted-bugs"))]
    const fn new(_: Option<Bug>) -> Self {
        Self
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        #[cfg(feature = "planted-bugs")]
        custody::planted::plant(None);
    }
}
