//! Header compression: the RFC's examples, and what one side writes the other reads.

use leno_http2::hpack::{Decoder, Encoder, HpackError};
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let (mut fields, mut block) = (Vec::new(), decoder.block(block));
    loop {
        let mut field = Vec::new();
        let Some(name) = block.next(&mut field, true)? else { return Ok(fields) };
        let value = field.split_off(name);
        fields.push((field, value));
    }
}

fn text(fields: Fields) -> String {
    let line = |(name, value): (Vec<u8>, Vec<u8>)| {
        format!("{}: {}\n", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value))
    };
    fields.into_iter().map(line).collect()
}

const FIRST: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
const SECOND: &str = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n";
const THIRD: &str =
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n";

#[test]
fn requests_of_the_rfc() {
    // RFC 7541, C.3 and C.4: plain and Huffman-coded.
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(4096);
        for (block, said) in blocks.iter().zip([FIRST, SECOND, THIRD]) {
            assert_eq!(text(decode(&mut decoder, &hex(block)).unwrap()), said);
        }
    }
}

#[test]
fn answers_of_the_rfc_with_a_small_table() {
    // RFC 7541, C.6: a table of 256 bytes, so that fields are evicted.
    let blocks = [
        "3fe1 0148 8264 0258 85ae c377 1a4b 6196 d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff 6e91 9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let mut decoder = Decoder::new(4096);
    let said: Vec<_> = blocks.iter().map(|block| text(decode(&mut decoder, &hex(block)).unwrap())).collect();
    assert!(said[0].starts_with(":status: 302\ncache-control: private\n"), "{}", said[0]);
    assert!(said[1].starts_with(":status: 307\ncache-control: private\n"), "{}", said[1]);
    assert!(said[2].starts_with(":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"));
    assert!(said[2].ends_with("set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"), "{}", said[2]);
}

#[test]
fn what_is_no_block_is_refused() {
    let refused = |block: &[u8]| decode(&mut Decoder::new(4096), block).unwrap_err();
    assert_eq!(refused(&[0x80]), HpackError::Index);
    assert_eq!(refused(&[0xbe]), HpackError::Index, "an empty table");
    assert_eq!(refused(&[0x82, 0x20]), HpackError::TableSize, "a size behind a field");
    assert_eq!(refused(&[0x3f, 0xe2, 0x1f]), HpackError::TableSize, "above what was allowed");
    assert_eq!(refused(&[0x40, 0x05, b'a']), HpackError::Truncated);
    assert_eq!(refused(&[0x40, 0x81, 0x00, 0x00]), HpackError::Huffman);
}

#[test]
fn a_field_is_named_by_number_from_the_third_time_on() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let lengths = [0, 1, 2].map(|_| {
        let mut out = Vec::new();
        encoder.field(&mut out, b"user-agent", b"something long enough");
        encoder.field(&mut out, b"authorization", b"secret");
        assert_eq!(
            text(decode(&mut decoder, &out).unwrap()),
            "user-agent: something long enough\nauthorization: secret\n"
        );
        out.len()
    });
    assert!(lengths[2] < 12 && lengths[0] > 24, "{lengths:?}");
    assert_eq!(encoder.table_len(), 1, "secrets never enter the table");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        size in prop_oneof![Just(0_usize), Just(100), Just(4096)],
        blocks in prop::collection::vec(
            prop::collection::vec(("[a-c]{1,3}", "[a-z ]{0,40}"), 0..12),
            1..20,
        ),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(size), Decoder::new(4096));
        for fields in blocks {
            let mut out = Vec::new();
            for (name, value) in &fields {
                encoder.field(&mut out, name.as_bytes(), value.as_bytes());
            }
            let fields: Fields = fields.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
            prop_assert_eq!(decode(&mut decoder, &out).unwrap(), fields);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(block in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&mut Decoder::new(4096), &block));
    }
}
