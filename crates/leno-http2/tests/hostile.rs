//! The other side as an attacker.

use leno_http2::{Code, Connection, Flood, PREFACE, Role, Settings};

use crate::pair::{End, Told, frame, give, said};

/// A server that was greeted.
fn server() -> End {
    let mut server = Connection::new(Role::Server, Settings::default());
    give(&mut server, &[PREFACE, &frame(4, 0, 0, &[])].concat()).unwrap();
    said(&mut server);
    server
}

/// GET / in four bytes.
const GET: [u8; 4] = [0x82, 0x86, 0x84, 0x01 << 6 | 1];

fn get() -> Vec<u8> {
    let mut block = GET.to_vec();
    block.extend([1, b'x']);
    block
}

/// The code that a server ends its connection with.
fn refused(bytes: &[u8]) -> Code {
    give(&mut server(), bytes).unwrap_err().code
}

#[test]
fn floods_end_the_connection() {
    let continuation: Vec<u8> = (0..200).flat_map(|_| frame(9, 0, 1, &[])).collect();
    assert_eq!(refused(&[frame(1, 0, 1, &get()), continuation].concat()), Code::ENHANCE_YOUR_CALM);
    let large: Vec<u8> = (0..20).flat_map(|_| frame(9, 0, 1, &[0; 16_384])).collect();
    assert_eq!(refused(&[frame(1, 0, 1, &get()), large].concat()), Code::ENHANCE_YOUR_CALM);
    let empty: Vec<u8> = (0..200).flat_map(|_| frame(0, 0, 1, &[])).collect();
    assert_eq!(refused(&[frame(1, 4, 1, &get()), empty].concat()), Code::ENHANCE_YOUR_CALM);
    let pings: Vec<u8> = (0..100_000).flat_map(|_| frame(6, 0, 0, &[0; 8])).collect();
    assert_eq!(refused(&pings), Code::ENHANCE_YOUR_CALM);
    let settings: Vec<u8> = (0..200_000).flat_map(|_| frame(4, 0, 0, &[])).collect();
    assert_eq!(refused(&settings), Code::ENHANCE_YOUR_CALM);
}

#[test]
fn answers_that_were_written_are_not_counted() {
    let flood = Flood { max_control_frames: 3, ..Flood::default() };
    let mut server = Connection::new(Role::Server, Settings { flood, ..Settings::default() });
    give(&mut server, &[PREFACE, &frame(4, 0, 0, &[])].concat()).unwrap();
    let ping = frame(6, 0, 0, &[0; 8]);
    for _ in 0..100 {
        give(&mut server, &ping.repeat(2)).unwrap();
        // It is never empty: the last byte of the last answer stays.
        server.written(server.output().len() - 1);
    }
    // One is being written, three wait: that is as many as may.
    give(&mut server, &ping.repeat(3)).unwrap();
    assert_eq!(give(&mut server, &ping).unwrap_err().code, Code::ENHANCE_YOUR_CALM);
}

#[test]
fn most_streams_reset_end_the_connection() {
    let mut server = server();
    let mut ended = None;
    for stream in (1..4000).step_by(2) {
        let bytes = [frame(1, 5, stream, &get()), frame(3, 0, stream, &[0, 0, 0, 8])].concat();
        match give(&mut server, &bytes) {
            Ok(told) => assert!(matches!(&told[..], [Told::Request(..), Told::Reset(..)])),
            Err(error) => {
                ended = Some((stream, error.code));
                break;
            }
        }
        server.forget(stream, 0);
        server.seen();
    }
    assert_eq!(ended, Some((1001, Code::ENHANCE_YOUR_CALM)));
}

#[test]
fn a_block_that_unpacks_to_very_much_costs_little() {
    // One large field in the table, then named as often as fits into a frame.
    let mut block = get();
    block.extend([0x40, 1, b'a', 0x7f, 0x81, 0x1e]);
    block.extend([b'v'; 4000]);
    block.extend([0xbe; 12_000]);
    let mut server = server();
    let told = give(&mut server, &frame(1, 5, 1, &block)).unwrap();
    assert!(matches!(&told[..], [Told::Request(1, head, true)] if head.is_too_large()), "{told:?}");
}

