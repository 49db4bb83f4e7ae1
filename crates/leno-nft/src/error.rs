//! What can go wrong.

use std::io;

/// Why a table could not be written. Nothing of it is in force then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The netlink socket failed.
    #[error("talk to the kernel's packet filter")]
    Socket(#[source] io::Error),
    /// The ruleset is more than one message to the kernel can hold.
    #[error("the ruleset has {bytes} bytes, more than the kernel takes at once")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The kernel refused a part of it.
    #[error("{part}{}", reason(source))]
    Refused {
        /// Which part, e.g. `rule 3 of chain output of table inet leno`.
        part: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a person can do about it, for the refusals that have one cause in practice.
fn reason(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => ": CAP_NET_ADMIN in this network namespace is needed",
        io::ErrorKind::NotFound => {
            ": not known; the kernel's nf_tables, nft_nat, nft_redir, nft_ct or nft_reject module may be missing"
        }
        _ => "",
    }
}
