use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

/// What a ledger account counts. No transfer mixes two.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    BorshSchema,
)]
pub struct AssetId(pub u32);

impl AssetId {
    /// Bitcoin on the network of the deployment, counted in satoshis.
    pub const BITCOIN: Self = Self(1);
}
