//! What the simulator says when an invariant does not hold.

use std::fmt;

/// A broken invariant: its name, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {found}")]
pub(crate) struct Found {
    pub(crate) invariant: &'static str,
    pub(crate) found: String,
}

impl Found {
    pub(crate) fn new(invariant: &'static str, found: impl Into<String>) -> Self {
        Self { invariant, found: found.into() }
    }

    /// The simulator itself came where it cannot come: a defect of the simulator.
    pub(crate) fn simulator(what: impl Into<String>) -> Self {
        Self::new("simulator", what)
    }
}

impl From<custody::invariants::Broken> for Found {
    fn from(broken: custody::invariants::Broken) -> Self {
        Self::new(broken.invariant, broken.found)
    }
}

/// The result of one check.
pub(crate) type Check = Result<(), Found>;

/// One run that broke an invariant. Its text says how to run it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed: with it the run happens again, byte for byte.
    pub seed: u64,
    /// The number of steps that was asked for.
    pub steps: u32,
    /// The step at which it was found, counted from 1; 0 during the founding, above `steps` during
    /// the quiet hours at the end.
    pub step: u32,
    /// The kind of world, if one was asked for.
    pub kind: Option<&'static str>,
    /// The bug that was planted, if one was.
    pub bug: Option<String>,
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
    /// The last lines of the trace, oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} broken at step {} of seed {}", self.invariant, self.step, self.seed)?;
        writeln!(f, "  {}", self.found)?;
        for line in &self.trace {
            writeln!(f, "  | {line}")?;
        }
        write!(f, "replay: cargo xtask simulate --seed {} --steps {}", self.seed, self.steps)?;
        if let Some(kind) = self.kind {
            write!(f, " --kind {kind}")?;
        }
        if let Some(bug) = &self.bug {
            write!(f, " --bug {bug}")?;
        }
        write!(f, " --trace")
    }
}

impl std::error::Error for Failure {}
