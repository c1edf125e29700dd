//! The reference page says what the code says.

use ledger::Refusal;

#[test]
fn the_page_of_the_ledgers_refusals_has_each_in_order() {
    let page = include_str!("../../../../docs/reference/ledger-refusals.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let ids: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(ids, Refusal::ALL_IDS);
}
