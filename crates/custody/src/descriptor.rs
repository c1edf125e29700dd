//! The hot wallet's public descriptor: which scripts are ours. It holds no private key.

use std::str::FromStr;

use bitcoin::{Psbt, ScriptBuf};
use miniscript::{Descriptor, DescriptorPublicKey, psbt::PsbtExt};

use crate::{Refusal, event::Watched};

/// How many external indexes beyond the last one handed out are watched, so that a payment to an
/// address whose assignment was lost is seen. Source: BIP-44, gap limit 20.
pub const LOOKAHEAD: u32 = 20;

/// A parsed multipath descriptor with an external and an internal keychain (BIP-389).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotDescriptor {
    external: Descriptor<DescriptorPublicKey>,
    internal: Descriptor<DescriptorPublicKey>,
    input_weight: u64,
}

impl HotDescriptor {
    /// Reads a descriptor such as `tr([fingerprint/86h/0h/0h]xpub…/<0;1>/*)`.
    ///
    /// # Errors
    ///
    /// [`Refusal::DescriptorWrong`] unless it is a sane descriptor with exactly two keychains.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = |reason: String| Refusal::DescriptorWrong { reason };
        let descriptor = Descriptor::<DescriptorPublicKey>::from_str(text)
            .map_err(|error| wrong(error.to_string()))?;
        descriptor.sanity_check().map_err(|error| wrong(error.to_string()))?;
        let keychains =
            descriptor.into_single_descriptors().map_err(|error| wrong(error.to_string()))?;
        let [external, internal] = <[_; 2]>::try_from(keychains)
            .map_err(|_| wrong("two keychains are needed, as in <0;1>".to_owned()))?;
        let satisfaction = external
            .at_derivation_index(0)
            .map_err(|error| wrong(error.to_string()))?
            .max_weight_to_satisfy()
            .map_err(|error| wrong(error.to_string()))?;
        let input_weight = satisfaction.to_wu().saturating_add(INPUT_BASE_WEIGHT);
        Ok(Self { external, internal, input_weight })
    }

    /// The script at this place, or `None` for a hardened index.
    #[must_use]
    pub fn script(&self, watched: Watched) -> Option<ScriptBuf> {
        let (keychain, index) = self.at(watched);
        Some(keychain.at_derivation_index(index).ok()?.script_pubkey())
    }

    /// The most weight that spending one coin adds, in weight units.
    #[must_use]
    pub const fn input_weight(&self) -> u64 {
        self.input_weight
    }

    /// Writes where the keys of an input come from into `psbt`.
    ///
    /// # Errors
    ///
    /// A sentence, where the input is not of this script.
    pub fn describe_input(
        &self,
        psbt: &mut Psbt,
        input: usize,
        watched: Watched,
    ) -> Result<(), String> {
        let (keychain, index) = self.at(watched);
        let definite = keychain.at_derivation_index(index).map_err(|error| error.to_string())?;
        psbt.update_input_with_descriptor(input, &definite).map_err(|error| error.to_string())
    }

    /// Writes where the keys of a change output come from into `psbt`.
    ///
    /// # Errors
    ///
    /// A sentence, where the output is not of this script.
    pub fn describe_output(
        &self,
        psbt: &mut Psbt,
        output: usize,
        watched: Watched,
    ) -> Result<(), String> {
        let (keychain, index) = self.at(watched);
        let definite = keychain.at_derivation_index(index).map_err(|error| error.to_string())?;
        psbt.update_output_with_descriptor(output, &definite).map_err(|error| error.to_string())
    }

    const fn at(&self, watched: Watched) -> (&Descriptor<DescriptorPublicKey>, u32) {
        match watched {
            Watched::External(index) => (&self.external, index),
            Watched::Internal(index) => (&self.internal, index),
        }
    }
}

/// Outpoint 36 bytes, script length 1, sequence 4, four weight units each. Source: BIP-141.
const INPUT_BASE_WEIGHT: u64 = 164;
