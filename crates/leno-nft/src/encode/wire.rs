//! Numbers of the kernel's `linux/netfilter/nf_tables.h` and `linux/netfilter/nfnetlink.h`.
//!
//! <https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/netfilter/nf_tables.h>

pub(super) const SUBSYSTEM: u16 = 10;
pub(super) const BATCH_BEGIN: u16 = 16;
pub(super) const BATCH_END: u16 = 17;

pub(super) const NEW_TABLE: u16 = 0;
pub(super) const DELETE_TABLE: u16 = 2;
pub(super) const NEW_CHAIN: u16 = 3;
pub(super) const NEW_RULE: u16 = 6;
pub(super) const NEW_SET: u16 = 9;
pub(super) const NEW_SET_ELEMENT: u16 = 12;

pub(super) const LIST_ELEMENT: u16 = 1;

/// Attributes of tables.
pub(super) mod table {
    pub(in super::super) const NAME: u16 = 1;
    pub(in super::super) const FLAGS: u16 = 2;
}

/// Attributes of chains.
pub(super) mod chain {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 3;
    pub(in super::super) const HOOK: u16 = 4;
    pub(in super::super) const POLICY: u16 = 5;
    pub(in super::super) const TYPE: u16 = 7;
    pub(in super::super) const HOOK_NUMBER: u16 = 1;
    pub(in super::super) const HOOK_PRIORITY: u16 = 2;
}

/// Attributes of rules.
pub(super) mod rule {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const CHAIN: u16 = 2;
    pub(in super::super) const EXPRESSIONS: u16 = 4;
}

/// Attributes and flags of sets and their elements.
pub(super) mod set {
    pub(in super::super) const TABLE: u16 = 1;
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const KEY_TYPE: u16 = 4;
    pub(in super::super) const KEY_LENGTH: u16 = 5;
    pub(in super::super) const DATA_TYPE: u16 = 6;
    pub(in super::super) const DATA_LENGTH: u16 = 7;
    pub(in super::super) const ID: u16 = 10;
    pub(in super::super) const USER_DATA: u16 = 13;

    pub(in super::super) const FLAG_CONSTANT: u32 = 2;
    pub(in super::super) const FLAG_MAP: u32 = 8;
    /// The data type of verdict maps.
    pub(in super::super) const VERDICT: u32 = 0xffff_ff00;

    pub(in super::super) const ELEMENT_TABLE: u16 = 1;
    pub(in super::super) const ELEMENT_SET: u16 = 2;
    pub(in super::super) const ELEMENTS: u16 = 3;
    pub(in super::super) const ELEMENT_SET_ID: u16 = 4;
    pub(in super::super) const ELEMENT_KEY: u16 = 1;
    pub(in super::super) const ELEMENT_DATA: u16 = 2;
}

/// Attributes of data.
pub(super) mod data {
    pub(in super::super) const VALUE: u16 = 1;
    pub(in super::super) const VERDICT: u16 = 2;
    pub(in super::super) const VERDICT_CODE: u16 = 1;
    pub(in super::super) const VERDICT_CHAIN: u16 = 2;
}

/// Attributes of expressions; each group by the expression's name.
pub(super) mod expr {
    pub(in super::super) const NAME: u16 = 1;
    pub(in super::super) const DATA: u16 = 2;

    pub(in super::super) const META_DREG: u16 = 1;
    pub(in super::super) const META_KEY: u16 = 2;
    pub(in super::super) const META_SREG: u16 = 3;

    pub(in super::super) const CT_DREG: u16 = 1;
    pub(in super::super) const CT_KEY: u16 = 2;
    pub(in super::super) const CT_STATUS: u32 = 2;

    pub(in super::super) const CMP_SREG: u16 = 1;
    pub(in super::super) const CMP_OP: u16 = 2;
    pub(in super::super) const CMP_DATA: u16 = 3;

    pub(in super::super) const RANGE_SREG: u16 = 1;
    pub(in super::super) const RANGE_OP: u16 = 2;
    pub(in super::super) const RANGE_FROM: u16 = 3;
    pub(in super::super) const RANGE_TO: u16 = 4;

    pub(in super::super) const BITWISE_SREG: u16 = 1;
    pub(in super::super) const BITWISE_DREG: u16 = 2;
    pub(in super::super) const BITWISE_LEN: u16 = 3;
    pub(in super::super) const BITWISE_MASK: u16 = 4;
    pub(in super::super) const BITWISE_XOR: u16 = 5;

    pub(in super::super) const PAYLOAD_DREG: u16 = 1;
    pub(in super::super) const PAYLOAD_BASE: u16 = 2;
    pub(in super::super) const PAYLOAD_OFFSET: u16 = 3;
    pub(in super::super) const PAYLOAD_LEN: u16 = 4;

    pub(in super::super) const LOOKUP_SET: u16 = 1;
    pub(in super::super) const LOOKUP_SREG: u16 = 2;
    pub(in super::super) const LOOKUP_DREG: u16 = 3;
    pub(in super::super) const LOOKUP_SET_ID: u16 = 4;
    pub(in super::super) const LOOKUP_FLAGS: u16 = 5;

    pub(in super::super) const IMMEDIATE_DREG: u16 = 1;
    pub(in super::super) const IMMEDIATE_DATA: u16 = 2;

    pub(in super::super) const REDIR_PROTO_MIN: u16 = 1;

    pub(in super::super) const NAT_TYPE: u16 = 1;
    pub(in super::super) const NAT_FAMILY: u16 = 2;
    pub(in super::super) const NAT_ADDR_MIN: u16 = 3;
    pub(in super::super) const NAT_PROTO_MIN: u16 = 5;
    pub(in super::super) const NAT_DESTINATION: u32 = 1;

    pub(in super::super) const NUMGEN_DREG: u16 = 1;
    pub(in super::super) const NUMGEN_MODULUS: u16 = 2;
    pub(in super::super) const NUMGEN_TYPE: u16 = 3;
    pub(in super::super) const NUMGEN_RANDOM: u32 = 1;

    pub(in super::super) const REJECT_TYPE: u16 = 1;
    pub(in super::super) const REJECT_CODE: u16 = 2;
    pub(in super::super) const REJECT_ICMP: u32 = 0;
    pub(in super::super) const REJECT_TCP_RESET: u32 = 1;
    pub(in super::super) const REJECT_ICMPX: u32 = 2;

    pub(in super::super) const COUNTER_BYTES: u16 = 1;
    pub(in super::super) const COUNTER_PACKETS: u16 = 2;
}

/// What `meta` loads.
pub(super) mod meta {
    pub(in super::super) const MARK: u32 = 3;
    pub(in super::super) const INPUT_NAME: u32 = 6;
    pub(in super::super) const OUTPUT_NAME: u32 = 7;
    pub(in super::super) const SOCKET_USER: u32 = 10;
    pub(in super::super) const IP_VERSION: u32 = 15;
    pub(in super::super) const PROTOCOL: u32 = 16;
}

/// The register of verdicts.
pub(super) const REG_VERDICT: u32 = 0;
/// The first register of 16 bytes.
pub(super) const REG_1: u32 = 1;
/// The first register of 4 bytes; it is the first quarter of [`REG_1`], the next three follow.
pub(super) const REG32_00: u32 = 8;
