//! `docs/simulator.md` compared with the code.

use custody::planted::Bug;
use drill::{INVARIANTS, Kind};

const PAGE: &str = include_str!("../../../../docs/simulator.md");

#[test]
fn the_page_names_every_invariant() {
    for name in INVARIANTS {
        assert!(PAGE.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn the_page_names_every_kind_of_world() {
    for kind in Kind::ALL {
        assert!(PAGE.contains(&format!("| `{}` |", kind.name())), "{kind:?}");
    }
}

#[test]
fn the_page_names_every_planted_bug() {
    for bug in Bug::ALL {
        assert!(PAGE.contains(&format!("| `{bug:?}` |")), "{bug:?}");
    }
}
