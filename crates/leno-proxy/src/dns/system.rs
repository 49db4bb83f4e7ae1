//! What the system says about names: `/etc/hosts` and `/etc/resolv.conf`. Read at each question, as both change while a
//! process runs; a question is asked every few seconds at most.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port of DNS.
const PORT: u16 = 53;
/// The most servers and search domains that count ([resolv.conf(5)]).
///
/// [resolv.conf(5)]: https://man7.org/linux/man-pages/man5/resolv.conf.5.html
const MAX_SERVERS: usize = 3;
const MAX_DOMAINS: usize = 6;

/// What the system says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    pub(super) servers: Vec<SocketAddr>,
    domains: Vec<String>,
    /// A name with so many dots is tried as it is first.
    dots: usize,
    hosts: String,
}

/// Reads the files; one that is not there says nothing.
pub(super) async fn read() -> System {
    let text = async |path: &str| tokio::fs::read_to_string(path).await.unwrap_or_default();
    let (resolver, hosts) = tokio::join!(text("/etc/resolv.conf"), text("/etc/hosts"));
    System::of(&resolver, hosts)
}

impl System {
    pub(super) fn of(resolver: &str, hosts: String) -> Self {
        let mut system = Self { dots: 1, hosts, ..Self::default() };
        for line in resolver.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A scope (`fe80::1%eth0`) is the link's, which we do not choose.
                    let address = words.next().and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok());
                    system.servers.extend(address.map(|address| SocketAddr::new(address, PORT)));
                }
                Some("search" | "domain") => system.domains = words.take(MAX_DOMAINS).map(str::to_owned).collect(),
                Some("options") => {
                    let dots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok()).next_back();
                    system.dots = dots.unwrap_or(system.dots);
                }
                Some(_) | None => {}
            }
        }
        system.servers.truncate(MAX_SERVERS);
        if system.servers.is_empty() {
            system.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        }
        system
    }

    /// The addresses of a name in the hosts file.
    pub(super) fn hosts(&self, name: &str) -> Vec<IpAddr> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let of_line = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address: IpAddr = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        };
        self.hosts.lines().filter_map(of_line).collect()
    }

    /// The complete names that a name may stand for, in the order in which they are tried.
    pub(super) fn candidates(&self, name: &str, search: bool) -> Vec<String> {
        let itself = format!("{}.", name.trim_end_matches('.'));
        if name.ends_with('.') || !search {
            return vec![itself];
        }
        let mut completed: Vec<_> =
            self.domains.iter().map(|domain| format!("{name}.{}.", domain.trim_end_matches('.'))).collect();
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        completed.insert(if dots >= self.dots { 0 } else { completed.len() }, itself);
        completed
    }
}
