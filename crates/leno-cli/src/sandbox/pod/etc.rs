//! A pod's own files in `/etc`.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, mount as mount_new, mount_bind};

use super::PodSettings;
use crate::sandbox::{CLUSTER_DOMAIN, DNS, enter::OWN};

/// The files that every pod must have.
const REQUIRED: [&str; 2] = ["hosts", "resolv.conf"];
/// Those that are replaced where the host has them.
const OPTIONAL: [&str; 2] = ["hostname", "nsswitch.conf"];
/// A name with so many dots is first asked for as it is.
const DOTS: usize = 5;
/// Where a name service cache would answer in the place of our DNS.
const CACHES: [&str; 2] = ["/run/nscd", "/var/run/nscd"];

/// Writes the files.
pub(super) fn write(settings: &PodSettings) -> io::Result<PathBuf> {
    let name = format!("{}_{}_{}", settings.namespace, settings.name, settings.address);
    let directory = PathBuf::from(format!("{OWN}/pods/{name}"));
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("hosts"), hosts(settings))?;
    fs::write(directory.join("resolv.conf"), resolv_conf(&settings.namespace))?;
    fs::write(directory.join("hostname"), format!("{}\n", settings.hostname))?;
    let switch = fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    fs::write(directory.join("nsswitch.conf"), nsswitch(&switch))?;
    Ok(directory)
}

/// Puts the files in their places, in the calling thread's mount namespace.
pub(super) fn mount(directory: &Path) -> io::Result<()> {
    for name in REQUIRED {
        let target = format!("/etc/{name}");
        mount_bind(directory.join(name), &target).map_err(|error| {
            let text = format!("mount {target} (the host must have such a file): {error}");
            io::Error::new(error.kind(), text)
        })?;
    }
    for name in OPTIONAL {
        mount_bind(directory.join(name), format!("/etc/{name}")).ok();
    }
    for cache in CACHES {
        mount_new("leno", cache, "tmpfs", MountFlags::empty(), None).ok();
    }
    Ok(())
}

/// Removes the files.
pub(super) fn remove(directory: &Path) {
    // Gone already, or gone with the sandbox.
    fs::remove_dir_all(directory).ok();
}

fn hosts(settings: &PodSettings) -> String {
    let PodSettings { hostname, namespace, .. } = settings;
    let mut text =
        String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n");
    let full = settings
        .subdomain
        .as_ref()
        .map_or_else(String::new, |subdomain| format!("{hostname}.{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}\t"));
    // Writing to a text does not fail.
    writeln!(text, "{}\t{full}{hostname}", settings.address).ok();
    for (address, names) in &settings.host_aliases {
        writeln!(text, "{address}\t{}", names.join("\t")).ok();
    }
    text
}

fn resolv_conf(namespace: &str) -> String {
    let search = search(namespace).join(" ");
    format!("search {search}\nnameserver {DNS}\noptions ndots:{DOTS}\n")
}

/// Where a pod of a namespace looks for names.
fn search(namespace: &str) -> [String; 3] {
    [format!("{namespace}.svc.{CLUSTER_DOMAIN}"), format!("svc.{CLUSTER_DOMAIN}"), CLUSTER_DOMAIN.to_owned()]
}

/// The whole names that a pod of a namespace asks for, one after the other, when it means this host (resolv.conf(5)).
pub(in crate::sandbox) fn whole_names(namespace: &str, host: &str) -> Vec<String> {
    if let Some(whole) = host.strip_suffix('.') {
        return vec![whole.to_owned()];
    }
    let searched = search(namespace).map(|domain| format!("{host}.{domain}"));
    let itself = [host.to_owned()];
    match host.matches('.').count() >= DOTS {
        true => itself.into_iter().chain(searched).collect(),
        false => searched.into_iter().chain(itself).collect(),
    }
}

/// The host's, but names come from `/etc/hosts` and DNS: the host's other sources (systemd-resolved, mDNS) do not know
/// the mesh.
fn nsswitch(host: &str) -> String {
    let others = host.lines().filter(|line| !line.trim_start().starts_with("hosts:"));
    others.chain(["hosts: files dns"]).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_that_kubernetes_writes() {
        let settings = PodSettings {
            namespace: "shop".into(),
            name: "cart-1".into(),
            hostname: "cart-0".into(),
            subdomain: Some("cart".into()),
            address: [10, 244, 0, 5].into(),
            host_aliases: vec![([10, 0, 0, 1].into(), vec!["db".into(), "db.example".into()])],
        };
        let hosts = hosts(&settings);
        assert!(hosts.contains("10.244.0.5\tcart-0.cart.shop.svc.cluster.local\tcart-0\n"), "{hosts}");
        assert!(hosts.ends_with("10.0.0.1\tdb\tdb.example\n"), "{hosts}");
        let resolv = resolv_conf("shop");
        assert!(resolv.starts_with("search shop.svc.cluster.local svc.cluster.local cluster.local\n"));
        let names = whole_names("shop", "cart");
        assert_eq!((names.len(), names[0].as_str(), names[3].as_str()), (4, "cart.shop.svc.cluster.local", "cart"));
        assert_eq!(whole_names("shop", "a.b.c.d.e.f")[0], "a.b.c.d.e.f");
        assert_eq!(whole_names("shop", "example.com."), ["example.com"]);
    }

    #[test]
    fn names_come_from_files_and_dns_only() {
        let host = "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\nnetworks: files\n";
        assert_eq!(nsswitch(host), "passwd: files\nnetworks: files\nhosts: files dns\n");
    }
}
