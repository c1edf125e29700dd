//! The tidiness of the house, as tests: floors, who may use what, sizes, the dependency table.

mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sources::{Source, crates, manifest, rust_sources};

use crate::run::root;

/// The floor of each crate; a crate depends on lower floors only, or on its own floor where named.
const FLOORS: [(&str, u8); 10] = [
    ("primitives", 0),
    ("ledger", 1),
    ("access", 1),
    ("signer-protocol", 1),
    ("custody", 2),
    ("signer", 2),
    ("store", 3),
    ("chain", 3),
    ("drill", 3),
    ("strongroom", 4),
];

/// Who alone may name a crate from outside.
const RESERVED: [(&str, &[&str]); 6] = [
    ("rusqlite", &["store"]),
    ("tokio", &["strongroom"]),
    ("axum", &["strongroom"]),
    ("ureq", &["strongroom"]),
    ("age", &["signer"]),
    ("serde_json", &["chain", "drill", "signer", "strongroom"]),
];

/// Code lines that a file may have; tests live in files of their own.
const CODE_LINES_MAX: usize = 500;

fn floor(name: &str) -> u8 {
    let found = FLOORS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} has no floor: give it one in tidy")).1
}

/// The part of a manifest under `[dependencies]`: dependencies of tests may look anywhere.
fn dependencies(name: &str) -> Vec<String> {
    let manifest = manifest(name);
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn every_crate_depends_on_lower_floors_only() {
    for name in crates() {
        for dependency in dependencies(&name) {
            if FLOORS.iter().any(|(known, _)| *known == dependency) {
                assert!(floor(&dependency) < floor(&name), "{name} depends on {dependency}");
            }
        }
    }
}

#[test]
fn the_server_never_links_the_signer_nor_the_signer_the_server() {
    let server = reached_from("strongroom");
    assert!(server.contains("custody") && !server.contains("signer"), "{server:?}");
    let signer = reached_from("signer");
    for stranger in ["custody", "store", "chain", "strongroom", "drill"] {
        assert!(!signer.contains(stranger), "signer uses {stranger}");
    }
}

/// Our crates that `name` links, directly or through others.
fn reached_from(name: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![name.to_owned()]);
    while let Some(next) = open.pop() {
        let ours = dependencies(&next);
        let ours = ours.into_iter().filter(|name| FLOORS.iter().any(|(known, _)| known == name));
        open.extend(ours.filter(|name| reached.insert(name.clone())));
    }
    reached
}

#[test]
fn sql_http_and_keys_stay_where_they_belong() {
    for (dependency, allowed) in RESERVED {
        for name in crates() {
            if dependencies(&name).contains(&dependency.to_owned()) {
                assert!(allowed.contains(&name.as_str()), "{name} may not use {dependency}");
            }
        }
    }
}

/// The part of ARCHITECTURE.md under this heading.
fn chapter(heading: &str) -> String {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let chapter = page.split(&format!("\n## {heading}\n")).nth(1);
    let chapter = chapter.unwrap_or_else(|| panic!("ARCHITECTURE.md has no chapter {heading}"));
    chapter.split("\n## ").next().unwrap().to_owned()
}

#[test]
fn the_table_of_dependencies_is_that_of_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = workspace.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let outside = section.lines().filter(|line| line.contains('=') && !line.contains("path ="));
    let used: BTreeSet<_> = outside.map(|line| line.split(' ').next().unwrap()).collect();
    let table = chapter("Dependencies");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    assert_eq!(rows.map(|(name, _)| name).collect::<BTreeSet<_>>(), used);
}

#[test]
fn the_table_of_floors_is_the_one_that_is_checked() {
    let table = chapter("Floors");
    let mut written = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Some(floor) = cells[1].split(' ').next().and_then(|word| word.parse::<u8>().ok())
        else {
            continue;
        };
        for name in cells[2].split('·') {
            written.insert(name.trim().trim_matches('`').to_owned(), floor);
        }
    }
    let checked = FLOORS.map(|(name, floor)| (name.to_owned(), floor));
    assert_eq!(written, checked.into_iter().collect());
}

#[test]
fn no_file_is_too_long_to_be_one_room() {
    for Source { path, text } in rust_sources() {
        let code = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//")
        });
        let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
        assert!(
            is_test || code.count() <= CODE_LINES_MAX,
            "{path} is longer than {CODE_LINES_MAX}"
        );
    }
}

/// A bare `_ =>` in `decide` or `apply` would let a new state pass unnoticed; clippy does not see
/// it in a match on a tuple.
#[test]
fn decide_and_apply_name_every_state() {
    for Source { path, text } in rust_sources() {
        let judged = path.ends_with("/decide.rs") || path.ends_with("/apply.rs");
        if path.contains("/custody/") && judged {
            let is_bare = |line: &&str| {
                line.trim_start().starts_with("_ =>")
                    || ["{ _ =>", ", _ =>", "(_, _) =>"].iter().any(|arm| line.contains(arm))
            };
            let bare: Vec<_> = text.lines().filter(is_bare).collect();
            assert!(bare.is_empty(), "{path}: {bare:?}");
        }
    }
}

#[test]
fn nothing_sleeps_draws_or_reads_a_clock_below_floor_three() {
    for Source { path, text } in rust_sources() {
        let pure = ["primitives", "ledger", "access", "signer-protocol", "custody", "signer"];
        let is_pure = pure.iter().any(|name| path.contains(&format!("crates/{name}/src/")));
        // The signer's program is the shell around its library.
        if is_pure && !path.contains("/src/bin/") {
            for banned in [
                "std::fs",
                "std::net",
                "SystemTime",
                "Instant::now",
                "thread::sleep",
                "getrandom",
                "std::env",
            ] {
                assert!(
                    !text.contains(banned) || path.ends_with("/tests.rs"),
                    "{path} has {banned}"
                );
            }
        }
    }
}

#[test]
fn every_crate_inherits_the_lints() {
    let without: BTreeMap<_, _> = crates()
        .into_iter()
        .map(|name| (name.clone(), manifest(&name).contains("[lints]\nworkspace = true")))
        .filter(|(_, inherits)| !inherits)
        .collect();
    assert!(without.is_empty(), "without the workspace's lints: {without:?}");
}
