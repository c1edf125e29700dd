use borsh::{BorshDeserialize, BorshSchema, BorshSerialize, io};

use super::{TreeHead, empty_root, node_hash};

/// What of a tree is needed to add leaves to it: its size and the roots of its complete subtrees,
/// the largest (and oldest) first, one for each bit that is set in the size. At most 2 KiB, however
/// many leaves there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshSchema)]
pub struct Frontier {
    size: u64,
    roots: Vec<[u8; 32]>,
}

/// The tree holds [`Frontier::SIZE_MAX`] leaves and takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tree-full: the tree has {} leaves, the most it can hold", Frontier::SIZE_MAX)]
pub struct TreeFull;

impl Frontier {
    /// The most leaves, so that a size always fits the signed 64 bits of a database.
    pub const SIZE_MAX: u64 = u64::MAX >> 1;

    /// The frontier of a tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, roots: Vec::new() }
    }

    /// The frontier over `leaves`.
    pub(super) fn over(leaves: &[[u8; 32]]) -> Self {
        let mut frontier = Self::new();
        for &leaf in leaves {
            // A slice holds fewer than SIZE_MAX leaves of 32 bytes, so that the tree is never full.
            let _never_full = frontier.push(leaf);
        }
        frontier
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first.
    #[must_use]
    pub fn roots(&self) -> &[[u8; 32]] {
        &self.roots
    }

    /// Adds one leaf (a [`leaf_hash`](super::leaf_hash), not an entry).
    ///
    /// # Errors
    ///
    /// [`TreeFull`] at [`Frontier::SIZE_MAX`] leaves; nothing is changed.
    pub fn push(&mut self, leaf: [u8; 32]) -> Result<(), TreeFull> {
        if self.size >= Self::SIZE_MAX {
            return Err(TreeFull);
        }
        // As in a binary counter: each low bit that is set is a subtree as large as the one that
        // has just been completed, and the two become one.
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().unwrap_or_default();
            root = node_hash(&left, &root);
        }
        self.roots.push(root);
        self.size = self.size.saturating_add(1);
        Ok(())
    }

    /// The root over all leaves (RFC 6962, section 2.1, `MTH`).
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        root_over(&self.roots)
    }

    /// The head of the tree as the journal of `shard`.
    #[must_use]
    pub fn head(&self, shard: u16) -> TreeHead {
        TreeHead { shard, size: self.size, root: self.root() }
    }
}

/// Joins the roots of neighbouring complete subtrees, the largest first, into one.
pub(super) fn root_over(roots: &[[u8; 32]]) -> [u8; 32] {
    let joined = roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    joined.unwrap_or_else(empty_root)
}

/// Refuses a frontier whose number of roots does not follow from its size: [`Frontier::push`]
/// relies on it.
impl BorshDeserialize for Frontier {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let size = u64::deserialize_reader(reader)?;
        let roots = Vec::<[u8; 32]>::deserialize_reader(reader)?;
        let needed = usize::try_from(size.count_ones()).ok();
        if size > Self::SIZE_MAX || needed != Some(roots.len()) {
            let found = roots.len();
            let what = format!("a frontier of size {size} cannot have {found} subtree roots");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Self { size, roots })
    }
}
