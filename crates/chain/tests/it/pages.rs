//! The page of readiness says what the code says.

use std::{collections::BTreeSet, path::Path};

use chain::{Fault, follow::NotReady};

const PAGE: &str = include_str!("../../../../docs/reference/readiness.md");

fn rows(chapter: &str) -> Vec<&'static str> {
    let text = PAGE.split(&format!("\n## {chapter}\n")).nth(1).unwrap();
    let rows = text.split("\n## ").next().unwrap().lines();
    rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

/// The ids that `fn id` of a source file gives.
fn given(file: &str, of: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let body = text.split(&format!("impl {of} {{")).nth(1).unwrap();
    let body = body.split("fn id(&self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_page_of_readiness_has_every_reason_of_the_chain() {
    assert_eq!(rows("Of the chain"), NotReady::IDS);
    let ids: BTreeSet<_> = NotReady::IDS.map(str::to_owned).into();
    assert_eq!(given("follow/health.rs", "NotReady"), ids);
}

#[test]
fn the_page_of_readiness_has_every_fault_of_a_call() {
    assert_eq!(rows("Of one call to the node"), Fault::IDS);
    let ids: BTreeSet<_> = Fault::IDS.map(str::to_owned).into();
    assert_eq!(given("fault.rs", "Fault"), ids);
}
