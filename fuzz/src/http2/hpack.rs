//! Blocks of headers.

use leno_http2::hpack::{Decoder, Encoder};

/// Whatever a block says, the same fields come out of what we write of them, twice as often, with our own table.
pub fn http2_hpack(bytes: &[u8]) {
    let mut decoder = Decoder::new(4096);
    let (mut encoder, mut reader) = (Encoder::new(4096), Decoder::new(4096));
    // Several blocks on one table: their lengths stand before them.
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (block, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let Some(fields) = read(&mut decoder, block) else { return };
        for _ in 0..2 {
            let mut written = Vec::new();
            for (name, value) in &fields {
                encoder.field(&mut written, name, value);
            }
            assert_eq!(read(&mut reader, &written).as_ref(), Some(&fields));
        }
    }
}

/// Names and values.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn read(decoder: &mut Decoder, block: &[u8]) -> Option<Fields> {
    let (mut fields, mut block) = (Vec::new(), decoder.block(block));
    loop {
        let mut name = Vec::new();
        let Some(length) = block.next(&mut name, true).ok()? else { return Some(fields) };
        let value = name.split_off(length);
        fields.push((name, value));
    }
}
