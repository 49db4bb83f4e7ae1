//! The third parties that judge Leno in its tests: from Debian when we are root, from PyPI into `target/venv`, from Go's
//! module proxy into `target/go`.

use std::{path::Path, process::Command};

use anyhow::Context as _;

use crate::run::{output, root, run, say};

/// The program that a test calls, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("tcpdump", "tcpdump"),
    ("curl", "curl"),
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("redis-server", "redis-server"),
    ("tinyproxy", "tinyproxy-bin"),
    ("h2load", "nghttp2-client"),
    ("python3", "python3-venv"),
    ("go", "golang-go"),
];

/// Where Go's own archives put its programs.
const GO: &str = "/usr/local/go/bin";

/// Installs what is missing and returns the `PATH` that has it all.
pub(crate) fn install() -> anyhow::Result<String> {
    debian(&PROGRAMS)?;
    python()?;
    go()?;
    #[expect(clippy::disallowed_methods, reason = "the build system has no runtime crate to ask")]
    let path = std::env::var("PATH").context("PATH is not set")?;
    let (venv, go) = (root().join("target/venv/bin"), root().join("target/go"));
    // nft and nginx live where an ordinary user's PATH may not look.
    Ok(format!("{}:{}:{path}:/usr/sbin:/sbin", venv.display(), go.display()))
}

/// Installs the packages of the programs that are missing.
pub(crate) fn debian(programs: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<_> = programs.iter().filter(|(program, _)| !present(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    let root_user = output(Command::new("id").arg("-u"))?.trim() == "0";
    if !root_user || !present("apt-get") {
        anyhow::bail!("these programs are missing: install the packages {} and try again", packages.join(" "));
    }
    say(&format!("installing {}", packages.join(" ")));
    run(Command::new("apt-get").args(["-q", "update"]))?;
    run(Command::new("apt-get")
        .args(["-q", "-y", "--no-install-recommends", "install"])
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn present(program: &str) -> bool {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin", GO];
    let found = |folder: &str| Path::new(folder).join(program).exists();
    folders.into_iter().any(found)
        || Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|o| o.status.success())
}

/// The pinned Python clients and servers.
fn python() -> anyhow::Result<()> {
    let venv = root().join("target/venv");
    let pinned = root().join("e2e/requirements.txt");
    let installed = venv.join("installed.txt");
    let wanted = std::fs::read_to_string(&pinned).with_context(|| format!("read {}", pinned.display()))?;
    if std::fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "-q", "-r"]).arg(&pinned))?;
    std::fs::write(&installed, wanted).context("remember what is installed")
}

/// A pinned judge that is written in Go.
struct Program {
    /// What it is called.
    name: &'static str,
    /// Where its `go.mod` is.
    folder: &'static str,
    /// Its package.
    package: &'static str,
    /// What the linker is to write into it.
    link: &'static str,
}

/// The programs of Kubernetes know their version from the linker alone, and refuse to be of none.
const KUBERNETES: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 \
                          -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35";

const IN_GO: [Program; 5] = [
    Program { name: "h2spec", folder: "e2e/tool", package: "github.com/summerwind/h2spec/cmd/h2spec", link: "" },
    Program { name: "xds-server", folder: "e2e/tool/xds", package: ".", link: "" },
    Program { name: "etcd", folder: "e2e/tool/etcd", package: "go.etcd.io/etcd/server/v3", link: "-s -w" },
    Program {
        name: "kube-apiserver",
        folder: "e2e/tool/kubernetes",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        link: KUBERNETES,
    },
    Program {
        name: "kubectl",
        folder: "e2e/tool/kubernetes",
        package: "k8s.io/kubernetes/cmd/kubectl",
        link: KUBERNETES,
    },
];

fn go() -> anyhow::Result<()> {
    let path = output(Command::new("sh").args(["-c", "echo $PATH"]))?;
    let go = |folder: &str| {
        let mut command = Command::new("go");
        command.current_dir(root().join(folder)).env("PATH", format!("{}:{GO}", path.trim()));
        command.env("GOFLAGS", "-mod=readonly");
        command
    };
    for Program { name, folder, package, link } in IN_GO {
        // Without C a program needs no compiler for it, and runs wherever it is copied to.
        let mut build = go(folder);
        build.env("CGO_ENABLED", "0").args(["build", "-buildvcs=false", "-trimpath", "-ldflags", link, "-o"]);
        run(build.arg(root().join("target/go").join(name)).arg(package))?;
    }
    gateway_api(&go)
}

/// The CustomResourceDefinitions of the Gateway API, all of its channels, into `target/go/gateway-api`.
fn gateway_api(go: &dyn Fn(&str) -> Command) -> anyhow::Result<()> {
    const FOLDER: &str = "e2e/tool/gateway";
    run(go(FOLDER).args(["mod", "download"]))?;
    let wanted = ["-C", FOLDER, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"];
    let module = output(go("").args(wanted))?;
    let definitions = Path::new(module.trim()).join("config/crd/experimental");
    let into = root().join("target/go/gateway-api");
    std::fs::create_dir_all(&into).with_context(|| format!("make {}", into.display()))?;
    for entry in std::fs::read_dir(&definitions).with_context(|| format!("read {}", definitions.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|name| *name != "kustomization.yaml") else { continue };
        // Modules are kept read-only, and so would be a copy of the file.
        std::fs::write(into.join(name), std::fs::read(&path)?)?;
    }
    Ok(())
}
