//! A journal that lost what the signer has witnessed is never opened.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
};

use strongroom::house::wait_for;

use crate::support::{Stage, strongroom, words};

impl Stage {
    /// Waits until the signer has witnessed every entry.
    fn wait_until_witnessed(&self) {
        let monitor = self.monitor();
        wait_for("the signer to witness every entry", || {
            let metrics = monitor.get("/metrics")?;
            let metrics = metrics.as_str().unwrap_or_default().to_owned();
            let gauge = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().parse::<u64>().unwrap())
            };
            let entries = gauge("strongroom_journal_entries ");
            let witnessed = gauge("strongroom_journal_witnessed_entries ");
            Ok((entries.is_some() && entries == witnessed).then_some(()))
        })
        .unwrap();
    }

    /// Starts the server and expects it to refuse; gives what it said.
    fn refuses_to_open(&mut self) -> String {
        let log = self.log();
        let before = fs::read_to_string(&log).unwrap().len();
        let error = self.start_server().expect_err("the server must not open");
        assert!(error.to_string().contains("exit status: 1"), "{error:#}");
        let said = fs::read_to_string(&log).unwrap()[before..].to_owned();
        assert!(!said.contains("panicked"), "{said}");
        self.server = None;
        said
    }

    /// Makes this many entries.
    fn open_accounts(&self, first: u32, count: u32) {
        for number in first..first + count {
            self.operator().post_once("/ops/v1/accounts", &format!("person-{number}")).unwrap();
        }
    }

    /// The running server aborts by itself; gives what it said.
    fn aborts(&mut self) -> String {
        let server = self.server.as_mut().unwrap();
        let status = wait_for("the server to abort", || server.exited()).unwrap();
        assert_eq!(status.signal(), Some(6), "{status}");
        self.server = None;
        fs::read_to_string(self.log()).unwrap()
    }

    fn log(&self) -> std::path::PathBuf {
        self.config().with_file_name("server.log")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // A signer refuses a folder that is open to others.
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_older_copy_of_the_journal_is_refused_and_the_newer_one_opens() {
    let mut stage = Stage::new();
    stage.customer_with("alice", 10_000_000);
    stage.wait_until_witnessed();
    stage.end_server();
    let data = stage.journal().parent().unwrap().to_owned();
    let (old, new) = (data.with_file_name("old"), data.with_file_name("new"));
    copy(&data, &old);
    stage.start_server().unwrap();
    let bob = stage.customer("bob").unwrap();
    stage.wait_until_witnessed();
    stage.end_server();
    fs::rename(&data, &new).unwrap();
    fs::rename(&old, &data).unwrap();
    let said = stage.refuses_to_open();
    assert!(said.contains("witnessed"), "{said}");
    let journal = stage.journal();
    let head = stage.witnessed();
    let checked =
        strongroom(&["journal", "verify", journal.to_str().unwrap(), "--witnessed", &head]);
    assert_eq!(checked.status.code(), Some(6), "{}", words(&checked));
    assert!(words(&checked).contains("shorter-than-witness"), "{}", words(&checked));

    fs::remove_dir_all(&data).unwrap();
    fs::rename(&new, &data).unwrap();
    stage.start_server().unwrap();
    assert_eq!(crate::support::story::account(&bob)["total_sat"], 0);
    stage.finish();
}

#[test]
fn a_bit_that_flips_in_the_write_ahead_log_of_a_killed_server_is_noticed() {
    let mut stage = Stage::new();
    stage.customer_with("alice", 10_000_000);
    stage.wait_until_witnessed();
    stage.kill_server();
    let mut wal = stage.journal().into_os_string();
    wal.push("-wal");
    let whole = fs::read(&wal).unwrap();
    assert!(whole.len() > 4096, "the log holds what was not checkpointed");
    // The middle of the first page, of one in the middle, and of the last one. Behind the first
    // frame that does not add up SQLite sees nothing at all, and says nothing.
    let frame = 24 + 4096;
    let frames = (whole.len() - 32) / frame;
    for place in [0, frames / 2, frames - 1] {
        let mut flipped = whole.clone();
        flipped[32 + place * frame + 2000] ^= 1;
        fs::write(&wal, &flipped).unwrap();
        let said = stage.refuses_to_open();
        // In the last transaction it looks like a write that was torn, and only the head finds it.
        let named = if place == frames - 1 { "shorter-than-witness" } else { "tail-damaged" };
        assert!(said.contains(named), "frame {place} of {frames}: {said}");
        assert_eq!(fs::read(&wal).unwrap(), flipped, "what is damaged stays as it is");
        let journal = stage.journal();
        let arguments =
            ["journal", "verify", journal.to_str().unwrap(), "--witnessed", &stage.witnessed()];
        let checked = strongroom(&arguments);
        assert_eq!(checked.status.code(), Some(6), "{}", words(&checked));
        assert!(words(&checked).contains(named), "{}", words(&checked));
    }
    fs::write(&wal, &whole).unwrap();
    stage.start_server().unwrap();
    stage.finish();
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let mut stage = Stage::new();
    stage.customer("alice").unwrap();
    stage.wait_until_witnessed();
    stage.end_server();
    let data = stage.journal().parent().unwrap().to_owned();
    let kept = data.with_file_name("kept");
    fs::rename(&data, &kept).unwrap();
    let said = stage.refuses_to_open();
    assert!(said.contains("journal-lost"), "{said}");
    assert!(!stage.journal().exists(), "no new one is begun");
    let _made_by_the_refused_start = fs::remove_dir_all(&data);
    fs::rename(&kept, &data).unwrap();
    stage.start_server().unwrap();
    stage.finish();
}

/// A house that runs well on copies from before 20 entries, and the signer's folder from after them.
fn set_back() -> (Stage, PathBuf) {
    let mut stage = Stage::new();
    stage.wait_until_witnessed();
    stage.end_server();
    stage.kill_signer();
    let data = stage.journal().parent().unwrap().to_owned();
    let signer = stage.config().with_file_name("signer");
    let (old_data, old_signer) = (data.with_file_name("old"), data.with_file_name("old-signer"));
    copy(&data, &old_data);
    copy(&signer, &old_signer);
    stage.start_signer().unwrap();
    stage.start_server().unwrap();
    stage.open_accounts(0, 20);
    stage.wait_until_witnessed();
    stage.end_server();
    stage.kill_signer();
    let further = data.with_file_name("further-signer");
    fs::rename(&signer, &further).unwrap();
    fs::rename(&old_signer, &signer).unwrap();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&old_data, &data).unwrap();
    stage.start_signer().unwrap();
    stage.start_server().unwrap();
    stage.wait_until_ready().unwrap();
    stage.wait_until_witnessed();
    (stage, further)
}

