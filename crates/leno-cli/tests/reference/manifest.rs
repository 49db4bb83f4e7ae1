//! `manifests.md` is written by hand; what it says of ports is what the code does.

use std::fs;

use leno_model::Protocol;

use crate::page;

#[test]
fn words_of_ports_mean_what_the_page_says() {
    let text = fs::read_to_string(page::folder().join("manifests.md")).expect("there is the page");
    let (_, section) = text.split_once("## What a port speaks").expect("there is the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    for (meaning, expected) in [
        ("HTTP/1.1 or HTTP/2", Protocol::Http),
        ("HTTP/2 in plaintext", Protocol::Http2),
        ("bytes", Protocol::Tcp),
        ("not intercepted", Protocol::Udp),
    ] {
        let cells =
            |line: &str| line.trim_matches('|').split_once(" | ").map(|(words, it)| (words.to_owned(), it.to_owned()));
        let row = section.lines().filter_map(cells).find(|(_, it)| it.trim_start_matches('[').starts_with(meaning));
        let (words, _) = row.unwrap_or_else(|| panic!("no row of {meaning}"));
        let words: Vec<_> = words.split('`').skip(1).step_by(2).filter(|word| *word != "appProtocol").collect();
        assert!(!words.is_empty(), "{meaning}");
        for word in words {
            assert_eq!(Protocol::declared(Some(word), ""), expected, "{word}");
        }
    }
}
