//! Addresses that people type, and what is wrong with them.

use std::str::FromStr;

use anyhow::anyhow;
use bitcoin::{
    Address,
    address::NetworkUnchecked,
    base58,
    bech32::primitives::decode::{SegwitHrpstring, SegwitHrpstringError::Checksum},
};
use primitives::Network;

use crate::config::bitcoin_network;

/// What bech32 addresses begin with, on every network.
const BECH32: [&str; 3] = ["bc1", "tb1", "bcrt1"];

/// The address in `text`, if it is one of `network`.
pub(super) fn parse(text: &str, network: Network) -> anyhow::Result<Address> {
    let address: Address<NetworkUnchecked> =
        Address::from_str(text).map_err(|_| anyhow!("`{text}` is no address: {}", fault(text)))?;
    address
        .require_network(bitcoin_network(network))
        .map_err(|_| anyhow!("`{text}` is no address of {network}, where this house is"))
}

/// Why `text` is none. The library takes all that is no good bech32 for base58, and would complain
/// of that.
fn fault(text: &str) -> String {
    const CHECKSUM: &str = "its checksum does not match; compare it character by character";
    let lower = text.to_ascii_lowercase();
    if BECH32.iter().any(|prefix| lower.starts_with(prefix)) {
        return match SegwitHrpstring::new(text) {
            Err(Checksum(_)) => CHECKSUM.to_owned(),
            Err(error) => in_full(error),
            Ok(_) => "nobody knows what pays such a witness program".to_owned(),
        };
    }
    match base58::decode_check(text) {
        Err(base58::Error::IncorrectChecksum(_)) => CHECKSUM.to_owned(),
        Err(error) => in_full(error),
        Ok(_) => "it is neither a key's nor a script's".to_owned(),
    }
}

fn in_full(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow!(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_address_is_named_with_what_is_wrong_with_it() {
        let good = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
        parse(good, Network::Regtest).unwrap();
        for (text, network, said) in [
            (&good.replace("7kygt", "7kyqt"), Network::Regtest, "checksum does not match"),
            (&good.replace("ygt", "ybt"), Network::Regtest, "is no address: "),
            (&good[..good.len() - 1].to_owned(), Network::Regtest, "checksum does not match"),
            (&good.to_owned(), Network::Signet, "no address of signet"),
            (&"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfm".to_owned(), Network::Regtest, "checksum"),
            (&"hello".to_owned(), Network::Regtest, "is no address: "),
            (&String::new(), Network::Regtest, "is no address: "),
        ] {
            let fault = parse(text, network).unwrap_err().to_string();
            assert!(fault.contains(said) && fault.contains(text.as_str()), "{text}: {fault}");
        }
        parse("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", Network::Regtest).unwrap();
    }
}
