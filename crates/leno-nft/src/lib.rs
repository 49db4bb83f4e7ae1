//! nftables rulesets over netlink, without external programs.
