mod replay;

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use primitives::from_hex;
use signer_protocol::TreeHead;
use store::{Audit, Verdict, verify_and};

use super::{Failure, print};
use replay::{Claims, Fold};

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Check every entry of a journal; exit 0 if it is whole, 6 if not, naming the first bad entry.
    Verify {
        /// The journal's file; its `-wal` belongs to it.
        path: PathBuf,
        /// A head that was witnessed, as `SIZE:ROOT` with 64 hexadecimal digits: a journal that
        /// was cut short is a valid journal, and only this finds it.
        #[arg(long)]
        witnessed: Vec<String>,
        /// The shard of the witnessed heads.
        #[arg(long, default_value_t = 0)]
        shard: u16,
        /// Fold every event too, as a server does: compare each saved state that an entry names
        /// with what the events make, and check the books at the end; exit 6 where they differ,
        /// naming the entry. Reads the journal twice, and takes as much memory as the server.
        #[arg(long)]
        replay: bool,
    },
}

pub(super) fn run(command: JournalCommand) -> Result<(), Failure> {
    let JournalCommand::Verify { path, witnessed, shard, replay } = command;
    let witnessed = witnessed.iter().map(|text| parse_head(shard, text));
    let witnessed = witnessed.collect::<anyhow::Result<Vec<_>>>()?;
    let scratch = tempfile::tempdir().context("making a folder for a copy")?;
    let audit = Audit { path, scratch: scratch.path().to_path_buf(), identity: None, witnessed };
    let mut claims = Claims::default();
    let report = verify_and(&audit, &mut |entry| claims.note(&entry))?;
    print(&report.verdict.to_string())?;
    print(&format!("entries {}", report.size))?;
    if let Some(head) = report.head {
        print(&format!("head {}:{}", head.size, primitives::to_hex(&head.root)))?;
    }
    print(&format!("witnessed to {}", report.witnessed_to))?;
    print(&format!("write-ahead log: {}", report.log))?;
    if report.verdict != Verdict::Whole {
        return Err(Failure::CheckFailed);
    }
    if replay { fold(&audit, claims) } else { Ok(()) }
}

/// Only of a whole journal: what its entries say of saved states is known from the first reading.
fn fold(audit: &Audit, claims: Claims) -> Result<(), Failure> {
    let mut fold = Fold::new(claims);
    let report = verify_and(audit, &mut |entry| fold.take(&entry))?;
    if report.verdict != Verdict::Whole {
        print(&report.verdict.to_string())?;
        return Err(Failure::CheckFailed);
    }
    match fold.end() {
        Ok(said) => Ok(print(&said)?),
        Err(wrong) => {
            print(&wrong)?;
            Err(Failure::CheckFailed)
        }
    }
}

fn parse_head(shard: u16, text: &str) -> anyhow::Result<TreeHead> {
    let wrong = || anyhow!("--witnessed `{text}`: SIZE:ROOT with 64 hexadecimal digits is needed");
    let (size, root) = text.split_once(':').ok_or_else(wrong)?;
    Ok(TreeHead {
        shard,
        size: size.parse().map_err(|_| wrong())?,
        root: from_hex(root).map_err(|_| wrong())?,
    })
}
