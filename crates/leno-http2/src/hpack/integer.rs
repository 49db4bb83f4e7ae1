//! Numbers ([RFC 7541, 5.1]).
//!
//! [RFC 7541, 5.1]: https://www.rfc-editor.org/rfc/rfc7541#section-5.1

use super::HpackError;

/// Reads a number whose first byte leaves it `prefix` bits.
pub(super) fn read(rest: &mut &[u8], prefix: u32) -> Result<usize, HpackError> {
    let (first, mut after) = rest.split_first().ok_or(HpackError::Truncated)?;
    let most = (1_u8 << prefix).wrapping_sub(1);
    let mut value = usize::from(first & most);
    if first & most == most {
        // Four more bytes at most: 28 bits, far more than any length or index can be.
        for shift in [0, 7, 14, 21, 28] {
            if shift == 28 {
                return Err(HpackError::Integer);
            }
            let (byte, next) = after.split_first().ok_or(HpackError::Truncated)?;
            after = next;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = after;
    Ok(value)
}

/// Writes a number behind the bits of `first` that are not its prefix.
#[expect(clippy::cast_possible_truncation, reason = "each byte takes seven bits or what fits into the prefix")]
pub(super) fn write(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7541, C.1.
        for (value, prefix, bytes) in [(10, 5, &[10][..]), (1337, 5, &[31, 154, 10])] {
            let mut out = Vec::new();
            write(&mut out, 0, prefix, value);
            assert_eq!(out, bytes);
            assert_eq!(read(&mut &*out, prefix), Ok(value));
        }
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(read(&mut &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x01][..], 7), Err(HpackError::Integer));
        assert_eq!(read(&mut &[0x7f, 0xff][..], 7), Err(HpackError::Truncated));
        assert_eq!(read(&mut &[][..], 7), Err(HpackError::Truncated));
    }
}
