//! Tables to netlink messages; pure.

mod expr;
mod set;
mod wire;

use crate::{
    Chain, ChainType, Family, Hook, Rule, Table, Verdict,
    netlink::{
        Message,
        message::{ACK, APPEND, CREATE},
    },
};

/// A ruleset as one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// What each message is about, by sequence number.
    parts: Vec<String>,
}

/// In the place of whatever table of that name and family there is, this one.
#[must_use]
pub fn replace(table: &Table) -> Batch {
    let mut batch = Batch::begin();
    let what = table_name(table.family, &table.name);
    // Deleting a table that is not there fails; making one that is there does not.
    for (kind, flags) in [(wire::NEW_TABLE, CREATE), (wire::DELETE_TABLE, 0), (wire::NEW_TABLE, CREATE)] {
        batch.put(kind, flags, table.family, what.clone(), |message| {
            message.put_text(wire::table::NAME, &table.name);
            if kind == wire::NEW_TABLE {
                message.put_be32(wire::table::FLAGS, 0);
            }
        });
    }
    for (index, set) in table.sets.iter().enumerate() {
        set::declare(&mut batch, table, set, index);
    }
    for chain in &table.chains {
        put_chain(&mut batch, table, chain);
    }
    for (index, set) in table.sets.iter().enumerate() {
        set::fill(&mut batch, table, set, index);
    }
    for chain in &table.chains {
        for (index, rule) in chain.rules.iter().enumerate() {
            put_rule(&mut batch, table, chain, index, rule);
        }
    }
    batch.end()
}

/// No table of that name and family any more. None being there is fine.
#[must_use]
pub fn delete(family: Family, name: &str) -> Batch {
    let mut batch = Batch::begin();
    let what = table_name(family, name);
    for (kind, flags) in [(wire::NEW_TABLE, CREATE), (wire::DELETE_TABLE, 0)] {
        batch.put(kind, flags, family, what.clone(), |message| {
            message.put_text(wire::table::NAME, name);
        });
    }
    batch.end()
}

impl Batch {
    /// The messages, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The sequence number of the message whose confirmation confirms all.
    #[must_use]
    pub fn last(&self) -> u32 {
        u32::try_from(self.parts.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// What the message of this sequence number is about.
    #[must_use]
    pub fn part(&self, sequence: u32) -> &str {
        usize::try_from(sequence)
            .ok()
            .and_then(|sequence| self.parts.get(sequence))
            .map_or("the ruleset", String::as_str)
    }

    fn begin() -> Self {
        let mut batch = Self::default();
        batch.parts.push("the ruleset".to_owned());
        let begin = Message::new(wire::BATCH_BEGIN, 0, 0, &batch_header());
        batch.bytes.extend(begin.finish());
        batch
    }

    /// Confirmation is asked of the last message of content: one answer, however long the ruleset.
    fn end(mut self) -> Self {
        let end = Message::new(wire::BATCH_END, 0, self.last() + 1, &batch_header());
        if let Some(last) = self.last_message() {
            let flags = u16::from_ne_bytes([self.bytes[last + 6], self.bytes[last + 7]]) | ACK;
            self.bytes[last + 6..last + 8].copy_from_slice(&flags.to_ne_bytes());
        }
        self.bytes.extend(end.finish());
        self
    }

    /// Where the last message starts.
    fn last_message(&self) -> Option<usize> {
        let mut start = 0;
        loop {
            let length = self.bytes.get(start..)?.first_chunk::<4>()?;
            let next = start + u32::from_ne_bytes(*length) as usize;
            if next >= self.bytes.len() {
                return Some(start);
            }
            start = next;
        }
    }

    fn put(&mut self, kind: u16, flags: u16, family: Family, part: String, fill: impl FnOnce(&mut Message)) {
        self.parts.push(part);
        let header = [family_number(family), 0, 0, 0];
        let mut message = Message::new((wire::SUBSYSTEM << 8) | kind, flags, self.last(), &header);
        fill(&mut message);
        self.bytes.extend(message.finish());
    }
}

fn put_chain(batch: &mut Batch, table: &Table, chain: &Chain) {
    let part = chain_name(table, chain);
    batch.put(wire::NEW_CHAIN, CREATE, table.family, part, |message| {
        message.put_text(wire::chain::TABLE, &table.name);
        message.put_text(wire::chain::NAME, &chain.name);
        let Some((kind, hook, priority)) = chain.base else {
            return;
        };
        message.put_nested(wire::chain::HOOK, |hook_message| {
            hook_message.put_be32(wire::chain::HOOK_NUMBER, hook_number(hook));
            hook_message.put(wire::chain::HOOK_PRIORITY, &priority.to_be_bytes());
        });
        message.put_be32(wire::chain::POLICY, verdict_code(&Verdict::Accept).cast_unsigned());
        message.put_text(wire::chain::TYPE, type_name(kind));
    });
}

fn put_rule(batch: &mut Batch, table: &Table, chain: &Chain, index: usize, rule: &Rule) {
    let part = format!("rule {} of {}", index + 1, chain_name(table, chain));
    batch.put(wire::NEW_RULE, CREATE | APPEND, table.family, part, |message| {
        message.put_text(wire::rule::TABLE, &table.name);
        message.put_text(wire::rule::CHAIN, &chain.name);
        message.put_nested(wire::rule::EXPRESSIONS, |list| {
            for expression in &rule.0 {
                expr::put(list, table, expression);
            }
        });
    });
}

/// The fixed part of the messages around a batch: the subsystem that it is for.
fn batch_header() -> [u8; 4] {
    let [high, low] = wire::SUBSYSTEM.to_be_bytes();
    [0, 0, high, low]
}

fn table_name(family: Family, name: &str) -> String {
    let family = match family {
        Family::Inet => "inet",
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    };
    format!("table {family} {name}")
}

fn chain_name(table: &Table, chain: &Chain) -> String {
    format!("chain {} of {}", chain.name, table_name(table.family, &table.name))
}

fn family_number(family: Family) -> u8 {
    match family {
        Family::Inet => 1,
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

fn type_name(kind: ChainType) -> &'static str {
    match kind {
        ChainType::Filter => "filter",
        ChainType::Nat => "nat",
    }
}

fn verdict_code(verdict: &Verdict) -> i32 {
    match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Jump(_) => -3,
        Verdict::Goto(_) => -4,
        Verdict::Return => -5,
    }
}

/// A verdict as data.
fn put_verdict(message: &mut Message, verdict: &Verdict) {
    message.put_nested(wire::data::VERDICT, |data| {
        let code = verdict_code(verdict);
        data.put_be32(wire::data::VERDICT_CODE, code.cast_unsigned());
        match verdict {
            Verdict::Jump(chain) | Verdict::Goto(chain) => {
                data.put_text(wire::data::VERDICT_CHAIN, chain);
            }
            Verdict::Accept | Verdict::Drop | Verdict::Return => {}
        }
    });
}