/// The signer that was away is there again, and remembers more than the server ever told it.
fn let_it_remember(stage: &mut Stage, further: &Path) {
    let signer = stage.config().with_file_name("signer");
    fs::remove_dir_all(&signer).unwrap();
    fs::rename(further, &signer).unwrap();
    stage.start_signer().unwrap();
}

#[test]
fn a_running_server_aborts_when_its_signer_has_witnessed_more_than_its_journal_holds() {
    let (mut stage, further) = set_back();
    stage.kill_signer();
    let_it_remember(&mut stage, &further);
    // The witness is told of new entries only.
    stage.open_accounts(100, 1);
    let said = stage.aborts();
    assert!(said.contains("journal-shrunk"), "{said}");
    let said = stage.refuses_to_open();
    assert!(said.contains("witnessed"), "{said}");
}

#[test]
fn a_running_server_aborts_when_its_signer_has_witnessed_other_entries_than_its_journal_holds() {
    let (mut stage, further) = set_back();
    stage.kill_signer();
    stage.open_accounts(100, 40);
    let_it_remember(&mut stage, &further);
    let said = stage.aborts();
    assert!(said.contains("journal-forked"), "{said}");
    let said = stage.refuses_to_open();
    assert!(said.contains("witnessed"), "{said}");
}
