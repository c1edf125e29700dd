//! The tags with which the signer says no. A tag is API: it never changes its meaning.

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// Why the signer refused. In order of precedence: the first that applies is given.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize,
            BorshDeserialize, BorshSchema,
        )]
        #[non_exhaustive]
        pub enum RefusalTag { $($(#[$doc])* $name,)* }

        impl RefusalTag {
            /// Every tag, in order of precedence.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
        }
    };
}

tags! {
    /// The frame or message cannot be read, or has another protocol version.
    MessageUnreadable = "signer-message-unreadable",
    /// The message is larger than the signer accepts.
    MessageTooLarge = "signer-message-too-large",
    /// A halt is in force; only the signer's host clears it.
    Halted = "signer-halted",
    /// The head of the journal has not been witnessed up to the entry that authorises the payment.
    JournalNotWitnessed = "signer-journal-not-witnessed",
    /// The journal is shorter than the signer has witnessed.
    JournalShrunk = "signer-journal-shrunk",
    /// The journal is not a continuation of what the signer has witnessed.
    JournalForked = "signer-journal-forked",
    /// The bytes are no PSBT of version 0 (BIP-174).
    PsbtUnreadable = "signer-psbt-unreadable",
    /// The PSBT has unknown or proprietary fields, signatures, final scripts or global keys.
    PsbtField = "signer-psbt-field",
    /// The transaction's version, lock time or a sequence is outside what we build.
    PsbtShape = "signer-psbt-shape",
    /// No inputs, no outputs, or more of them, or more weight, than a batch may have.
    PsbtSize = "signer-psbt-size",
    /// Two inputs spend the same coin.
    InputDuplicate = "signer-input-duplicate",
    /// An input is neither segwit v0 nor v1.
    InputScriptType = "signer-input-script-type",
    /// An input's amount is not proven.
    InputAmount = "signer-input-amount",
    /// An input names a sighash type other than ALL or DEFAULT.
    InputSighash = "signer-input-sighash",
    /// An input does not belong to the signer's descriptor.
    InputForeign = "signer-input-foreign",
    /// An input's index is beyond the gap.
    InputIndex = "signer-input-index",
    /// An output claims to be change and is not the signer's.
    ChangeForeign = "signer-change-foreign",
    /// A change output's index is beyond the gap.
    ChangeIndex = "signer-change-index",
    /// An output is below the dust limit of its script type.
    OutputDust = "signer-output-dust",
    /// An output's script is no standard payment script.
    OutputScript = "signer-output-script",
    /// Outputs exceed inputs.
    FeeNegative = "signer-fee-negative",
    /// The fee is above the absolute cap.
    FeeAboveCap = "signer-fee-above-cap",
    /// The fee rate is above the cap.
    FeeRateAboveCap = "signer-fee-rate-above-cap",
    /// An external output has no evidence, or more than one.
    OutputWithoutWithdrawal = "signer-output-without-withdrawal",
    /// Evidence names no external output of this transaction.
    EvidenceWithoutOutput = "signer-evidence-without-output",
    /// The payout intent cannot be read.
    IntentUnreadable = "signer-intent-unreadable",
    /// The intent belongs to another network or deployment.
    IntentElsewhere = "signer-intent-elsewhere",
    /// The intent's script or amount is not the output's.
    IntentOutput = "signer-intent-output",
    /// The withdrawal's id is not the one that its intent makes.
    WithdrawalId = "signer-withdrawal-id",
    /// One transaction names one withdrawal twice.
    WithdrawalTwice = "signer-withdrawal-twice",
    /// The intent is past its `not_after`.
    IntentExpired = "signer-intent-expired",
    /// The intent's `not_after` is further ahead than 72 hours.
    IntentTooLong = "signer-intent-too-long",
    /// The customer's fee in the intent is above the cap.
    IntentFee = "signer-intent-fee",
    /// The customer's key is not in the signer's own list, or belongs to another account.
    EvidenceKey = "signer-evidence-key",
    /// The customer's key has not been in the list for its cool-down.
    EvidenceKeyCooling = "signer-evidence-key-cooling",
    /// The customer's signature does not verify.
    EvidenceSignature = "signer-evidence-signature",
    /// The transaction leaves out the pin of a withdrawal that was signed before.
    PinMissing = "signer-pin-missing",
    /// The inner bucket of the evidence class cannot carry it.
    ClassTranche = "signer-class-tranche",
    /// The outer bucket cannot carry it.
    Tranche = "signer-tranche",
}

impl RefusalTag {
    /// Whether this refusal proves that the signer has never signed the transaction: it comes
    /// after the look-up of stored signatures, so the server may dissolve the batch.
    #[must_use]
    pub const fn proves_unsigned(self) -> bool {
        !matches!(
            self,
            Self::MessageUnreadable
                | Self::MessageTooLarge
                | Self::Halted
                | Self::JournalNotWitnessed
                | Self::JournalShrunk
                | Self::JournalForked
                | Self::PsbtUnreadable
        )
    }
}

impl std::fmt::Display for RefusalTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_distinct_and_kebab_case() {
        let mut ids: Vec<_> = RefusalTag::ALL.iter().map(|tag| tag.id()).collect();
        let kebab = |id: &&str| id.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(ids.iter().all(kebab));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RefusalTag::ALL.len());
    }

    #[test]
    fn a_halt_does_not_prove_that_nothing_was_signed() {
        assert!(!RefusalTag::Halted.proves_unsigned());
        assert!(RefusalTag::Tranche.proves_unsigned());
    }
}
