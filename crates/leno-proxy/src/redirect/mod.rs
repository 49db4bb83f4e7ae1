//! The rules that bring a pod's TCP to its sidecar, as nftables.
//!
//! ```text
//! the application ──► output:     its own dials ─► 15001, the sidecar's ─► on their way
//! the network     ──► prerouting: all else      ─► 15006
//! ```

use leno_model::mesh::Interception;
use leno_nft::{
    Chain, ChainType, Expr, Family, Hook, Op, Prefix, Table, Verdict,
    install::{delete as delete_table, replace},
    prefix::PrefixError,
};

/// The table's name.
pub const TABLE: &str = "leno";
/// Before the rules of others that rewrite destinations (the hook's own priority is -100).
const PRIORITY: i32 = -100;
/// DNS over TCP goes to the resolver as it is.
const DNS: u16 = 53;

/// How the sidecar's own connections are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// By their mark; those to the application have the next higher one.
    Mark(u32),
    /// By the user that the sidecar runs as; those to the application come from 127.0.0.6.
    Uid(u32),
}

/// What is redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// How the sidecar's own connections are known.
    pub owner: Owner,
    /// Where outbound connections go.
    pub outbound_port: u16,
    /// Where inbound connections go.
    pub inbound_port: u16,
    /// The port of metrics and readiness, which scrapers and probes reach directly.
    pub metrics_port: u16,
    /// What is left alone.
    pub interception: Interception,
}

