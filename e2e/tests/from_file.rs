//! The page `docs/tasks/proxy-from-a-file.md`, as it is written but for its ports.

use std::{
    fs,
    process::{Command, Output},
};

use e2e::{mesh::leno, port, process::Running};

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("it runs")
}

#[test]
#[ignore = "needs curl: cargo xtask test"]
fn the_page_holds() {
    let page = fs::read_to_string(format!("{}/../docs/tasks/proxy-from-a-file.md", env!("CARGO_MANIFEST_DIR")));
    let page = page.expect("the page is there");
    let (_, file) = page.split_once("```yaml\n").expect("a file is shown");
    let (file, _) = file.split_once("```").expect("it ends");
    let (front, admin, service) = (port::free(), port::free(), port::free());
    let file = [("8080", front), ("9901", admin), ("9000", service)]
        .iter()
        .fold(file.to_owned(), |file, (shown, port)| file.replace(shown, &port.to_string()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("front.yaml");
    fs::write(&path, &file).expect("written");
    let path = path.display().to_string();
    let program = leno().display().to_string();

    let valid = run(&program, &["proxy", "--config-path", &path, "--validate"]);
    assert!(valid.status.success() && String::from_utf8_lossy(&valid.stdout).contains("can be used"), "{valid:?}");
    let echo = ["demo", "echo", "serve", "--bind", "127.0.0.1", "--http"];
    let _service = Running::start(Command::new(&program).args(echo).arg(service.to_string()), service);
    let _proxy = Running::start(Command::new(&program).args(["proxy", "--config-path", &path]), front);
    let curl = |port: u16, path: &str| {
        let url = format!("http://127.0.0.1:{port}{path}");
        let output = run("curl", &["-s", "-w", " %{http_code}", &url]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let books = curl(front, "/v1/books");
    assert!(books.contains(r#""path":"/v1/books""#) && books.ends_with(" 200"), "{books}");
    assert!(curl(front, "/v2/books").ends_with(" 404"));
    assert!(curl(admin, "/stats/prometheus").contains("leno_requests_total"));

    let broken = file.replace("connect_timeout: 1s", "connect_timeout: soon");
    fs::write(&path, broken).expect("written");
    let refused = run(&program, &["proxy", "--config-path", &path]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("front.yaml:") && said.contains("connect_timeout"), "{said}");
}
