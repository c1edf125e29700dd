//! The demo: the main job on a throw-away regtest, told as a person would want to read it. It
//! refuses any other network: it makes its own node, and that node is regtest.

mod story;

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::print,
    client::{self, Caller, Client},
    house::{DescriptorKind, House, Programs, interrupt},
};

/// How often the running demo mines a block: nobody else does on a regtest of its own, and what is
/// broadcast would stay so for ever.
const BLOCK_EVERY: Duration = Duration::from_secs(10);

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
/// The first step that did not hold, or [`interrupt::Interrupted`].
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    interrupt::listen().context("listening for Ctrl-C")?;
    let told = tell(args);
    if told.is_err() {
        // Ctrl-C in a terminal ends the children too, so whatever failed may have failed for that.
        // Node, signer, server and the throw-away folder are gone by now.
        thread::sleep(Duration::from_millis(100));
        interrupt::check()?;
    }
    told
}

fn tell(args: &DemoArgs) -> anyhow::Result<()> {
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
    let program = std::env::current_exe()?;
    let programs = Programs::find(&program)?;
    let house = House::build(&dir, &programs, DescriptorKind::Taproot)?;
    story::tell(&house)?;
    if !args.exit {
        next(&house, &program, &programs.bitcoind)?;
        interrupt::repeat(BLOCK_EVERY, || mine(&house))?;
        // The terminal sends SIGINT to the children too; let them write their last lines.
        thread::sleep(Duration::from_millis(100));
    }
    print("\nEnding server, signer and node.")?;
    let journal = house.journal();
    house.close()?;
    if args.keep.is_some() {
        print(&format!("Kept in {}. Check the journal offline:", dir.display()))?;
        print(&format!("  {} journal verify {}", program.display(), journal.display()))?;
    }
    print("Every step held.")?;
    Ok(())
}

/// One block. A node that Ctrl-C has ended with us mines none, and that is no fault.
fn mine(house: &House) -> anyhow::Result<()> {
    let Err(fault) = house.node.mine(1) else { return Ok(()) };
    thread::sleep(Duration::from_millis(100));
    if interrupt::check().is_err() { Ok(()) } else { Err(fault).context("mining a block") }
}

fn next(house: &House, program: &Path, bitcoind: &Path) -> anyhow::Result<()> {
    let (url, monitor) = (house.url(), house.monitor_url());
    let (token, dir) = (house.token_file(), house.dir.display().to_string());
    let (token, program) = (token.display(), program.display());
    print(&format!(
        "
The server goes on, and a block is mined every {block} s. Try next, in another terminal:

  curl -s {url}/v1/deployment
  curl -s {monitor}/readyz
  curl -s {monitor}/metrics
  export STRONGROOM_SERVER={url} STRONGROOM_OPERATOR_TOKEN_FILE={token}
  {program} ops overview
  {program} ops withdrawals --status settled
  {program} customer account --key-file {dir}/alice.key
  {program} customer withdraw --key-file {dir}/alice.key --to {to} --amount-sat 1000000
  {program} customer withdrawals --key-file {dir}/alice.key --limit 3    # settled after three blocks
{pay_in}  {program} ops stop      # nothing is released any more
  {program} ops resume    # until now
  {signer} halt --admin-socket {admin} --reason drill    # nothing is signed any more
  {signer} resume --admin-socket {admin}

Ctrl-C ends it and leaves nothing behind.",
        block = BLOCK_EVERY.as_secs(),
        to = house.node.fresh_address()?,
        pay_in = pay_in(house, &program, bitcoind)?,
        signer = house.signer_program().display(),
        admin = house.admin_socket().display(),
    ))
}

/// How to pay alice, where the node came with the program for that.
fn pay_in(
    house: &House,
    program: &std::path::Display<'_>,
    bitcoind: &Path,
) -> anyhow::Result<String> {
    let cli = bitcoind.with_file_name("bitcoin-cli");
    if !cli.is_file() {
        return Ok(String::new());
    }
    let endpoint = house.node.endpoint();
    let port = endpoint.address.rsplit_once(':').map_or("", |(_, port)| port);
    let alice = client::read_key(&house.dir.join("alice.key"))?;
    let address = Client::new(&house.url(), Caller::Key(alice)).new_address("first")?;
    let (cli, node, dir) = (cli.display(), house.node.dir().display(), house.dir.display());
    Ok(format!(
        "  {cli} -regtest -datadir={node} -rpcport={port} sendtoaddress {address} 0.1
  {program} customer deposits --key-file {dir}/alice.key --limit 1
"
    ))
}