/// Why the rules could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// A range of addresses is none.
    #[error("interception ranges")]
    Range(#[from] PrefixError),
    /// The kernel refused.
    #[error("write the redirection rules")]
    Nft(#[from] leno_nft::Error),
}

/// Writes the rules into the network namespace of the calling thread, in the place of earlier ones.
///
/// # Errors
/// When a range cannot be read, or the kernel refuses; earlier rules stay in force then.
pub fn install(redirect: &Redirect) -> Result<(), RedirectError> {
    Ok(replace(&redirect.table()?)?)
}

/// Takes the rules away.
///
/// # Errors
/// When the kernel refuses.
pub fn delete() -> Result<(), RedirectError> {
    Ok(delete_table(Family::Inet, TABLE)?)
}

impl Redirect {
    /// The rules.
    ///
    /// # Errors
    /// When a range of addresses cannot be read.
    pub fn table(&self) -> Result<Table, PrefixError> {
        let mut output = Chain::base("output", ChainType::Nat, Hook::Output, PRIORITY);
        self.own(&mut output);
        self.excluded_output(&mut output)?;
        self.redirect_output(&mut output)?;
        let mut prerouting = Chain::base("prerouting", ChainType::Nat, Hook::Prerouting, PRIORITY);
        self.prerouting(&mut prerouting);
        Ok(Table { family: Family::Inet, name: TABLE.into(), sets: Vec::new(), chains: vec![output, prerouting] })
    }

    /// The sidecar's own connections: on their way, but those to its own workload, by way of a service, come in by the
    /// front door, where the workload's policy holds.
    fn own(&self, chain: &mut Chain) {
        let (to_application, own) = match self.owner {
            Owner::Mark(mark) => (Expr::Mark(Op::Is, mark.wrapping_add(1)), Expr::Mark(Op::Is, mark)),
            Owner::Uid(uid) => (Expr::Source(Op::Is, Prefix::v4([127, 0, 0, 6], 32)), Expr::SocketUser(Op::Is, uid)),
        };
        chain.rule([to_application, Expr::accept()]);
        for loopback in self.loopback() {
            chain.rule([
                own.clone(),
                Expr::OutputInterface(Op::Is, "lo".into()),
                Expr::Destination(Op::IsNot, loopback),
                Expr::tcp(),
                Expr::Redirect(self.inbound_port),
            ]);
        }
        chain.rule([own, Expr::accept()]);
    }

    /// The loopback addresses of the IP versions in which the sidecar's calls to its own workload are told from its
    /// connections to the application: a condition on one never meets a packet of the other. By uid that is IPv4 alone,
    /// for IPv6 has but one loopback address; in IPv6 such calls go straight to the application.
    fn loopback(&self) -> Vec<Prefix> {
        let v4 = Prefix::v4([127, 0, 0, 0], 8);
        match self.owner {
            Owner::Mark(_) => vec![v4, Prefix::host(std::net::Ipv6Addr::LOCALHOST.into())],
            Owner::Uid(_) => vec![v4],
        }
    }

    /// What the application reaches directly.
    fn excluded_output(&self, chain: &mut Chain) -> Result<(), PrefixError> {
        let excluded = &self.interception;
        for uid in &excluded.exclude_uids {
            chain.rule([Expr::SocketUser(Op::Is, *uid), Expr::accept()]);
        }
        for interface in &excluded.exclude_interfaces {
            chain.rule([Expr::OutputInterface(Op::Is, interface.clone()), Expr::accept()]);
        }
        for port in &excluded.exclude_outbound_ports {
            chain.rule([Expr::tcp(), Expr::DestinationPort(Op::Is, *port), Expr::accept()]);
        }
        for range in prefixes(&excluded.exclude_outbound_ranges)? {
            chain.rule([Expr::Destination(Op::Is, range), Expr::accept()]);
        }
        chain.rule([Expr::OutputInterface(Op::Is, "lo".into()), Expr::accept()]);
        chain.rule([Expr::tcp(), Expr::DestinationPort(Op::Is, DNS), Expr::accept()]);
        Ok(())
    }

    /// All else, or of all else what lies in the included ranges.
    fn redirect_output(&self, chain: &mut Chain) -> Result<(), PrefixError> {
        let included = prefixes(&self.interception.include_outbound_ranges)?;
        if included.is_empty() {
            chain.rule([Expr::tcp(), Expr::Redirect(self.outbound_port)]);
        }
        for range in included {
            chain.rule([Expr::Destination(Op::Is, range), Expr::tcp(), Expr::Redirect(self.outbound_port)]);
        }
        Ok(())
    }

    /// What comes from outside.
    fn prerouting(&self, chain: &mut Chain) {
        chain.rule([Expr::InputInterface(Op::Is, "lo".into()), Expr::accept()]);
        for interface in &self.interception.exclude_interfaces {
            chain.rule([Expr::InputInterface(Op::Is, interface.clone()), Expr::accept()]);
        }
        for port in self.interception.exclude_inbound_ports.iter().chain([&self.metrics_port]) {
            chain.rule([Expr::tcp(), Expr::DestinationPort(Op::Is, *port), Expr::Verdict(Verdict::Accept)]);
        }
        chain.rule([Expr::tcp(), Expr::Redirect(self.inbound_port)]);
    }
}

/// The ranges; one that holds everything stands for both IP versions.
fn prefixes(ranges: &[String]) -> Result<Vec<Prefix>, PrefixError> {
    ranges.iter().map(|range| range.trim().parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect() -> Redirect {
        Redirect {
            owner: Owner::Mark(7),
            outbound_port: 15001,
            inbound_port: 15006,
            metrics_port: 15020,
            interception: Interception::default(),
        }
    }

    fn rules(redirect: &Redirect, chain: &str) -> Vec<Vec<Expr>> {
        let table = redirect.table().unwrap();
        let chain = table.chains.into_iter().find(|found| found.name == chain).unwrap();
        chain.rules.into_iter().map(|rule| rule.0).collect()
    }

    #[test]
    fn the_sidecars_own_connections_come_first_and_the_rest_is_redirected() {
        let output = rules(&redirect(), "output");
        assert_eq!(output[0], [Expr::Mark(Op::Is, 8), Expr::accept()]);
        assert_eq!(output.last().unwrap(), &[Expr::tcp(), Expr::Redirect(15001)]);
        let prerouting = rules(&redirect(), "prerouting");
        assert!(prerouting.contains(&vec![Expr::tcp(), Expr::DestinationPort(Op::Is, 15020), Expr::accept()]));
        assert_eq!(prerouting.last().unwrap(), &[Expr::tcp(), Expr::Redirect(15006)]);
    }

    #[test]
    fn with_included_ranges_nothing_else_is_redirected() {
        let mut redirect = redirect();
        redirect.interception.include_outbound_ranges = vec!["10.0.0.0/8".into()];
        let output = rules(&redirect, "output");
        let redirected: Vec<_> = output.iter().filter(|rule| rule.contains(&Expr::Redirect(15001))).collect();
        assert_eq!(redirected.len(), 1);
        assert_eq!(redirected[0][0], Expr::Destination(Op::Is, "10.0.0.0/8".parse().unwrap()));
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        let mut redirect = redirect();
        redirect.interception.exclude_outbound_ranges = vec!["10.0.0/8".into()];
        assert!(redirect.table().is_err());
    }
}
