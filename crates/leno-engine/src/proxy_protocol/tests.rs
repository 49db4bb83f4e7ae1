use proptest::prelude::*;

use super::*;

fn addresses(source: &str, destination: &str) -> Addresses {
    Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn read_v1(line: &str) -> Read {
    read(format!("{line}\r\nrest").as_bytes())
}

#[test]
fn lines_are_read() {
    let four = addresses("10.0.0.1:1000", "10.0.0.2:80");
    let six = addresses("[fd00::1]:1000", "[fd00::2]:80");
    for (line, expected) in [
        ("PROXY TCP4 10.0.0.1 10.0.0.2 1000 80", Some(four)),
        ("PROXY TCP6 fd00::1 fd00::2 1000 80", Some(six)),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN 10.0.0.1 what ever 1", None),
    ] {
        let header = Header { version: Version::V1, addresses: expected, additions: vec![] };
        assert_eq!(read_v1(line), Read::Complete(header, line.len() + 2), "{line}");
    }
    for line in [
        "PROXY ",
        "PROXY TCP4 10.0.0.1 10.0.0.2 1000",
        "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80 1",
        "PROXY TCP4 fd00::1 fd00::2 1000 80",
        "PROXY TCP6 10.0.0.1 10.0.0.2 1000 80",
        "PROXY TCP4 10.0.0.1 10.0.0.2 1000 70000",
        "PROXY TCP4 10.0.0.1 10.0.0.2 +100 80",
        "PROXY TCP4 0.0.0.0 10.0.0.2 1000 80",
        "PROXY TCP4 10.0.0.1 224.0.0.1 1000 80",
        "PROXY UDP4 10.0.0.1 10.0.0.2 1000 80",
    ] {
        assert_eq!(read_v1(line), Read::Broken(Version::V1), "{line}");
    }
    assert_eq!(read(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat()), Read::Broken(Version::V1));
}

#[test]
fn other_bytes_are_no_header() {
    assert_eq!(read(b""), Read::Partial);
    assert_eq!(read(b"PROX"), Read::Partial);
    assert_eq!(read(b"\r\n\r\n"), Read::Partial);
    assert_eq!(read(b"GET / HTTP/1.1\r\n"), Read::Absent);
    assert_eq!(read(b"PROXX"), Read::Absent);
    assert_eq!(read(b"\r\n\r\nGET"), Read::Absent);
}

#[test]
fn who_speaks_for_itself_has_no_addresses() {
    let local = write(Version::V2, None, &[]);
    let header = Header { version: Version::V2, addresses: None, additions: vec![] };
    assert_eq!(read(&local), Read::Complete(header, 16));
    let mut unix = write(Version::V2, Some(addresses("1.1.1.1:1", "2.2.2.2:2")), &[]);
    unix[13] = 0x31;
    assert_eq!(read(&unix), Read::Broken(Version::V2));
    unix[13] = 0x11;
    unix[12] = 0x11;
    assert_eq!(read(&unix), Read::Broken(Version::V2));
}

fn any_addresses() -> impl Strategy<Value = Addresses> {
    let v4 = (1u8..=223, any::<[u8; 3]>(), any::<u16>())
        .prop_map(|(first, [a, b, c], port)| SocketAddr::from(([first, a, b, c], port)));
    let pair = (v4.clone(), v4).prop_map(|(source, destination)| Addresses { source, destination });
    let wide = (any::<u64>(), any::<u64>(), any::<u16>(), any::<u16>()).prop_map(|(from, to, sport, dport)| {
        let ip = |low: u64| std::net::Ipv6Addr::from((0xfd00u128 << 112) | u128::from(low));
        Addresses { source: SocketAddr::from((ip(from), sport)), destination: SocketAddr::from((ip(to), dport)) }
    });
    prop_oneof![pair, wide]
}

fn any_additions() -> impl Strategy<Value = Vec<Addition>> {
    let one = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(one.prop_map(|(kind, value)| Addition { kind, value: value.into() }), 0..5)
}

proptest! {
    #[test]
    fn what_is_written_is_read(addresses in any_addresses(), additions in any_additions(), rest: Vec<u8>) {
        for version in [Version::V1, Version::V2] {
            let bytes = write(version, Some(addresses), &additions);
            let told = if version == Version::V2 { additions.clone() } else { vec![] };
            let header = Header { version, addresses: Some(addresses), additions: told };
            let expected = Read::Complete(header, bytes.len());
            prop_assert_eq!(read(&[bytes.as_slice(), &rest].concat()), expected);
            for cut in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..cut]), Read::Partial);
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic(bytes: Vec<u8>, signature: bool) {
        let bytes = if signature { [v2::SIGNATURE, &bytes].concat() } else { [v1::SIGNATURE, &bytes].concat() };
        match read(&bytes) {
            Read::Complete(_, length) => prop_assert!(length <= bytes.len()),
            Read::Partial | Read::Absent | Read::Broken(_) => {}
        }
    }
}
