//! The third parties that judge Leno in its tests: from Debian when we are root, from PyPI into `target/venv`, from Go's
//! module proxy into `target/go`.

use std::process::Command;

use anyhow::Context as _;

use crate::run::{output, root, run, say};

/// The program that a test calls, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 10] = [
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
    let found = |folder: &str| std::path::Path::new(folder).join(program).exists();
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

/// The pinned judges that are written in Go: what each is called, where its `go.mod` is, and its package.
const IN_GO: [(&str, &str, &str); 2] =
    [("h2spec", "e2e/tool", "github.com/summerwind/h2spec/cmd/h2spec"), ("xds-server", "e2e/tool/xds", ".")];

fn go() -> anyhow::Result<()> {
    let path = output(Command::new("sh").args(["-c", "echo $PATH"]))?;
    IN_GO.into_iter().try_for_each(|(name, folder, package)| {
        run(Command::new("go")
            .current_dir(root().join(folder))
            .args(["build", "-buildvcs=false", "-o"])
            .arg(root().join("target/go").join(name))
            .arg(package)
            .env("PATH", format!("{}:{GO}", path.trim()))
            .env("GOFLAGS", "-mod=readonly"))
    })
}
