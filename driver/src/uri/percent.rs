//! Percent-encoding (RFC 3986, section 2.1).

use std::borrow::Cow;

/// Decodes `text`.
///
/// # Errors
/// The fault of `text`.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match (bytes.next().and_then(hex_digit), bytes.next().and_then(hex_digit)) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => {
                return Err(
                    "has a '%' without two hexadecimal digits; write %25 for a percent sign",
                );
            }
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| "is not UTF-8 after percent-decoding")
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        assert_eq!(decode("a+b").unwrap(), "a+b");
        assert_eq!(decode("%2fa%2F").unwrap(), "/a/");
        assert_eq!(decode("%C3%BC").unwrap(), "ü");
        for bad in ["%", "%2", "%w0", "%2w", "%%20", "%FF", "%+1"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
