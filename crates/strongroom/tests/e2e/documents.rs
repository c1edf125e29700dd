//! Documents that say what the code says.

use std::{
    collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command,
};

use serde_json::Value;

use crate::support::{program, repository, strongroom, words};

fn read(path: &str) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of the HTTP edge.
fn edge() -> String {
    let mut text = String::new();
    let mut folders = vec![repository("crates/strongroom/src/edge")];
    text.push_str(&read("crates/strongroom/src/edge.rs"));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    text
}

/// Every text between `before` and the next quote.
fn quoted_after<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_committed_description_of_the_interface_is_the_programs_own() {
    let made = strongroom(&["openapi"]);
    assert!(made.status.success(), "{}", words(&made));
    let made = String::from_utf8(made.stdout).unwrap();
    let hint = "run `strongroom openapi > openapi/v1.json` and look at the difference";
    assert!(made == read("openapi/v1.json"), "openapi/v1.json is not what the code says: {hint}");
}

#[test]
fn every_route_is_in_the_description_of_the_interface() {
    let description: Value = serde_json::from_str(&read("openapi/v1.json")).unwrap();
    let described: BTreeSet<_> = description["paths"].as_object().unwrap().keys().collect();
    let described: BTreeSet<&str> = described.into_iter().map(String::as_str).collect();
    // A route's path stands on its line or on the next.
    let code = edge().replace(".route(\n            \"", ".route(\"");
    let routes: BTreeSet<_> = quoted_after(&code, ".route(\"")
        .into_iter()
        .filter(|path| path.starts_with("/v1") || path.starts_with("/ops/v1"))
        .collect();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(routes, described);
}

/// The first cells of all tables on a page that hold one word of code.
fn first_cells(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |")).map(|(cell, _)| cell).collect()
}

#[test]
fn the_problems_of_the_edge_are_the_rows_of_their_page() {
    let page = read("docs/reference/problems.md");
    let code =
        edge().replace("Problem::new(\n", "Problem::new(").replace("Self::new(\n", "Self::new(");
    let tight: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let tight = tight.replace("( \"", "(\"");
    let mut codes = quoted_after(&tight, "Problem::new(\"");
    codes.extend(quoted_after(&tight, "Self::new(\""));
    assert!(codes.contains("busy") && codes.contains("views-behind"), "{codes:?}");
    assert_eq!(first_cells(&page), codes);
}

#[test]
fn the_refusals_of_a_signature_are_the_rows_of_the_guide() {
    let page = read("docs/request-signing.md");
    let ids: BTreeSet<_> =
        access::Refusal::IDS.iter().copied().filter(|id| id.starts_with("request-")).collect();
    let cells = first_cells(&page);
    let rows: BTreeSet<_> = cells.into_iter().filter(|id| id.starts_with("request-")).collect();
    assert_eq!(rows, ids);
}

/// The configuration's page: the server's part and the signer's.
fn configuration_page() -> (String, String) {
    let page = read("docs/reference/configuration.md");
    let (server, signer) = page.split_once("\n## The signer\n").unwrap();
    (server.to_owned(), signer.to_owned())
}

#[test]
fn the_keys_of_the_configuration_are_the_rows_of_their_page() {
    let (page, _) = configuration_page();
    let keys = keys(&read("crates/strongroom/src/config.rs"));
    assert!(keys.len() > 35, "{keys:?}");
    // What the environment sets stands in capitals.
    let rows = first_cells(&page).into_iter().filter(|row| !row.starts_with(char::is_uppercase));
    assert_eq!(rows.collect::<BTreeSet<_>>(), keys.iter().map(String::as_str).collect());
}

#[test]
fn the_keys_that_the_signer_writes_are_the_rows_of_their_page() {
    let dir = tempfile::tempdir().unwrap();
    let (signer, passphrase) = (dir.path().join("signer"), dir.path().join("passphrase"));
    fs::write(&passphrase, "seven words that nobody else would ever guess").unwrap();
    fs::set_permissions(&passphrase, PermissionsExt::from_mode(0o600)).unwrap();
    let mut init = Command::new(program().with_file_name("strongroom-signer"));
    init.args(["init", "--network", "regtest", "--capacity-sat", "100000000", "--dir"])
        .arg(&signer);
    let output = init.arg("--passphrase-file").arg(&passphrase).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let text = fs::read_to_string(signer.join("signer.toml")).unwrap();
    let mut keys = BTreeSet::new();
    flatten("", &text.parse::<toml::Table>().unwrap(), &mut keys);
    let (_, page) = configuration_page();
    assert_eq!(first_cells(&page), keys.iter().map(String::as_str).collect());
}

fn flatten(before: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        match value.as_table() {
            Some(inner) => flatten(&format!("{before}{key}."), inner, keys),
            None => drop(keys.insert(format!("{before}{key}"))),
        }
    }
}

/// The keys that the structs of `config.rs` read, as `section.key`.
fn keys(code: &str) -> Vec<String> {
    let fields = |name: &str| -> Vec<(String, String)> {
        let body = code.split(&format!("pub struct {name} {{")).nth(1).unwrap();
        let body = body.split("\n}").next().unwrap();
        let lines = body.lines().filter_map(|line| line.trim().strip_prefix("pub "));
        let fields = lines.filter_map(|line| line.trim_end_matches(',').split_once(": "));
        fields.map(|(field, kind)| (field.to_owned(), kind.to_owned())).collect()
    };
    let mut keys = Vec::new();
    for (field, kind) in fields("Config") {
        if code.contains(&format!("pub struct {kind} {{")) {
            keys.extend(fields(&kind).into_iter().map(|(key, _)| format!("{field}.{key}")));
        } else {
            keys.push(field);
        }
    }
    keys
}

/// Every Markdown page of the repository: of all folders but what is built and what is hidden.
fn pages() -> Vec<PathBuf> {
    let (mut pages, mut folders) = (Vec::new(), vec![repository("")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { pages.push(path) }
        }
    }
    pages.retain(|page| page.extension() == Some("md".as_ref()));
    pages
}

/// The anchor of a heading, as it is made on the web.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut links = 0_u32;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(f, h)| (f, Some(h)));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", page.display());
            if let Some(heading) = heading {
                let text = fs::read_to_string(&target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(headings.any(|anchor| anchor == heading), "{}: {link}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links} links");
}
