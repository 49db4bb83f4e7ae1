//! `leno-proxy init`.

use anyhow::Context as _;
use clap::Args;
use leno_model::mesh::Interception;
use leno_runtime::LogFormat;

use crate::redirect::{self, Owner, Redirect};

/// What is redirected and what is left alone.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The mark of the sidecar's outbound connections; those to the application have the next higher one
    #[arg(long, env = "LENO_MARK", required_unless_present = "proxy_uid", conflicts_with = "proxy_uid")]
    mark: Option<u32>,
    /// The user that the sidecar runs as, where it may not set marks
    #[arg(long, env = "LENO_PROXY_UID")]
    proxy_uid: Option<u32>,
    /// Where outbound connections go
    #[arg(long, env = "LENO_OUTBOUND_PORT", default_value_t = 15001)]
    outbound_port: u16,
    /// Where inbound connections go
    #[arg(long, env = "LENO_INBOUND_PORT", default_value_t = 15006)]
    inbound_port: u16,
    /// The sidecar's port of metrics and readiness, which is reached directly
    #[arg(long, env = "LENO_METRICS_PORT", default_value_t = 15020)]
    metrics_port: u16,
    /// Ports of the pod that callers reach directly
    #[arg(long, env = "LENO_EXCLUDE_INBOUND_PORTS", value_delimiter = ',')]
    exclude_inbound_ports: Vec<u16>,
    /// Destination ports that the application reaches directly
    #[arg(long, env = "LENO_EXCLUDE_OUTBOUND_PORTS", value_delimiter = ',')]
    exclude_outbound_ports: Vec<u16>,
    /// Destination ranges (CIDR) that the application reaches directly
    #[arg(long, env = "LENO_EXCLUDE_OUTBOUND_IP_RANGES", value_delimiter = ',')]
    exclude_outbound_ip_ranges: Vec<String>,
    /// When given, only these destination ranges (CIDR) go through the sidecar
    #[arg(long, env = "LENO_INCLUDE_OUTBOUND_IP_RANGES", value_delimiter = ',')]
    include_outbound_ip_ranges: Vec<String>,
    /// Network interfaces whose traffic is left alone
    #[arg(long, env = "LENO_EXCLUDE_INTERFACES", value_delimiter = ',')]
    exclude_interfaces: Vec<String>,
    /// User ids whose traffic is left alone
    #[arg(long, env = "LENO_EXCLUDE_UIDS", value_delimiter = ',')]
    exclude_uids: Vec<u32>,
    /// Take the rules away instead
    #[arg(long)]
    delete: bool,
}

/// Writes the rules.
pub(super) fn run(args: InitArgs) -> anyhow::Result<()> {
    leno_runtime::init("info", LogFormat::Text)?;
    if args.delete {
        return redirect::delete().context("cannot take the redirection away");
    }
    let owner = match (args.mark, args.proxy_uid) {
        (Some(mark), _) => Owner::Mark(mark),
        (None, Some(uid)) => Owner::Uid(uid),
        (None, None) => anyhow::bail!("give --mark or --proxy-uid"),
    };
    let redirect = Redirect {
        owner,
        outbound_port: args.outbound_port,
        inbound_port: args.inbound_port,
        metrics_port: args.metrics_port,
        interception: Interception {
            exclude_inbound_ports: args.exclude_inbound_ports,
            exclude_outbound_ports: args.exclude_outbound_ports,
            exclude_outbound_ranges: args.exclude_outbound_ip_ranges,
            include_outbound_ranges: args.include_outbound_ip_ranges,
            exclude_interfaces: args.exclude_interfaces,
            exclude_uids: args.exclude_uids,
        },
    };
    redirect::install(&redirect).context("cannot redirect the pod's traffic (is CAP_NET_ADMIN there?)")?;
    tracing::info!(owner = ?redirect.owner, "redirection is in force");
    Ok(())
}
