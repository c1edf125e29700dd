use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSchema, BorshSerialize};

use crate::{HexError, IdError, from_hex, to_hex};

/// A transaction's id in the order of the wire (the order of digits on screen is reversed).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct Txid(pub [u8; 32]);

impl Txid {
    /// Reads the 64 digits that people and nodes use.
    ///
    /// # Errors
    ///
    /// [`HexError`] unless the text is 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        let mut bytes = from_hex(text)?;
        bytes.reverse();
        Ok(Self(bytes))
    }
}

impl fmt::Display for Txid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0;
        bytes.reverse();
        f.write_str(&to_hex(&bytes))
    }
}

impl fmt::Debug for Txid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Txid({self})")
    }
}

/// One output of one transaction. Its text is the transaction's id, a colon and the number.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, BorshSchema,
)]
pub struct Outpoint {
    /// The transaction.
    pub txid: Txid,
    /// The output's number, counted from 0.
    pub vout: u32,
}

impl fmt::Display for Outpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.txid, self.vout)
    }
}

impl fmt::Debug for Outpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outpoint({self})")
    }
}

impl FromStr for Outpoint {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error =
            || IdError { expected: "64 hexadecimal digits, `:`, number", found: text.to_owned() };
        let (txid, vout) = text.split_once(':').ok_or_else(error)?;
        Ok(Self {
            txid: Txid::parse(txid).map_err(|_| error())?,
            vout: vout.parse().map_err(|_| error())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outpoint_is_written_as_nodes_write_it() {
        let text = format!("{}:7", ["ab"; 31].concat() + "01");
        let outpoint: Outpoint = text.parse().unwrap();
        assert_eq!((outpoint.txid.0[0], outpoint.vout), (1, 7));
        assert_eq!(outpoint.to_string(), text);
        assert!("ab:7".parse::<Outpoint>().is_err());
    }
}
