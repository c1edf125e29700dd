#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "sizes in these tests are below 1000"
)]

use primitives::to_hex;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

/// The eight leaves that implementations of RFC 6962 test with.
const LEAVES: [&[u8]; 8] = [
    &[],
    &[0x00],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &[
        0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
        0x6f,
    ],
];

/// RFC 6962, section 2.1, word for word.
mod reference {
    use super::super::{empty_root, node_hash};

    pub(super) fn tree_hash(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&tree_hash(left), &tree_hash(right))
            }
        }
    }

    pub(super) fn proof(kept: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
        if kept == 0 { Vec::new() } else { subproof(kept, leaves, true) }
    }

    fn subproof(kept: usize, leaves: &[[u8; 32]], complete: bool) -> Vec<[u8; 32]> {
        if kept == leaves.len() {
            return if complete { Vec::new() } else { vec![tree_hash(leaves)] };
        }
        let half = split(leaves.len());
        let (left, right) = leaves.split_at(half);
        let (mut proof, other) = if kept <= half {
            (subproof(kept, left, complete), tree_hash(right))
        } else {
            (subproof(kept - half, right, false), tree_hash(left))
        };
        proof.push(other);
        proof
    }

    fn split(size: usize) -> usize {
        size.next_power_of_two() / 2
    }
}

fn leaves(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

fn frontier(leaves: &[[u8; 32]]) -> Frontier {
    let mut frontier = Frontier::new();
    for &leaf in leaves {
        frontier.push(leaf).unwrap();
    }
    frontier
}

fn flipped(hash: [u8; 32], bit: usize) -> [u8; 32] {
    let mut hash = hash;
    hash[bit / 8 % 32] ^= 1 << (bit % 8);
    hash
}

#[test]
fn the_test_leaves_of_rfc_6962_give_the_known_roots() {
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::new();
    assert_eq!(to_hex(&tree.root()), roots[0]);
    for (leaf, root) in LEAVES.iter().zip(&roots[1..]) {
        tree.push(leaf_hash(leaf)).unwrap();
        assert_eq!(to_hex(&tree.root()), *root);
    }
}

#[test]
fn hashes_are_those_of_the_rfc_by_their_bytes() {
    let entry = b"an entry";
    let leaf: [u8; 32] = Sha256::digest([&[0x00][..], entry].concat()).into();
    assert_eq!(leaf_hash(entry), leaf);
    let (left, right) = ([7; 32], [9; 32]);
    let node: [u8; 32] = Sha256::digest([&[0x01][..], &left, &right].concat()).into();
    assert_eq!(node_hash(&left, &right), node);
}

#[test]
fn the_split_of_the_reference_is_the_largest_power_below() {
    let tree = leaves(5);
    let left = reference::tree_hash(&tree[..4]);
    assert_eq!(reference::tree_hash(&tree), node_hash(&left, &tree[4]));
}

#[test]
fn a_frontier_has_the_root_of_the_reference_at_every_size() {
    let all = leaves(130);
    for size in 0..=all.len() {
        let tree = frontier(&all[..size]);
        assert_eq!(tree.size(), size as u64);
        assert_eq!(tree.root(), reference::tree_hash(&all[..size]), "size {size}");
    }
}

#[test]
fn every_pair_of_sizes_up_to_64_is_proved_as_the_rfc_proves_it() {
    let all = leaves(64);
    for size in 0..=all.len() {
        let new = frontier(&all[..size]).head(3);
        for kept in 0..=size {
            let tree = frontier(&all[..kept]);
            let proof = prove_consistency(&tree, &all[kept..size]);
            assert_eq!(proof, reference::proof(kept, &all[..size]), "{kept} to {size}");
            assert_eq!(verify_consistency(&tree.head(3), &new, &proof), Ok(()), "{kept} to {size}");
        }
    }
}

#[test]
fn an_altered_node_root_or_size_is_refused_for_every_pair_of_sizes() {
    let all = leaves(64);
    for size in 1..=all.len() {
        for kept in 1..=size {
            refuse_alterations(&all, kept, size);
        }
    }
}

fn refuse_alterations(all: &[[u8; 32]], kept: usize, size: usize) {
    let (tree, new) = (frontier(&all[..kept]), frontier(&all[..size]).head(0));
    let old = tree.head(0);
    let proof = prove_consistency(&tree, &all[kept..size]);
    let refused = |old: TreeHead, new: TreeHead, proof: &[[u8; 32]]| {
        let answer = verify_consistency(&old, &new, proof);
        assert!(answer.is_err(), "{old:?} {new:?} {proof:?}");
    };
    let bit = kept * 64 + size;
    for node in 0..proof.len() {
        let mut altered = proof.clone();
        altered[node] = flipped(altered[node], bit);
        refused(old, new, &altered);
        let mut without = proof.clone();
        without.remove(node);
        refused(old, new, &without);
        let mut doubled = proof.clone();
        doubled.insert(node, proof[node]);
        refused(old, new, &doubled);
    }
    refused(old, new, &[proof.clone(), vec![[0; 32]]].concat());
    refused(TreeHead { root: flipped(old.root, bit), ..old }, new, &proof);
    refused(old, TreeHead { root: flipped(new.root, bit), ..new }, &proof);
    refused(old, TreeHead { shard: 1, ..new }, &proof);
    for other in 1..=all.len() {
        let pretended = TreeHead { size: other as u64, ..old };
        let answer = verify_consistency(&pretended, &new, &proof);
        assert_eq!(
            answer.is_ok(),
            shape(other, size) == shape(kept, size),
            "{pretended:?} {new:?}"
        );
        let pretended = TreeHead { size: other as u64, ..new };
        let answer = verify_consistency(&old, &pretended, &proof);
        assert_eq!(
            answer.is_ok(),
            shape(kept, other) == shape(kept, size),
            "{old:?} {pretended:?}"
        );
    }
}

/// The path that a proof walks. A root of RFC 6962 does not commit to its size, so that two pairs
/// of sizes with the same path cannot be told apart by their proof: a head is the pair of size
/// and root, and is signed and kept as a pair. Every other size is refused.
fn shape(kept: usize, size: usize) -> Option<Vec<&'static str>> {
    fn walk(kept: usize, size: usize, complete: bool) -> Vec<&'static str> {
        if kept == size {
            return vec![if complete { "the kept root" } else { "a named root" }];
        }
        let half = size.next_power_of_two() / 2;
        let (mut steps, last) = if kept <= half {
            (walk(kept, half, complete), "joined on the right")
        } else {
            (walk(kept - half, size - half, false), "joined on the left")
        };
        steps.push(last);
        steps
    }
    (kept <= size).then(|| walk(kept, size, true))
}

