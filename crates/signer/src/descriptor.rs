//! The hot wallet's descriptor: which scripts are ours.

use std::{fmt, str::FromStr};

use bitcoin::{
    CompressedPublicKey, NetworkKind, ScriptBuf,
    bip32::{ChildNumber, DerivationPath, Fingerprint, Xpub},
    secp256k1::{PublicKey, Secp256k1, VerifyOnly},
};
use borsh::{BorshDeserialize, BorshSerialize};
use miniscript::{
    Descriptor, DescriptorPublicKey,
    descriptor::{DescriptorMultiXKey, Wildcard},
};
use primitives::Network;

/// The branch of a wallet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Keychain {
    /// Branch 0: addresses that are given to others.
    External,
    /// Branch 1: change.
    Internal,
}

impl Keychain {
    /// The branch's number in a derivation path.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::External => 0,
            Self::Internal => 1,
        }
    }

    /// The word of the glossary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Internal => "internal",
        }
    }
}

/// What kind of script the wallet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptKind {
    /// `tr(key)`, spent by key (BIP-341, BIP-86).
    Taproot,
    /// `wpkh(key)` (BIP-141, BIP-84).
    WitnessKeyHash,
}

impl ScriptKind {
    /// The function's name in a descriptor.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taproot => "tr",
            Self::WitnessKeyHash => "wpkh",
        }
    }

    /// The purpose in the derivation path. Source: BIP-84, BIP-86.
    #[must_use]
    pub const fn purpose(self) -> u32 {
        match self {
            Self::Taproot => 86,
            Self::WitnessKeyHash => 84,
        }
    }

    /// The most weight units that the witness of one input can have.
    ///
    /// Taproot: count 1, length 1, signature 64 and sighash byte 1 (BIP-341). Key hash: count 1,
    /// length 1, DER signature with sighash byte 72, length 1, key 33 (BIP-141).
    #[must_use]
    pub const fn witness_weight_max(self) -> u64 {
        match self {
            Self::Taproot => 67,
            Self::WitnessKeyHash => 108,
        }
    }
}

/// Why a text is not a hot wallet's descriptor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// Not a descriptor, or its checksum is wrong (BIP-380).
    #[error("not a descriptor with a valid checksum (BIP-380): {0}")]
    Unreadable(String),
    /// The checksum is left out.
    #[error(
        "the descriptor has no checksum; a mistyped key would go unseen: add `#` and 8 letters"
    )]
    NoChecksum,
    /// Another kind of script than the hot wallet has.
    #[error("a hot wallet is tr(key) without scripts, or wpkh(key)")]
    Kind,
    /// Not one extended key with origin and the two branches.
    #[error("the key must be `[fingerprint/path]xpub/<0;1>/*` (BIP-389), unhardened")]
    Key,
    /// The key belongs to another network.
    #[error("the extended key is for {found}, the settings say {network}")]
    Network {
        /// What the key says.
        found: &'static str,
        /// What the settings say.
        network: Network,
    },
}

/// A single-key multipath descriptor (BIP-389), `tr([fp/path]xpub/<0;1>/*)` or `wpkh(...)`.
#[derive(Clone)]
pub struct HotDescriptor {
    kind: ScriptKind,
    fingerprint: Fingerprint,
    origin: DerivationPath,
    external: Xpub,
    internal: Xpub,
    text: String,
    secp: Secp256k1<VerifyOnly>,
}

impl HotDescriptor {
    /// Reads a descriptor with its checksum, for `network`.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] names what is wrong with it.
    pub fn parse(text: &str, network: Network) -> Result<Self, DescriptorError> {
        if !text.contains('#') {
            return Err(DescriptorError::NoChecksum);
        }
        let descriptor = Descriptor::<DescriptorPublicKey>::from_str(text)
            .map_err(|error| DescriptorError::Unreadable(error.to_string()))?;
        let (kind, key) = single_key(&descriptor)?;
        let (fingerprint, origin) = key.origin.clone().ok_or(DescriptorError::Key)?;
        check_network(key.xkey.network, network)?;
        let secp = Secp256k1::verification_only();
        let branch = |keychain: Keychain| {
            let child = ChildNumber::from_normal_idx(keychain.number());
            child.and_then(|child| key.xkey.derive_pub(&secp, &[child]))
        };
        let external = branch(Keychain::External).map_err(|_| DescriptorError::Key)?;
        let internal = branch(Keychain::Internal).map_err(|_| DescriptorError::Key)?;
        let text = descriptor.to_string();
        Ok(Self { kind, fingerprint, origin, external, internal, text, secp })
    }

