//! Pages of `docs/tasks` that are run as they are written.
//!
//! Blocks of YAML whose first line is `# NAME.yaml` are files of that name; commands of `sh` blocks are run beside them, one
//! after the other. What stands behind `# →` must come to be in what a command prints.

use std::{fs, path::Path, process::Command};

use e2e::{
    Mesh,
    mesh::{leno, top},
    wait,
};

/// A piece of a page.
#[derive(Debug, PartialEq)]
enum Block {
    File { name: String, text: String },
    Commands(Vec<Line>),
}

/// A command, and what it must print.
#[derive(Debug, PartialEq)]
struct Line {
    command: String,
    prints: Option<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap_or((block, ""));
        match language {
            "yaml" => {
                let first = text.lines().next().unwrap_or_default();
                let name = first.strip_prefix("# ").filter(|name| name.ends_with(".yaml"));
                let name = name.unwrap_or_else(|| panic!("a file without a name: {text}")).to_owned();
                blocks.push(Block::File { name, text: format!("{text}\n") });
            }
            "sh" => blocks.push(Block::Commands(text.lines().filter(|line| !line.is_empty()).map(line).collect())),
            _ => {}
        }
    }
    blocks
}

fn line(text: &str) -> Line {
    let (command, comment) = text.split_once(" # ").unwrap_or((text, ""));
    let prints = comment.strip_prefix("→ ").map(|prints| prints.trim().to_owned());
    Line { command: command.trim().to_owned(), prints }
}

/// Runs a page from top to bottom, and takes away what it applied.
fn run(mesh: &Mesh, page: &str) {
    let text = fs::read_to_string(top().join("docs/tasks").join(page)).expect("the page is there");
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for block in blocks(&text) {
        match block {
            Block::File { name, text } => {
                fs::write(folder.path().join(&name), text).expect("written");
                files.push(name);
            }
            Block::Commands(lines) => lines.iter().for_each(|line| obey(mesh, page, folder.path(), line)),
        }
    }
    for file in files {
        // What the page has deleted itself is not there any more.
        drop(shell(mesh, folder.path(), &format!("leno delete -f {file}")));
    }
}

fn obey(mesh: &Mesh, page: &str, folder: &Path, line: &Line) {
    let what = format!("{page}: {}", line.command);
    wait::until(
        &what,
        || shell(mesh, folder, &line.command),
        |(good, said)| *good && line.prints.as_ref().is_none_or(|prints| said.contains(prints)),
    );
}

/// What a command says, with `leno` meaning the program under test and this mesh.
fn shell(mesh: &Mesh, folder: &Path, command: &str) -> (bool, String) {
    let ours = format!("leno() {{ {} --mesh {} \"$@\"; }}; {command}", leno().display(), mesh.name());
    let output = Command::new("bash").args(["-c", &ours]).current_dir(folder).output().expect("a shell");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_pages_on_routes_and_policies_hold() {
    let shop = fs::read_to_string(top().join("examples/shop/shop.yaml")).expect("the example is there");
    let mesh = Mesh::up(&[shop]);
    for page in [
        "canary.md",
        "ab-test.md",
        "blue-green.md",
        "timeouts-and-retries.md",
        "load-balancing.md",
        "sessions.md",
        "mirroring.md",
        "circuit-breaking.md",
        "rate-limiting.md",
        "global-rate-limit.md",
        "fault-injection.md",
        "access-policies.md",
        "tokens.md",
        "external-authorization.md",
        "rollout.md",
        "explain.md",
        "route-policies.md",
        "tls-origination.md",
    ] {
        run(&mesh, page);
    }
}

#[test]
fn the_pages_on_access_and_bytes_hold() {
    let folder = top().join("examples/bookstore");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the example is there").flatten().map(|it| it.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let manifests: Vec<_> = files.iter().map(|file| fs::read_to_string(file).expect("readable")).collect();
    let mesh = Mesh::up(&manifests);
    run(&mesh, "access.md");
    run(&mesh, "tcp-services.md");
}

#[test]
fn the_page_on_what_is_outside_holds() {
    let shop = fs::read_to_string(top().join("examples/shop/shop.yaml")).expect("the example is there");
    run(&Mesh::up(&[shop]), "outbound.md");
}

#[test]
fn pages_are_taken_apart() {
    let page =
        "# A\n\n```yaml\n# a.yaml\nkind: X\n```\n\nText.\n\n```sh\nleno ps    # → READY\nleno down  # ends it\n```\n";
    let line =
        |command: &str, prints: Option<&str>| Line { command: command.into(), prints: prints.map(str::to_owned) };
    assert_eq!(
        blocks(page),
        [
            Block::File { name: "a.yaml".into(), text: "# a.yaml\nkind: X\n".into() },
            Block::Commands(vec![line("leno ps", Some("READY")), line("leno down", None)]),
        ]
    );
}
