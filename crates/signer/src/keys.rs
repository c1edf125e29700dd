//! Keys, and the only thing that they do: redeem a [`Warrant`].

use std::fmt;

use bitcoin::{
    NetworkKind,
    bip32::{ChainCode, ChildNumber, Xpriv, Xpub},
    key::TapTweak,
    secp256k1::{All, Keypair, Message, Secp256k1},
};
use primitives::Network;

use crate::{
    descriptor::{HotDescriptor, Keychain, ScriptKind},
    warrant::{SigningTask, Warrant},
};

/// A signature in 64 bytes: BIP-340 for taproot, else ECDSA as r and s (low s).
pub type RawSignature = [u8; 64];

/// Whatever holds the private keys.
pub trait Keys {
    /// Signs each task of the warrant, in order, with the key at its keychain and index; for
    /// taproot with the key tweaked as BIP-341 says for no scripts. The warrant is used up.
    ///
    /// The signer verifies every signature before it lets one out.
    ///
    /// # Errors
    ///
    /// [`KeysError`] if the keys cannot sign.
    fn sign(&self, warrant: Warrant) -> Result<Vec<RawSignature>, KeysError>;
}

/// Why keys did not sign, or are no keys. Never names a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct KeysError {
    /// What went wrong.
    pub what: String,
}

impl KeysError {
    /// For implementations outside this crate.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// Private keys in this process's memory, from a seed (BIP-32).
///
/// Only the two branches of the hot wallet are kept. They are overwritten when dropped, as far as
/// the language allows.
pub struct SoftKeys {
    kind: ScriptKind,
    external: Xpriv,
    internal: Xpriv,
    descriptor: String,
    secp: Secp256k1<All>,
}

impl SoftKeys {
    /// The keys at `m/86h/coin/0h` (taproot, BIP-86) or `m/84h/coin/0h` (key hash, BIP-84) of a
    /// seed of 16 to 64 bytes. `coin` is 0 on the main network, else 1 (SLIP-44).
    ///
    /// # Errors
    ///
    /// [`KeysError`] for a seed of another length.
    pub fn from_seed(network: Network, kind: ScriptKind, seed: &[u8]) -> Result<Self, KeysError> {
        if !(16..=64).contains(&seed.len()) {
            return Err(KeysError::new(format!(
                "a seed has 16 to 64 bytes (BIP-32), found {}",
                seed.len()
            )));
        }
        let secp = Secp256k1::new();
        let unusable = |error| KeysError::new(format!("the seed makes no keys: {error}"));
        let (main, coin) = match network {
            Network::Mainnet => (NetworkKind::Main, 0),
            Network::Testnet3 | Network::Testnet4 | Network::Signet | Network::Regtest => {
                (NetworkKind::Test, 1)
            }
        };
        let path = [kind.purpose(), coin, 0].map(|index| ChildNumber::Hardened { index });
        let mut master = Xpriv::new_master(main, seed).map_err(unusable)?;
        let fingerprint = master.fingerprint(&secp);
        let account = master.derive_priv(&secp, &path);
        erase(&mut master);
        let mut account = account.map_err(unusable)?;
        let branch = |keychain: Keychain| {
            let step = [ChildNumber::Normal { index: keychain.number() }];
            account.derive_priv(&secp, &step).map_err(unusable)
        };
        let (external, internal) = (branch(Keychain::External)?, branch(Keychain::Internal)?);
        let xpub = Xpub::from_priv(&secp, &account);
        erase(&mut account);
        let body = format!(
            "{}([{fingerprint}/{}'/{coin}'/0']{xpub}/<0;1>/*)",
            kind.name(),
            kind.purpose()
        );
        let descriptor = with_checksum(&body)?;
        Ok(Self { kind, external, internal, descriptor, secp })
    }

    /// The public descriptor of these keys, with checksum.
    #[must_use]
    pub fn descriptor(&self) -> &str {
        &self.descriptor
    }

    /// Blinds the arithmetic against side channels with 32 bytes of `entropy`; signatures stay
    /// the same.
    pub fn blind(&mut self, entropy: &[u8; 32]) {
        self.secp.seeded_randomize(entropy);
    }

    fn sign_task(&self, task: &SigningTask) -> Result<RawSignature, KeysError> {
        if task.kind != self.kind {
            return Err(KeysError::new("the task is for another kind of script than the keys"));
        }
        let branch = match task.keychain {
            Keychain::External => &self.external,
            Keychain::Internal => &self.internal,
        };
        let index = ChildNumber::from_normal_idx(task.index)
            .map_err(|_| KeysError::new("the index is hardened"))?;
        let mut child = branch
            .derive_priv(&self.secp, &[index])
            .map_err(|error| KeysError::new(error.to_string()))?;
        let mut pair = Keypair::from_secret_key(&self.secp, &child.private_key);
        let message = Message::from_digest(task.digest);
        // Both nonces are derived from key and message alone (BIP-340 without auxiliary bytes,
        // RFC 6979), so that a retry after a crash makes the same bytes.
        let signature = match self.kind {
            ScriptKind::Taproot => {
                let mut tweaked = pair.tap_tweak(&self.secp, None).to_keypair();
                let signature = self.secp.sign_schnorr_no_aux_rand(&message, &tweaked);
                tweaked.non_secure_erase();
                signature.serialize()
            }
            ScriptKind::WitnessKeyHash => {
                self.secp.sign_ecdsa_low_r(&message, &child.private_key).serialize_compact()
            }
        };
        pair.non_secure_erase();
        erase(&mut child);
        Ok(signature)
    }
}

impl Keys for SoftKeys {
    fn sign(&self, warrant: Warrant) -> Result<Vec<RawSignature>, KeysError> {
        warrant.tasks().iter().map(|task| self.sign_task(task)).collect()
    }
}

impl Drop for SoftKeys {
    fn drop(&mut self) {
        erase(&mut self.external);
        erase(&mut self.internal);
    }
}

impl fmt::Debug for SoftKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftKeys(***)")
    }
}

fn erase(key: &mut Xpriv) {
    key.private_key.non_secure_erase();
    key.chain_code = ChainCode::from([0; 32]);
}

fn with_checksum(body: &str) -> Result<String, KeysError> {
    body.parse::<miniscript::Descriptor<miniscript::DescriptorPublicKey>>()
        .map(|descriptor| descriptor.to_string())
        .map_err(|error| KeysError::new(format!("the keys make no descriptor: {error}")))
}

/// Whether `keys` are those of `descriptor`; the shell asks before it serves.
#[must_use]
pub fn keys_match(keys: &SoftKeys, descriptor: &HotDescriptor) -> bool {
    keys.descriptor() == descriptor.to_string()
}
