//! A server that cannot be what it was configured to be does not start, and says why.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use strongroom::house::wait_for;

use crate::support::{Stage, program, strongroom, words};

impl Stage {
    /// Runs `strongroom serve` with a changed configuration and gives what it says as it refuses.
    fn refuses(&self, old: &str, new: &str) -> String {
        let whole = fs::read_to_string(self.config()).unwrap();
        assert!(whole.contains(old), "no `{old}` in {whole}");
        let other = self.config().with_file_name("other.toml");
        fs::write(&other, whole.replace(old, new)).unwrap();
        let mut command = Command::new(program());
        command.args(["serve", "--config"]).arg(&other).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let ended = wait_for("the server to refuse", || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{new}: {}", words(&output));
        let said = words(&output);
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// `strongroom config-check` on a file beside the configuration.
    fn checks(&self, name: &str) -> Output {
        let file = self.config().with_file_name(name);
        strongroom(&["config-check", "--config", file.to_str().unwrap()])
    }
}

#[test]
fn a_wrong_configuration_is_refused_and_the_key_is_named() {
    let mut stage = Stage::new();
    stage.end_server();
    let other = "11".repeat(32);
    let deployment = format!("signer.sock\"\ndeployment = \"{other}\"");
    let said = stage.refuses("signer.sock\"", &deployment);
    assert!(said.contains(&format!("signer.deployment: {other} is wanted")), "{said}");
    for (old, new, named) in [
        ("round_millis = 100", "round_millis = 100\ncolour = 3", "colour"),
        ("poll_millis = 100", "poll_millis = \"soon\"", "poll_millis"),
        ("network = \"regtest\"", "network = \"moon\"", "network"),
        ("network = \"regtest\"", "network = \"mainnet\"", "accept_evaluation_grade"),
        ("network = \"regtest\"", "network = \"signet\"", "signer.socket"),
        ("authorities = [", "authorities = [\"https://a.example\", ", "http.authorities"),
        ("confirmations_fixed = 3", "attacker_permille = 600", "deposits.attacker_permille"),
        ("confirmations_fixed = 3", "majority_permille = 999", "deposits.majority_permille"),
        ("final_confirmations = 3", "final_confirmations = 0", "final_confirmations"),
        ("round_millis = 100", "fee_target_blocks = 0", "payouts.fee_target_blocks"),
        ("signer.sock\"", "signer.sock\"\ndeployment = \"00\"", "signer.deployment"),
        ("cool_down_seconds = 3", "cool_down_seconds = 259200", "withdrawals.cool_down_seconds"),
        ("retry_seconds = 2", "batch_outputs_max = 0", "payouts.batch_outputs_max"),
        ("review_from_sat = 200000000", "min_sat = 2100000000000001", "withdrawals.min_sat"),
        ("operator-token\"", "no-such-token\"", "operator.token_file"),
    ] {
        let said = stage.refuses(old, new);
        assert!(said.contains(named), "`{new}`: {said}");
        assert!(said.matches("TOML parse error").count() < 2, "it is said once: {said}");
        // What needs no signer is said by the check alone, in the same words.
        let checked = stage.checks("other.toml");
        if new.contains("signet") {
            assert!(checked.status.success(), "{}", words(&checked));
        } else {
            assert_eq!(checked.status.code(), Some(1), "`{new}`: {}", words(&checked));
            assert!(words(&checked).contains(named), "`{new}`: {}", words(&checked));
        }
    }
    let checked = stage.checks("strongroom.toml");
    assert!(checked.status.success(), "{}", words(&checked));
    let token = stage.token_file();
    let secret = fs::read_to_string(&token).unwrap();
    fs::write(&token, "short\n").unwrap();
    let said = stage.refuses("round_millis = 100", "round_millis = 100");
    assert!(said.contains("operator.token_file") && said.contains("32"), "{said}");
    fs::write(&token, &secret).unwrap();
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = stage.refuses("round_millis = 100", "round_millis = 100");
    assert!(said.contains("operator.token_file") && said.contains("chmod 600"), "{said}");
    assert!(!said.contains(secret.trim()), "the token is not shown");
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    stage.start_server().unwrap();
    stage.finish();
}

#[test]
fn a_second_server_on_the_same_journal_is_refused() {
    let stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    // Its own port would be refused too; the journal comes first.
    let said = stage.refuses("listen = \"127.0.0.1:", "listen = \"127.0.0.2:");
    assert!(said.contains("journal"), "{said}");
    assert_eq!(crate::support::story::account(&alice)["total_sat"], 0, "the first one goes on");
    stage.finish();
}

#[test]
fn a_start_that_is_refused_makes_no_journal_and_binds_the_installation_to_nothing() {
    let mut stage = Stage::new();
    stage.end_server();
    let whole = fs::read_to_string(stage.config()).unwrap();
    let line = whole.lines().find(|line| line.starts_with("data_dir")).unwrap();
    let other = stage.config().with_file_name("other-data");
    let elsewhere = whole.replace(line, &format!("data_dir = \"{}\"", other.display()));
    fs::write(stage.config(), &elsewhere).unwrap();
    let said = stage.refuses("network = \"regtest\"", "network = \"signet\"");
    assert!(said.contains("signer.socket"), "{said}");
    // Somebody else listens where the monitor should.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let line = whole.lines().find(|line| line.starts_with("monitor_listen")).unwrap();
    let taken = taken.local_addr().unwrap();
    let said = stage.refuses(line, &format!("monitor_listen = \"{taken}\""));
    assert!(said.contains(&taken.to_string()), "{said}");
    assert!(!other.join("journal.sqlite").exists(), "nothing was begun");
    fs::write(stage.config(), &whole).unwrap();
    stage.start_server().unwrap();
    stage.finish();
}

#[test]
fn a_house_whose_signer_is_away_says_so_without_being_asked_to_pay() {
    let mut stage = Stage::new();
    stage.wait_until_ready().unwrap();
    stage.kill_signer();
    stage.not_ready("head-not-witnessed");
    let overview = stage.operator().get("/ops/v1/overview").unwrap();
    assert_eq!(overview["signer"]["reachable"], false, "{overview:#}");
    assert_eq!(overview["signer"]["evaluation_grade"], serde_json::Value::Null, "{overview:#}");
    stage.start_signer().unwrap();
    stage.wait_until_ready().unwrap();
    stage.signer_admin(&["halt", "--reason", "a drill"]);
    stage.not_ready("signer-halted: a drill");
    stage.signer_admin(&["resume"]);
    stage.wait_until_ready().unwrap();
    stage.finish();
}

#[test]
fn damaged_views_are_named_with_what_to_do_and_are_built_anew_without_them() {
    let mut stage = Stage::new();
    let alice = stage.customer("alice").unwrap();
    stage.end_server();
    let views = stage.journal().with_file_name("views.sqlite");
    // The log of the last writes would mend the file.
    for suffix in ["-wal", "-shm"] {
        let _absent = fs::remove_file(format!("{}{suffix}", views.display()));
    }
    fs::write(&views, "no database at all, but long enough to be looked at".repeat(40)).unwrap();
    let said = stage.refuses("round_millis = 100", "round_millis = 100");
    assert!(said.contains("views.sqlite") && said.contains("remove it"), "{said}");
    assert!(!said.contains('\u{1b}'), "colours are for terminals: {said:?}");
    fs::remove_file(&views).unwrap();
    stage.start_server().unwrap();
    assert_eq!(crate::support::story::account(&alice)["total_sat"], 0);
    stage.finish();
}
