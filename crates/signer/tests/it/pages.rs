//! The reference page and the tags say the same.

use signer_protocol::RefusalTag;

const PAGE: &str = include_str!("../../../../docs/reference/signer-refusals.md");

#[test]
fn the_page_lists_every_tag_in_order_of_precedence_and_says_what_to_do() {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let tags: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let expected: Vec<&str> = RefusalTag::ALL.iter().map(|tag| tag.id()).collect();
    assert_eq!(tags, expected);
    for row in rows {
        assert_eq!(row.len(), 3, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}
