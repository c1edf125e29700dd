//! Lower-case hexadecimal, strict: one text for one value.

/// What is wrong with a hexadecimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {expected} lower-case hexadecimal digits, found {found} characters or a digit outside 0-9a-f"
)]
pub struct HexError {
    /// Digits that the type needs.
    pub expected: usize,
    /// Characters in the text.
    pub found: usize,
}

/// `bytes` as lower-case hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly `N` bytes from `2 * N` lower-case digits.
///
/// # Errors
///
/// [`HexError`] for another length, an upper-case letter or any other character.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = HexError { expected: N.saturating_mul(2), found: text.chars().count() };
    if text.len() != error.expected {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(error) };
        let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else { return Err(error) };
        *byte = (high << 4) | low;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a').and_then(|value| value.checked_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_one_text_for_one_value() {
        assert_eq!(to_hex(&[0x00, 0xff, 0x1a]), "00ff1a");
        assert_eq!(from_hex::<3>("00ff1a"), Ok([0x00, 0xff, 0x1a]));
        for bad in ["00FF1a", "00ff1", "00ff1a0", "00ff1g", "00ff1é"] {
            assert!(from_hex::<3>(bad).is_err(), "{bad}");
        }
    }
}
