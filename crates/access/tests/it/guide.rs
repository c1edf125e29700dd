//! The guide for customers says what the code does.

use access::{Nonce, Refusal};

use super::{Request, SECRET, api_key};

const GUIDE: &str = include_str!("../../../../docs/request-signing.md");

/// The guide's blocks of code, without their fences.
fn blocks() -> Vec<&'static str> {
    GUIDE
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, text)| text)
        .collect()
}

fn assert_has_block(text: &str) {
    assert!(blocks().contains(&text), "docs/request-signing.md lacks this block:\n{text}");
}

fn headers(request: &Request) -> String {
    let line = |(name, value): &(String, Vec<u8>)| {
        format!("{name}: {}\n", String::from_utf8(value.clone()).unwrap())
    };
    request.headers.iter().map(line).collect()
}

fn assert_published(mut request: Request, nonce: &str) {
    let base = request.sign(&Nonce::parse(nonce).unwrap());
    assert_has_block(&format!("{base}\n"));
    assert_has_block(&headers(&request));
    assert!(request.is_recognised());
}

#[test]
fn the_guide_has_the_keys_of_its_vectors() {
    assert!(GUIDE.contains(SECRET));
    assert!(GUIDE.contains(&api_key().id.to_string()));
}

#[test]
fn the_guide_has_a_withdrawal_as_it_is_signed() {
    assert_published(Request::withdrawal(), "Zm9yLXRoZS1ndWlkZS0wMQ");
}

#[test]
fn the_guide_has_a_question_without_a_body_as_it_is_signed() {
    assert_published(Request::balances(), "Zm9yLXRoZS1ndWlkZS0wMg");
}

#[test]
fn the_guide_names_every_refusal_in_its_order() {
    let row = |line: &'static str| line.strip_prefix("| `")?.split_once('`').map(|(id, _)| id);
    let known =
        |id: &&str| ["request-", "key-", "intent-"].iter().any(|start| id.starts_with(start));
    let listed: Vec<_> = GUIDE.lines().filter_map(row).filter(known).collect();
    assert_eq!(listed, Refusal::IDS);
}
