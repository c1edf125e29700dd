//! Documents that say what the code says.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::{repository, strongroom, words};

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

#[test]
fn every_problem_of_the_edge_has_its_row() {
    let page = read("docs/reference/problems.md");
    let code =
        edge().replace("Problem::new(\n", "Problem::new(").replace("Self::new(\n", "Self::new(");
    let tight: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let tight = tight.replace("( \"", "(\"");
    let mut codes = quoted_after(&tight, "Problem::new(\"");
    codes.extend(quoted_after(&tight, "Self::new(\""));
    assert!(codes.contains("busy") && codes.contains("views-behind"), "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("| `{code}` |")), "docs/reference/problems.md: no `{code}`");
    }
}

#[test]
fn every_refusal_of_a_signature_is_in_the_guide() {
    let page = read("docs/request-signing.md");
    for id in access::Refusal::IDS.iter().filter(|id| id.starts_with("request-")) {
        assert!(page.contains(&format!("`{id}`")), "docs/request-signing.md: no `{id}`");
    }
}

#[test]
fn every_key_of_the_configuration_is_documented() {
    let page = read("docs/reference/configuration.md");
    let keys = keys(&read("crates/strongroom/src/config.rs"));
    assert!(keys.len() > 35, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "docs/reference/configuration.md: no `{key}`");
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

#[test]
fn links_of_problems_lead_to_files() {
    let page = read("docs/reference/problems.md");
    for link in page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        let file = repository("docs/reference").join(Path::new(link));
        assert!(file.exists(), "docs/reference/problems.md links to {}", file.display());
    }
}
