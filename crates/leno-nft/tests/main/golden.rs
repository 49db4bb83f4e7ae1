//! The encoder's bytes.

use std::fmt::Write as _;

use leno_nft::{
    Family,
    encode::{Batch, delete, replace},
};

use crate::sample::everything;

/// Each message on a line: type, flags, and the rest in hexadecimal.
fn dump(batch: &Batch) -> String {
    let mut text = String::new();
    let mut rest = batch.bytes();
    while !rest.is_empty() {
        let length = u32::from_ne_bytes(*rest.first_chunk().unwrap()) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let flags = u16::from_ne_bytes([rest[6], rest[7]]);
        let sequence = u32::from_ne_bytes(rest[8..12].try_into().unwrap());
        write!(text, "{sequence} {kind:#06x} {flags:#05x} ").unwrap();
        for byte in &rest[16..length] {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
        rest = &rest[length..];
    }
    text
}

#[test]
#[cfg(target_endian = "little")]
fn the_bytes_are_those_that_were_checked_against_nft() {
    let found = dump(&replace(&everything()));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/main/golden/everything.txt");
    if option_env!("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    assert_eq!(found, include_str!("golden/everything.txt"));
}

#[test]
fn parts_are_named() {
    let table = everything();
    let batch = replace(&table);
    let names: Vec<&str> = (0..=batch.last()).map(|sequence| batch.part(sequence)).collect();
    assert_eq!(names[0], "the ruleset");
    assert_eq!(names[1], "table inet everything");
    assert!(names.contains(&"rule 2 of chain output of table inet everything"), "{names:?}");
    assert_eq!(batch.part(u32::MAX), "the ruleset");
}

#[test]
fn only_the_last_message_of_content_asks_for_confirmation() {
    for batch in [replace(&everything()), delete(Family::Inet, "leno")] {
        let text = dump(&batch);
        let asking: Vec<&str> = text
            .lines()
            .filter(|line| {
                let flags = line.split(' ').nth(2).unwrap();
                u16::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap() & 4 != 0
            })
            .collect();
        assert_eq!(asking.len(), 1);
        assert!(asking[0].starts_with(&format!("{} ", batch.last())));
    }
}