#[test]
fn frames_out_of_place_end_the_connection() {
    let open = frame(1, 4, 1, &get());
    let cases: &[(&[u8], Code)] = &[
        (&frame(0, 0, 0, b"x"), Code::PROTOCOL_ERROR),
        (&frame(0, 0, 1, b"x"), Code::PROTOCOL_ERROR),
        (&frame(1, 4, 2, &get()), Code::PROTOCOL_ERROR),
        (&[open.clone(), frame(1, 5, 3, &get()), frame(0, 8, 1, &[5, 0])].concat(), Code::PROTOCOL_ERROR),
        (&[frame(1, 0, 1, &get()), frame(6, 0, 0, &[0; 8])].concat(), Code::PROTOCOL_ERROR),
        (&frame(9, 4, 1, &[]), Code::PROTOCOL_ERROR),
        (&frame(3, 0, 1, &[0; 4]), Code::PROTOCOL_ERROR),
        (&frame(3, 0, 1, &[0; 3]), Code::FRAME_SIZE_ERROR),
        (&frame(4, 0, 0, &[0; 5]), Code::FRAME_SIZE_ERROR),
        (&frame(4, 0, 0, &[0, 4, 0x80, 0, 0, 0]), Code::FLOW_CONTROL_ERROR),
        (&frame(4, 0, 0, &[0, 5, 0, 0, 0, 1]), Code::PROTOCOL_ERROR),
        (&frame(5, 4, 1, &[0; 8]), Code::PROTOCOL_ERROR),
        (&frame(6, 0, 0, &[0; 7]), Code::FRAME_SIZE_ERROR),
        (&frame(8, 0, 0, &[0; 4]), Code::PROTOCOL_ERROR),
        (&frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Code::FLOW_CONTROL_ERROR),
        (&frame(8, 0, 1, &[0, 0, 0, 1]), Code::PROTOCOL_ERROR),
        (&frame(1, 5, 1, &[0xff, 0xff]), Code::COMPRESSION_ERROR),
        (&[frame(1, 5, 5, &get()), frame(1, 5, 3, &get())].concat(), Code::STREAM_CLOSED),
        (&[0, 0x40, 1, 0, 0, 0, 0, 0, 1], Code::FRAME_SIZE_ERROR),
    ];
    for (bytes, code) in cases {
        assert_eq!(refused(bytes), *code, "{bytes:?}");
    }
    let mut silent: End = Connection::new(Role::Server, Settings::default());
    assert!(give(&mut silent, b"GET / HTTP/1.1\r\n").is_err());
    let mut early: End = Connection::new(Role::Server, Settings::default());
    assert!(give(&mut early, &[PREFACE, &frame(6, 0, 0, &[0; 8])].concat()).is_err());
}

#[test]
fn more_than_the_window_ends_what_it_came_on() {
    let mut server = server();
    give(&mut server, &frame(1, 4, 1, &get())).unwrap();
    let told: Vec<_> = (0..17).flat_map(|_| give(&mut server, &frame(0, 0, 1, &[0; 16_384])).unwrap()).collect();
    assert!(matches!(told.last(), Some(Told::Reset(1, Code::FLOW_CONTROL_ERROR, false))));
}

#[test]
fn bodies_are_as_long_as_they_say() {
    let mut block = get();
    block.extend([0x0f, 13, 1, b'3']);
    for (body, end) in [(&b"abcd"[..], false), (b"ab", true)] {
        let mut server = server();
        give(&mut server, &frame(1, 4, 1, &block)).unwrap();
        let told = give(&mut server, &frame(0, u8::from(end), 1, body)).unwrap();
        assert!(matches!(&told[..], [Told::Reset(1, Code::PROTOCOL_ERROR, false)]), "{told:?}");
    }
}
