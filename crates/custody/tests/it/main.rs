//! Stories, properties and golden files of the domain.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    reason = "tests; expect-test writes the hashes; a story is told in one piece"
)]

mod floods;
mod house;
mod impossible_blocks;
mod pages;
mod properties;
mod regressions;
mod stories;
