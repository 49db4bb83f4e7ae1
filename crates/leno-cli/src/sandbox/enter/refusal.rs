//! Which setting stands in the way.

use std::{fs, io};

use super::EnterError;

const NUMBERS: [&str; 6] = ["user", "net", "mnt", "pid", "uts", "ipc"];

/// The error of a step, with what to change where a setting is to blame.
pub(super) fn explain(what: &str, source: io::Error) -> EnterError {
    let host = Host::look();
    match advice(&source, &host) {
        Some(advice) => EnterError::Forbidden { what: what.to_owned(), advice, source },
        None => EnterError::Io { what: what.to_owned(), source },
    }
}

/// What the host says of itself.
#[derive(Debug, Default)]
struct Host {
    /// `kernel.unprivileged_userns_clone` (Debian, Arch).
    unprivileged_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu).
    apparmor: Option<u64>,
    /// Kinds of namespaces of which none may be made (`user.max_KIND_namespaces` is 0).
    none_of: Vec<&'static str>,
    /// Whether a seccomp filter is in force, as in containers.
    seccomp: bool,
}

impl Host {
    fn look() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let is_none = |kind: &&str| number(&format!("/proc/sys/user/max_{kind}_namespaces")) == Some(0);
        Self {
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            none_of: NUMBERS.into_iter().filter(is_none).collect(),
            seccomp: status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
        }
    }
}

fn advice(error: &io::Error, host: &Host) -> Option<String> {
    match error.raw_os_error()? {
        libc::ENOSPC | libc::EUSERS => Some(match host.none_of.first() {
            Some(kind) => format!(
                "this system allows no {kind} namespaces; allow some: sudo sysctl -w user.max_{kind}_namespaces=10000"
            ),
            None => "there are too many namespaces already, or they are nested too deep; see user.max_user_namespaces \
                     and its neighbours in `sysctl user`"
                .to_owned(),
        }),
        libc::EPERM | libc::EACCES => Some(forbidden(host)),
        libc::ENOSYS | libc::EINVAL => {
            Some("this kernel has no user namespaces (CONFIG_USER_NS); as root it works without them".to_owned())
        }
        _ => None,
    }
}

fn forbidden(host: &Host) -> String {
    if host.unprivileged_clone == Some(0) {
        "only root may make user namespaces; allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1"
    } else if host.apparmor.is_some_and(|value| value != 0) {
        "AppArmor keeps capabilities from user namespaces; allow them: \
         sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if host.seccomp {
        "a seccomp filter forbids it, as in containers by default; start the container with \
         --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined, \
         or with --privileged"
    } else {
        "user namespaces are forbidden; likely settings: kernel.unprivileged_userns_clone, user.max_user_namespaces, \
         kernel.apparmor_restrict_unprivileged_userns, SELinux, or a chroot"
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, host: &Host) -> String {
        advice(&io::Error::from_raw_os_error(code), host).unwrap_or_default()
    }

    #[test]
    fn the_setting_in_the_way_is_named() {
        let debian = Host { unprivileged_clone: Some(0), ..Host::default() };
        assert!(said(libc::EPERM, &debian).contains("kernel.unprivileged_userns_clone=1"));
        let ubuntu = Host { apparmor: Some(1), ..Host::default() };
        assert!(said(libc::EACCES, &ubuntu).contains("apparmor_restrict_unprivileged_userns=0"));
        let container = Host { seccomp: true, ..Host::default() };
        assert!(said(libc::EPERM, &container).contains("seccomp=unconfined"));
        let none = Host { none_of: vec!["user"], ..Host::default() };
        assert!(said(libc::ENOSPC, &none).contains("user.max_user_namespaces=10000"));
        assert_eq!(said(libc::ENOENT, &Host::default()), "");
    }
}