    /// What kind of script it makes.
    #[must_use]
    pub const fn kind(&self) -> ScriptKind {
        self.kind
    }

    /// The text without the checksum.
    #[must_use]
    pub fn without_checksum(&self) -> &str {
        self.text.split_once('#').map_or(self.text.as_str(), |(body, _)| body)
    }

    /// The public key at `index` of a keychain, or `None` from 2^31 on (BIP-32: hardened).
    #[must_use]
    pub fn public_key(&self, keychain: Keychain, index: u32) -> Option<PublicKey> {
        let branch = match keychain {
            Keychain::External => &self.external,
            Keychain::Internal => &self.internal,
        };
        let child = ChildNumber::from_normal_idx(index).ok()?;
        Some(branch.derive_pub(&self.secp, &[child]).ok()?.public_key)
    }

    /// The script at `index` of a keychain, or `None` from 2^31 on.
    #[must_use]
    pub fn script(&self, keychain: Keychain, index: u32) -> Option<ScriptBuf> {
        let key = self.public_key(keychain, index)?;
        Some(match self.kind {
            ScriptKind::Taproot => ScriptBuf::new_p2tr(&self.secp, key.x_only_public_key().0, None),
            ScriptKind::WitnessKeyHash => {
                ScriptBuf::new_p2wpkh(&CompressedPublicKey(key).wpubkey_hash())
            }
        })
    }

    /// Where a claimed key origin lies in this wallet. A claim is only a hint: whoever asks
    /// derives the script again and compares.
    #[must_use]
    pub fn locate(
        &self,
        fingerprint: Fingerprint,
        path: &DerivationPath,
    ) -> Option<(Keychain, u32)> {
        let steps: &[ChildNumber] = path.as_ref();
        let [keychain, index] = steps.strip_prefix(self.origin.as_ref())? else { return None };
        if fingerprint != self.fingerprint {
            return None;
        }
        let keychain = match keychain {
            ChildNumber::Normal { index: 0 } => Keychain::External,
            ChildNumber::Normal { index: 1 } => Keychain::Internal,
            ChildNumber::Normal { .. } | ChildNumber::Hardened { .. } => return None,
        };
        match index {
            ChildNumber::Normal { index } => Some((keychain, *index)),
            ChildNumber::Hardened { .. } => None,
        }
    }

    /// The key origin that a PSBT should carry for a key of this wallet.
    #[must_use]
    pub fn key_origin(&self, keychain: Keychain, index: u32) -> (Fingerprint, DerivationPath) {
        let steps = [keychain.number(), index].map(|step| ChildNumber::Normal { index: step });
        (self.fingerprint, self.origin.extend(steps))
    }

    pub(crate) const fn secp(&self) -> &Secp256k1<VerifyOnly> {
        &self.secp
    }
}

fn single_key(
    descriptor: &Descriptor<DescriptorPublicKey>,
) -> Result<(ScriptKind, &DescriptorMultiXKey<Xpub>), DescriptorError> {
    let (kind, key) = match descriptor {
        Descriptor::Tr(tr) if tr.tap_tree().is_none() => (ScriptKind::Taproot, tr.internal_key()),
        Descriptor::Wpkh(wpkh) => (ScriptKind::WitnessKeyHash, wpkh.as_inner()),
        Descriptor::Tr(_)
        | Descriptor::Bare(_)
        | Descriptor::Pkh(_)
        | Descriptor::Sh(_)
        | Descriptor::Wsh(_) => return Err(DescriptorError::Kind),
    };
    let DescriptorPublicKey::MultiXPub(key) = key else { return Err(DescriptorError::Key) };
    let branches = [Keychain::External, Keychain::Internal].map(|keychain| {
        DerivationPath::from(vec![ChildNumber::Normal { index: keychain.number() }])
    });
    if key.wildcard != Wildcard::Unhardened || key.derivation_paths.paths() != &branches.to_vec() {
        return Err(DescriptorError::Key);
    }
    Ok((kind, key))
}

fn check_network(found: NetworkKind, network: Network) -> Result<(), DescriptorError> {
    let main = matches!(network, Network::Mainnet);
    match found {
        NetworkKind::Main if main => Ok(()),
        NetworkKind::Test if !main => Ok(()),
        NetworkKind::Main => Err(DescriptorError::Network { found: "mainnet", network }),
        NetworkKind::Test => Err(DescriptorError::Network { found: "test networks", network }),
    }
}

impl PartialEq for HotDescriptor {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for HotDescriptor {}

/// The text with its checksum.
impl fmt::Display for HotDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for HotDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotDescriptor({self})")
    }
}

#[cfg(test)]
mod tests;
