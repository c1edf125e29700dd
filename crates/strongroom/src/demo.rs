//! The demo: the main job on a throw-away regtest, told as a person would want to read it. It
//! refuses any other network: it makes its own node, and that node is regtest.

mod story;

use std::{path::PathBuf, thread, time::Duration};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::print,
    house::{House, Programs},
};

/// How the demo runs.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stop after the story; exit 0 only if every step held.
    #[arg(long)]
    exit: bool,
    /// Leave journal, signer state and logs in this new folder.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Runs the demo.
///
/// # Errors
///
/// The first step that did not hold.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("making a throw-away folder")?;
    let dir = match &args.keep {
        Some(dir) => {
            std::fs::create_dir(dir)
                .with_context(|| format!("making {}: it must not exist yet", dir.display()))?;
            std::path::absolute(dir)?
        }
        None => scratch.path().to_path_buf(),
    };
    print("Strongroom demo: a throw-away regtest; nothing here is money.")?;
    print(&format!("Everything is in {}.\n", dir.display()))?;
    let programs = Programs::find(&std::env::current_exe()?)?;
    let house = House::build(&dir, &programs)?;
    story::tell(&house)?;
    if !args.exit {
        next(&house)?;
        wait_for_interrupt()?;
    }
    print("\nEnding server, signer and node.")?;
    let journal = house.journal();
    house.close()?;
    if args.keep.is_some() {
        print(&format!("Kept in {}. Check the journal offline:", dir.display()))?;
        print(&format!("  strongroom journal verify {}", journal.display()))?;
    }
    print("Every step held.")?;
    Ok(())
}

fn next(house: &House) -> anyhow::Result<()> {
    let (url, monitor) = (house.url(), house.monitor_url());
    let (token, dir) = (house.token_file(), house.dir.display().to_string());
    let token = token.display();
    print(&format!(
        "
The server goes on. Try next, in another terminal:

  curl -s {url}/v1/deployment
  curl -s {monitor}/readyz
  curl -s {monitor}/metrics
  export STRONGROOM_SERVER={url} STRONGROOM_OPERATOR_TOKEN_FILE={token}
  strongroom ops overview
  strongroom customer account --key-file {dir}/alice.key
  strongroom customer withdrawals --key-file {dir}/alice.key
  strongroom ops stop        # nothing is released until: strongroom ops resume
  {signer} halt --admin-socket {admin} --reason drill

Ctrl-C ends it and leaves nothing behind.",
        signer = house.signer_program().display(),
        admin = house.admin_socket().display(),
    ))?;
    Ok(())
}

fn wait_for_interrupt() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::signal::ctrl_c().await })?;
    // The terminal sends SIGINT to the children too; let them write their last lines.
    thread::sleep(Duration::from_millis(100));
    Ok(())
}
