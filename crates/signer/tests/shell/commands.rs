//! `init`, `selftest`, and what makes a start fail.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
};

use crate::machine::{Machine, write_private};

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn init_writes_private_files_and_never_overwrites_a_key() {
    let machine = Machine::new(&["--descriptor-kind", "wpkh", "--fee-sat-max", "1234"]);
    let mode = |name: &str| fs::metadata(machine.path(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("signer"), mode("signer/state")), (0o700, 0o700));
    for file in ["key.age", "signer.toml", "state/log", "state/head", "state/lock"] {
        assert_eq!(mode(&format!("signer/{file}")), 0o600, "{file}");
    }
    assert!(machine.settings.descriptor.to_string().starts_with("wpkh("));
    assert_eq!(machine.settings.limits.fee_max.to_sat(), 1234);
    let key = fs::read(machine.path("signer/key.age")).unwrap();
    assert!(key.starts_with(b"age-encryption.org/v1"));
    let again = machine.run(&[
        "init",
        "--dir",
        "signer",
        "--network",
        "regtest",
        "--passphrase-file",
        "passphrase",
        "--scrypt-work-factor",
        "2",
    ]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("not empty"), "{again:?}");
    assert_eq!(fs::read(machine.path("signer/key.age")).unwrap(), key);
}

#[test]
fn init_refuses_weak_passphrases_and_weak_work_outside_regtest() {
    let machine = Machine::new(&[]);
    let init = |network: &str, passphrase: &str| {
        machine.run(&[
            "init",
            "--dir",
            "other",
            "--network",
            network,
            "--passphrase-file",
            passphrase,
            "--scrypt-work-factor",
            "2",
        ])
    };
    assert!(text(&init("mainnet", "passphrase")).contains("work factor"));
    write_private(&machine.path("short"), "12345678901\n");
    assert!(text(&init("regtest", "short")).contains("characters"));
    assert!(!machine.path("other").exists());
    assert_eq!(init("moon", "passphrase").status.code(), Some(2), "wrong usage");
    let without = machine.run(&["init", "--dir", "other", "--network", "regtest"]);
    assert!(text(&without).contains("STRONGROOM_SIGNER_PASSPHRASE_FILE"));
}

#[test]
fn the_wrong_passphrase_or_the_key_of_another_signer_does_not_start() {
    let machine = Machine::new(&[]);
    let other = Machine::new(&[]);
    fs::copy(other.path("signer/key.age"), machine.path("signer/key.age")).unwrap();
    let output = machine.serve_in_vain();
    assert!(text(&output).contains("does not belong"), "{output:?}");
    fs::write(machine.path("passphrase"), "incorrect horse battery").unwrap();
    let output = machine.serve_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("right passphrase"), "{output:?}");
    assert!(!machine.path("socket").exists());
}

#[test]
fn a_shortened_state_does_not_start_and_has_its_own_exit_code() {
    let machine = Machine::new(&[]);
    let process = machine.serve();
    machine.sign(&machine.batch(1));
    assert_eq!(machine.run(&["selftest", "--dir", "signer"]).status.code(), Some(1), "in use");
    process.terminate();
    assert!(machine.run(&["selftest", "--dir", "signer"]).status.success());
    let log = fs::read(machine.path("signer/state/log")).unwrap();
    fs::write(machine.path("signer/state/log"), &log[..log.len() - 1]).unwrap();
    for output in [machine.serve_in_vain(), machine.run(&["selftest", "--dir", "signer"])] {
        assert_eq!(output.status.code(), Some(6));
        assert!(text(&output).contains("signer-state-shorter"), "{output:?}");
    }
    let mut bad = log.clone();
    bad[60] ^= 1;
    fs::write(machine.path("signer/state/log"), bad).unwrap();
    let output = machine.run(&["selftest", "--dir", "signer"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output).contains("signer-state-damaged"), "{output:?}");
}

#[test]
fn a_folder_open_to_others_does_not_start() {
    let machine = Machine::new(&[]);
    let open = fs::Permissions::from_mode(0o750);
    fs::set_permissions(machine.path("signer"), open).unwrap();
    assert!(text(&machine.serve_in_vain()).contains("chmod 700"));
}

#[test]
fn a_passphrase_that_others_may_read_is_refused() {
    let machine = Machine::new(&[]);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(machine.path("passphrase"), fs::Permissions::from_mode(mode)).unwrap();
        let served = machine.serve_in_vain();
        assert_eq!(served.status.code(), Some(1), "{served:?}");
        assert!(text(&served).contains("chmod 600"), "{served:?}");
        let arguments = ["init", "--dir", "other", "--network", "regtest", "--passphrase-file"];
        let made = machine.run(&[&arguments[..], &["passphrase"]].concat());
        assert!(text(&made).contains("chmod 600"), "{made:?}");
        assert!(!machine.path("other").exists());
    }
}

#[test]
fn a_folder_without_its_memory_does_not_start() {
    let machine = Machine::new(&[]);
    fs::remove_dir_all(machine.path("signer/state")).unwrap();
    for output in [machine.serve_in_vain(), machine.run(&["selftest", "--dir", "signer"])] {
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        assert!(text(&output).contains("signer-state-damaged"), "{output:?}");
        assert!(text(&output).contains("state is missing"), "{output:?}");
    }
    let nowhere = machine.run(&["selftest", "--dir", "elsewhere"]);
    assert!(text(&nowhere).contains("no signer in elsewhere"), "{nowhere:?}");
}

#[test]
fn the_two_sockets_are_not_taken_for_each_other() {
    let machine = Machine::new(&[]);
    let arguments = ["serve", "--dir", "signer", "--passphrase-file", "passphrase"];
    let both = ["--socket", "one", "--admin-socket", "one"];
    let same = machine.run(&[&arguments[..], &both].concat());
    assert_eq!(same.status.code(), Some(1), "{same:?}");
    assert!(text(&same).contains("--socket and --admin-socket are both one"), "{same:?}");
    let _process = machine.serve();
    let asked = machine.run(&["status", "--admin-socket", "socket"]);
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    assert!(text(&asked).contains("is it the socket for the server?"), "{asked:?}");
}

#[test]
fn the_program_says_its_name_and_what_it_does() {
    let machine = Machine::new(&[]);
    let version = machine.run(&["--version"]);
    assert!(version.stdout.starts_with(b"strongroom-signer "), "{version:?}");
    let help = String::from_utf8(machine.run(&["--help"]).stdout).unwrap();
    assert!(help.starts_with("Holds the key of the hot wallet"), "{help}");
}

#[test]
fn selftest_passes_without_a_folder() {
    assert!(Machine::new(&[]).run(&["selftest"]).status.success());
}

#[test]
fn sockets_are_private_and_go_with_the_process() {
    let machine = Machine::new(&[]);
    let process = machine.serve();
    for name in ["socket", "admin"] {
        let found = fs::symlink_metadata(machine.path(name)).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(machine.serve_in_vain().status.code(), Some(1), "the state is locked");
    process.terminate();
    assert!(!machine.path("socket").exists() && !machine.path("admin").exists());
    assert_eq!(machine.admin(&["status"]).status.code(), Some(5), "unreachable");
    // A socket that a killed process left behind is no obstacle.
    machine.serve().kill();
    assert!(machine.path("socket").exists());
    machine.serve().terminate();
}
