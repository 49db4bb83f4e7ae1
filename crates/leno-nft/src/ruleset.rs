//! Tables, chains and rules.

use crate::{Expr, Set};

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What a base chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChainType {
    /// Letting packets pass or not.
    Filter,
    /// Rewriting addresses; sees the first packet of each connection.
    Nat,
}

/// Where on a packet's way a base chain is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// On arrival, before routing.
    Prerouting,
    /// On its way to a local socket.
    Input,
    /// On its way through.
    Forward,
    /// On its way from a local socket.
    Output,
    /// When leaving, after routing.
    Postrouting,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule(pub Vec<Expr>);

/// A chain of rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where it is asked: type, hook and priority. `None`: only when a rule jumps to it. The policy is to accept.
    pub base: Option<(ChainType, Hook, i32)>,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// A chain that is asked at a hook; lower priorities are asked first.
    #[must_use]
    pub fn base(name: &str, kind: ChainType, hook: Hook, priority: i32) -> Self {
        Self { name: name.to_owned(), base: Some((kind, hook, priority)), rules: Vec::new() }
    }

    /// A chain that rules jump to.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), base: None, rules: Vec::new() }
    }

    /// Adds a rule at the end.
    pub fn rule(&mut self, expressions: impl Into<Vec<Expr>>) -> &mut Self {
        self.rules.push(Rule(expressions.into()));
        self
    }
}

/// A table: all that one owner wants of packets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its sets and maps.
    pub sets: Vec<Set>,
    /// Its chains, in any order.
    pub chains: Vec<Chain>,
}