#[test]
fn a_shorter_journal_is_refused_by_name() {
    let all = leaves(10);
    let (long, short) = (frontier(&all).head(0), frontier(&all[..7]).head(0));
    let refusal = verify_consistency(&long, &short, &[]).unwrap_err();
    assert_eq!(refusal, ConsistencyError::Shrunk { kept: 10, offered: 7 });
    assert_eq!(refusal.id(), "journal-shrunk");
    assert_eq!(refusal.to_string(), "journal-shrunk: 10 entries were seen, the head offered has 7");
}

#[test]
fn a_rewritten_history_is_refused() {
    let all = leaves(20);
    let mut rewritten = all.clone();
    rewritten[4] = leaf_hash(b"another past");
    let old = frontier(&all[..9]).head(0);
    let new = frontier(&rewritten).head(0);
    let proof = prove_consistency(&frontier(&rewritten[..9]), &rewritten[9..]);
    let refusal = verify_consistency(&old, &new, &proof).unwrap_err();
    assert_eq!(refusal, ConsistencyError::OldRoot { kept: 9 });
}

#[test]
fn the_empty_journal_is_continued_by_any_journal_and_by_nothing_else() {
    let new = frontier(&leaves(5)).head(2);
    assert_eq!(verify_consistency(&TreeHead::empty(2), &new, &[]), Ok(()));
    assert_eq!(verify_consistency(&TreeHead::empty(2), &TreeHead::empty(2), &[]), Ok(()));
    let not_empty = TreeHead { root: [1; 32], ..TreeHead::empty(2) };
    assert!(verify_consistency(&not_empty, &new, &[]).is_err());
    assert!(verify_consistency(&TreeHead::empty(2), &not_empty, &[]).is_err());
    assert!(verify_consistency(&TreeHead::empty(2), &new, &[[0; 32]]).is_err());
}

#[test]
fn stored_frontiers_are_read_back_and_impossible_ones_are_not() {
    for size in [0, 1, 2, 3, 63, 64, 65] {
        let tree = frontier(&leaves(size));
        let bytes = borsh::to_vec(&tree).unwrap();
        assert_eq!(borsh::from_slice::<Frontier>(&bytes).unwrap(), tree);
    }
    let impossible = |size: u64, roots: usize| {
        let bytes = borsh::to_vec(&(size, vec![[0_u8; 32]; roots])).unwrap();
        assert!(borsh::from_slice::<Frontier>(&bytes).is_err(), "{size} with {roots}");
    };
    impossible(0, 1);
    impossible(3, 1);
    impossible(4, 3);
    impossible(1 << 63, 1);
}

#[test]
fn a_full_tree_takes_no_leaf() {
    let bytes = borsh::to_vec(&(Frontier::SIZE_MAX, vec![[0_u8; 32]; 63])).unwrap();
    let mut full: Frontier = borsh::from_slice(&bytes).unwrap();
    let before = full.clone();
    assert_eq!(full.push([1; 32]), Err(TreeFull));
    assert_eq!(full, before);
    assert!(!prove_consistency(&full, &[[1; 32]]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_proof_are_judged_without_a_panic(
        kept in any::<u64>(),
        offered in any::<u64>(),
        nodes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let old = TreeHead { shard: 0, size: kept, root: [1; 32] };
        let new = TreeHead { shard: 0, size: offered, root: [2; 32] };
        prop_assert!(verify_consistency(&old, &new, &nodes).is_err());
    }

    #[test]
    fn a_journal_proves_itself_from_any_size_to_any_later_one(
        kept in 0_usize..1000,
        added in 0_usize..1000,
    ) {
        let all = leaves(kept + added);
        let tree = frontier(&all[..kept]);
        let proof = prove_consistency(&tree, &all[kept..]);
        let new = frontier(&all).head(0);
        prop_assert_eq!(verify_consistency(&tree.head(0), &new, &proof), Ok(()));
    }
}
