//! The packet rules that lead a workload's traffic through its sidecar: table `inet leno` of the current network
//! namespace, written over netlink with no external program.
//!
//! ```text
//! output ──► the sidecar's own? ──► leave alone (a call of the pod to itself: to inbound)
//!        ──► excluded, or local? ──► leave alone
//!        ──► else TCP ──► redirect to the outbound port
//! input  ──► excluded, or from this pod? ──► leave alone,  else TCP ──► redirect to the inbound port
//! ```

mod rules;

use leno_model::mesh::Interception;

pub use rules::TABLE;

/// How the sidecar's own connections are told from the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// By the mark of its sockets: this one for outbound connections, this one plus 1 for those to the application.
    Mark(u32),
    /// By the user that it runs as. Connections to the application then come from 127.0.0.6.
    User(u32),
}

/// What to redirect, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// How the sidecar's own connections are known.
    pub own: Own,
    /// Where the sidecar takes connections of the application.
    pub outbound_port: u16,
    /// Where the sidecar takes connections to the application.
    pub inbound_port: u16,
    /// Ports of the sidecar that are reached directly (metrics and readiness).
    pub direct_ports: Vec<u16>,
    /// What is kept away from the sidecar.
    pub interception: Interception,
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            own: Own::Mark(DEFAULT_MARK),
            outbound_port: 15001,
            inbound_port: 15006,
            direct_ports: vec![15020],
            interception: Interception::default(),
        }
    }
}

/// The mark of a sidecar's sockets unless told otherwise: `LENO`.
pub const DEFAULT_MARK: u32 = 0x4c45_4e4f;

/// Why the rules could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// A range of [`Interception`] is none.
    #[error("outbound range to exclude or include")]
    Range(#[from] leno_nft::prefix::PrefixError),
    /// The kernel refused them.
    #[error("write the redirect rules")]
    Install(#[from] leno_nft::Error),
}

impl Redirect {
    /// The rules as data.
    ///
    /// # Errors
    /// When a range of the interception settings is none.
    pub fn table(&self) -> Result<leno_nft::Table, RedirectError> {
        Ok(rules::table(self)?)
    }
}

/// Writes the rules into the network namespace of the calling thread, in the place of those that were there, at once.
///
/// # Errors
/// When a range is none, and when the kernel refuses the rules; those that were there stay in force.
pub fn install(redirect: &Redirect) -> Result<(), RedirectError> {
    Ok(leno_nft::install::replace(&redirect.table()?)?)
}

/// Takes the rules away again.
///
/// # Errors
/// When the kernel refuses.
pub fn remove() -> Result<(), RedirectError> {
    Ok(leno_nft::install::delete(leno_nft::Family::Inet, TABLE)?)
}

#[cfg(test)]
mod tests {
    use leno_nft::{Expr, Op};

    use super::*;

    fn rules(redirect: &Redirect) -> Vec<Vec<Expr>> {
        let table = redirect.table().unwrap();
        let chains = table.chains.into_iter();
        chains
            .flat_map(|chain| chain.rules)
            .map(|rule| rule.0)
            .collect()
    }

    #[test]
    fn own_traffic_is_known_by_mark_or_by_user() {
        let by_mark = rules(&Redirect::default());
        assert_eq!(
            by_mark[0],
            [Expr::Mark(Op::Is, DEFAULT_MARK + 1), Expr::accept()]
        );
        assert!(by_mark.contains(&vec![Expr::Mark(Op::Is, DEFAULT_MARK), Expr::accept()]));
        let own = Own::User(1337);
        let by_user = rules(&Redirect {
            own,
            ..Redirect::default()
        });
        assert!(by_user.contains(&vec![Expr::SocketUser(Op::Is, 1337), Expr::accept()]));
        assert!(
            by_user
                .iter()
                .flatten()
                .all(|part| !matches!(part, Expr::Mark(..)))
        );
    }

    #[test]
    fn with_included_ranges_nothing_else_is_redirected() {
        let interception = Interception {
            include_outbound_ranges: vec!["10.0.0.0/8".into()],
            ..Interception::default()
        };
        let rules = rules(&Redirect {
            interception,
            ..Redirect::default()
        });
        let to_outbound: Vec<_> = rules
            .iter()
            .filter(|rule| rule.contains(&Expr::Redirect(15001)))
            .collect();
        assert_eq!(to_outbound.len(), 1);
        assert!(matches!(to_outbound[0][0], Expr::Destination(Op::Is, _)));
    }

    #[test]
    fn a_range_that_is_none_is_an_error() {
        let interception = Interception {
            exclude_outbound_ranges: vec!["10.0.0.0/99".into()],
            ..Interception::default()
        };
        let redirect = Redirect {
            interception,
            ..Redirect::default()
        };
        assert!(matches!(redirect.table(), Err(RedirectError::Range(_))));
    }
}
