use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::clock;

/// How long a process may take to end when it is asked.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// A process of the house; its output goes to a log. Killed when dropped.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`, appending its output to `log`.
    pub(super) fn start(name: &str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), log: log.to_path_buf(), child })
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit, if it has ended.
    ///
    /// # Errors
    ///
    /// Where the operating system cannot say.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM, and waits until it has ended well.
    ///
    /// # Errors
    ///
    /// Where it does not end, or not well.
    pub fn end(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("sending SIGTERM")?;
        let asked = clock::monotonic();
        while asked.elapsed() < END_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("{} ended with {status}; see {}", self.name, self.log.display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "{} did not end in {} s; see {}",
            self.name,
            END_PATIENCE.as_secs(),
            self.log.display()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
