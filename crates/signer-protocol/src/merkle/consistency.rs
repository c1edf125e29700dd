use super::{Frontier, TreeHead, empty_root, frontier::root_over, node_hash};

/// Why a head is not shown to continue an older one. Whoever keeps the older head answers with
/// this refusal and goes on keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsistencyError {
    /// The two heads are of different journals.
    #[error("other-shard: the head kept is of shard {kept}, the one offered of shard {offered}")]
    OtherShard {
        /// The shard of the older head.
        kept: u16,
        /// The shard of the newer head.
        offered: u16,
    },
    /// The journal lost entries. Only a quorum's word may accept that.
    #[error("journal-shrunk: {kept} entries were seen, the head offered has {offered}")]
    Shrunk {
        /// Entries of the older head.
        kept: u64,
        /// Entries of the newer head.
        offered: u64,
    },
    /// The proof has too few or too many nodes for the two sizes.
    #[error("proof-length: {nodes} nodes do not prove that {offered} entries continue {kept}")]
    ProofLength {
        /// Entries of the older head.
        kept: u64,
        /// Entries of the newer head.
        offered: u64,
        /// Nodes in the proof.
        nodes: usize,
    },
    /// The proof does not lead to the older root: what was seen has been changed, or the proof is
    /// damaged.
    #[error("old-root-mismatch: the proof does not lead to the root kept at {kept} entries")]
    OldRoot {
        /// Entries of the older head.
        kept: u64,
    },
    /// The proof does not lead to the newer root.
    #[error("new-root-mismatch: the proof does not lead to the root offered at {offered} entries")]
    NewRoot {
        /// Entries of the newer head.
        offered: u64,
    },
}

impl ConsistencyError {
    /// The stable name of the refusal.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::OtherShard { .. } => "other-shard",
            Self::Shrunk { .. } => "journal-shrunk",
            Self::ProofLength { .. } => "proof-length",
            Self::OldRoot { .. } => "old-root-mismatch",
            Self::NewRoot { .. } => "new-root-mismatch",
        }
    }
}

/// The proof that the tree of `old` followed by `new_leaves` continues the tree of `old`
/// (RFC 6962, section 2.1.2, `PROOF`), at most 64 nodes.
///
/// The old leaves are not needed: each node of such a proof is a complete subtree left of the old
/// size, which the frontier holds, or lies wholly inside the new leaves. The proof is empty when
/// there is nothing old or nothing new.
#[must_use]
pub fn prove_consistency(old: &Frontier, new_leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if old.size() == 0 {
        return Vec::new();
    }
    let mut proof = Vec::new();
    let mut new = new_leaves;
    let mut roots = old.roots();
    // The subtree that is looked at holds `kept` old leaves, whose subtree roots are `roots`, and
    // then the leaves in `new`.
    let mut kept = old.size();
    while !new.is_empty() {
        let size = kept.saturating_add(u64::try_from(new.len()).unwrap_or(u64::MAX));
        let half = largest_power_below(size);
        if let Some((complete, rest)) = roots.split_first().filter(|_| kept > half) {
            proof.push(*complete);
            (roots, kept) = (rest, kept.saturating_sub(half));
        } else {
            let in_left = usize::try_from(half.saturating_sub(kept)).unwrap_or(usize::MAX);
            let (left, right) = new.split_at_checked(in_left).unwrap_or((new, &[]));
            proof.push(Frontier::over(right).root());
            new = left;
        }
    }
    // The verifier knows the old root already; a part of it must be named (`SUBPROOF` with false).
    if roots.len() != old.roots().len() {
        proof.push(root_over(roots));
    }
    proof.reverse();
    proof
}

/// The largest power of two that is smaller than `size`, for 2 leaves or more: where RFC 6962
/// splits a tree.
const fn largest_power_below(size: u64) -> u64 {
    match size.checked_next_power_of_two() {
        Some(power) => power >> 1,
        None => 1 << 63,
    }
}

/// Checks that the journal with head `new` begins with the journal of head `old`.
///
/// # Errors
///
/// [`ConsistencyError`] names what does not fit; then `old` stays the newest head that is known.
pub fn verify_consistency(
    old: &TreeHead,
    new: &TreeHead,
    proof: &[[u8; 32]],
) -> Result<(), ConsistencyError> {
    let (kept, offered) = (old.size, new.size);
    let wrong_length = ConsistencyError::ProofLength { kept, offered, nodes: proof.len() };
    // Refusals, cheapest first.
    if old.shard != new.shard {
        return Err(ConsistencyError::OtherShard { kept: old.shard, offered: new.shard });
    }
    if offered < kept {
        return Err(ConsistencyError::Shrunk { kept, offered });
    }
    if kept == 0 && old.root != empty_root() {
        return Err(ConsistencyError::OldRoot { kept });
    }
    if kept == 0 || kept == offered {
        // Everything continues nothing, and a journal continues itself: there is nothing to prove.
        let same_root = (kept == 0 && offered > 0) || old.root == new.root;
        return match (proof.is_empty(), same_root) {
            (false, _) => Err(wrong_length),
            (true, false) => Err(ConsistencyError::NewRoot { offered }),
            (true, true) => Ok(()),
        };
    }
    let (old_root, new_root) = roots_from(old, offered, proof).ok_or(wrong_length)?;
    if old_root != old.root {
        return Err(ConsistencyError::OldRoot { kept });
    }
    if new_root != new.root {
        return Err(ConsistencyError::NewRoot { offered });
    }
    Ok(())
}

/// The two roots that `proof` leads to, or `None` when it has too few or too many nodes. For
/// `0 < old.size < new_size`.
///
/// Source: RFC 9162, section 2.1.4.2, steps 2 to 7.
fn roots_from(old: &TreeHead, new_size: u64, proof: &[[u8; 32]]) -> Option<([u8; 32], [u8; 32])> {
    // A complete old tree is itself the first node, which the proof leaves out.
    let (first, nodes) =
        if old.size.is_power_of_two() { (&old.root, proof) } else { proof.split_first()? };
    // The last leaf of each tree, counted from 0 on the level that has been reached.
    let shift = old.size.checked_sub(1)?.trailing_ones();
    let mut old_last = old.size.checked_sub(1)?.checked_shr(shift)?;
    let mut new_last = new_size.checked_sub(1)?.checked_shr(shift)?;
    let (mut old_root, mut new_root) = (*first, *first);
    for node in nodes {
        if new_last == 0 {
            return None;
        }
        if old_last & 1 == 1 || old_last == new_last {
            old_root = node_hash(node, &old_root);
            new_root = node_hash(node, &new_root);
            while old_last & 1 == 0 && old_last != 0 {
                (old_last, new_last) = (old_last >> 1, new_last >> 1);
            }
        } else {
            new_root = node_hash(&new_root, node);
        }
        (old_last, new_last) = (old_last >> 1, new_last >> 1);
    }
    (new_last == 0).then_some((old_root, new_root))
}
