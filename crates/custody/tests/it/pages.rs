//! The reference pages say what the code says.

use custody::{Event, Refusal, books, incident::Stop, withdrawal::Rule};

/// The cells of the first table of a page, without its head.
fn rows(page: &'static str) -> Vec<Vec<&'static str>> {
    let table = page.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let table = table.take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    table.map(cells).collect()
}

fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or(cell)
}

/// Every row is whole, and the first cells are these.
fn check(rows: &[Vec<&str>], cells: usize, ids: &[String]) {
    let found: Vec<_> = rows.iter().map(|row| code(row[0]).to_owned()).collect();
    assert_eq!(found, ids);
    for row in rows {
        assert_eq!(row.len(), cells, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

fn strings(ids: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    ids.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_page_of_refusals_has_every_refusal_in_order() {
    let rows = rows(include_str!("../../../../docs/reference/refusals.md"));
    check(&rows, 4, &strings(Refusal::IDS.iter().copied()));
}

#[test]
fn the_page_of_rules_has_every_rule_in_order() {
    let rows = rows(include_str!("../../../../docs/reference/rules.md"));
    check(&rows, 4, &strings(Rule::ALL.map(Rule::id)));
}

#[test]
fn the_page_of_stops_has_every_stop_in_order() {
    let rows = rows(include_str!("../../../../docs/reference/stops.md"));
    check(&rows, 4, &strings(Stop::ALL.map(Stop::id)));
}

#[test]
fn the_page_of_events_has_every_kind_and_version() {
    let rows = rows(include_str!("../../../../docs/reference/events.md"));
    let kinds: Vec<_> = Event::KINDS.iter().map(|(kind, _, _)| kind.to_string()).collect();
    check(&rows, 4, &kinds);
    for (row, (_, version, name)) in rows.iter().zip(Event::KINDS) {
        assert_eq!((row[1], code(row[2])), (version.to_string().as_str(), *name));
    }
}

#[test]
fn the_page_of_ledger_accounts_has_the_whole_chart() {
    let rows = rows(include_str!("../../../../docs/reference/ledger-accounts.md"));
    let codes: Vec<_> = books::CHART.iter().map(|(code, _)| code.to_string()).collect();
    check(&rows, 4, &codes);
    let names: Vec<_> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(names, books::CHART.map(|(_, name)| name));
}
