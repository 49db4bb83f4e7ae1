//! Huffman-coded text ([RFC 7541, 5.2 and appendix B]). The code is canonical: the lengths of its codes are all there is
//! to it. Text is only decoded; what is written goes plain, which costs the other side less time than it saves bytes.
//!
//! [RFC 7541, 5.2 and appendix B]: https://www.rfc-editor.org/rfc/rfc7541#appendix-B

use super::HpackError;

/// Symbols: all bytes, and the end, which may not be there.
const SYMBOLS: usize = 257;
const END: u16 = 256;
/// The longest code.
const LONGEST: usize = 30;

/// How many bits each symbol's code has.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The codes of one length: consecutive numbers from `first` for the symbols from `offset`.
#[derive(Clone, Copy)]
struct Length {
    first: u32,
    count: u32,
    offset: u32,
}

struct Code {
    lengths: [Length; LONGEST + 1],
    /// Symbols by length, then by number.
    symbols: [u16; SYMBOLS],
    /// For each byte that text may go on with: the symbol and its length; length 0: its code has more than eight bits.
    short: [(u8, u8); 256],
}

static CODE: Code = code();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler")]
const fn code() -> Code {
    let mut code = Code {
        lengths: [Length { first: 0, count: 0, offset: 0 }; LONGEST + 1],
        symbols: [0; SYMBOLS],
        short: [(0, 0); 256],
    };
    let (mut next, mut offset, mut length) = (0_u32, 0_u32, 1);
    while length <= LONGEST {
        next <<= 1;
        code.lengths[length] = Length { first: next, count: 0, offset };
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.symbols[offset as usize] = symbol as u16;
                let mut fill = 0;
                while length <= 8 && fill < 1 << (8 - length) {
                    code.short[((next as usize) << (8 - length)) + fill] = (symbol as u8, length as u8);
                    fill += 1;
                }
                code.lengths[length].count += 1;
                next += 1;
                offset += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    code
}

/// The symbol that these bits begin with, and the length of its code.
fn symbol(bits: u64) -> Option<(u16, u32)> {
    let [first, ..] = bits.to_be_bytes();
    if let Some((symbol, length @ 1..)) = CODE.short.get(usize::from(first)) {
        return Some((u16::from(*symbol), u32::from(*length)));
    }
    let longer = CODE.lengths.iter().zip(0_u32..).skip(9);
    for (of, length) in longer {
        let number = u32::try_from(bits >> (64 - length)).ok()?.checked_sub(of.first)?;
        if number < of.count {
            let symbol = CODE.symbols.get((of.offset + number) as usize)?;
            return Some((*symbol, length));
        }
    }
    None
}

/// Decodes text.
///
/// # Errors
/// When it is not as a Huffman coder writes it: with the end symbol in it, or padded by anything but ones, or by more than
/// seven of them.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let mut input = text.iter();
    // The next bits from the top, and how many of them there are.
    let (mut bits, mut have) = (0_u64, 0_u32);
    loop {
        while have <= 56
            && let Some(byte) = input.next()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        if have == 0 {
            return Ok(());
        }
        let (symbol, length) = symbol(bits).ok_or(HpackError::Huffman)?;
        if length > have {
            let padding = bits.leading_ones() >= have;
            return if have < 8 && padding { Ok(()) } else { Err(HpackError::Huffman) };
        }
        if symbol == END {
            return Err(HpackError::Huffman);
        }
        out.push(symbol.to_le_bytes()[0]);
        bits <<= length;
        have -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes as the RFC says; only tests need it.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for byte in text {
            let length = usize::from(LENGTHS[usize::from(*byte)]);
            let of = CODE.lengths[length];
            let at = CODE.symbols[of.offset as usize..].iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
            bits += &format!("{:0length$b}", of.first as usize + at);
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    fn decoded(text: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = Vec::new();
        decode(text, &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7541, C.4.1 and C.6.1.
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&www).unwrap(), b"www.example.com");
        assert_eq!(encode(b"www.example.com"), www);
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b, 0x81, 0x66, 0xe0, 0x82,
            0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decoded(&date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encode(&all)).unwrap(), all);
        for byte in 0..=255 {
            assert_eq!(decoded(&encode(&[byte])).unwrap(), [byte]);
            assert_eq!(decoded(&encode(&[byte, b'a', byte])).unwrap(), [byte, b'a', byte]);
        }
    }

    #[test]
    fn what_no_coder_writes_is_refused() {
        for wrong in [&[0xff][..], &[0xff; 4], &[0x00, 0xff, 0xff], &[0b0001_1000], &[0xff, 0xff, 0xff, 0xfc]] {
            assert_eq!(decoded(wrong), Err(HpackError::Huffman), "{wrong:?}");
        }
        assert_eq!(decoded(&[]).unwrap(), b"");
    }
}
