//! The whole program.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    control::{Control, base},
    run, serve,
};

/// A running sidecar; ended with the test.
struct Program {
    child: Child,
    admin: SocketAddr,
    metrics: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that is free just now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(control: &Control, application: u16) -> Program {
    let (admin, metrics) = (free(), free());
    let child = Command::new(env!("CARGO_BIN_EXE_leno-proxy"))
        .args(["run", "--workload-name", "client-1", "--workload-namespace", "test", "--service-account", "client"])
        .args(["--owner", "client", "--workload-ip", "127.0.0.1", "--mark", "0", "--log-level", "warn"])
        .args(["--control-address", &control.address.to_string(), "--drain-seconds", "3"])
        .arg("--control-ca")
        .arg(control.ca_file())
        .arg("--token-file")
        .arg(control.token_file())
        .args(["--outbound-port", &free().port().to_string(), "--inbound-port", &free().port().to_string()])
        .args(["--admin-address", &admin.to_string(), "--metrics-address", &metrics.to_string()])
        .args(["--app-metrics-port", &application.to_string(), "--app-metrics-path", "/own"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Program { child, admin, metrics }
}

async fn ask(at: SocketAddr, method: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn until_answer(at: SocketAddr, path: &str, wanted: &str) -> String {
    let started = Instant::now();
    loop {
        let answer = ask(at, "GET", path).await;
        if let Ok(answer) = &answer
            && answer.contains(wanted)
        {
            return answer.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An application with metrics of its own.
async fn application() -> SocketAddr {
    serve(|mut stream| async move {
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET /own HTTP/1.1"));
        let page = "# TYPE own counter\nown_total 7\n# EOF\n";
        let length = page.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{page}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
}

#[test]
fn the_program_becomes_ready_and_shows_itself() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        let program = start(&control, application().await.port());
        until_answer(program.metrics, "/healthz/ready", "503").await;
        until_answer(program.metrics, "/healthz/ready", "no inbound listener").await;
        base(&control);
        until_answer(program.metrics, "/healthz/ready", "200 OK").await;
        let certificates = ask(program.admin, "GET", "/certs").await.unwrap();
        assert!(certificates.contains("spiffe://cluster.local/ns/test/sa/client"), "{certificates}");
        let dump = ask(program.admin, "GET", "/config_dump").await.unwrap();
        assert!(dump.contains("\"passthrough\"") && dump.contains("original_dst"), "{dump}");
        let page = ask(program.metrics, "GET", "/stats/prometheus").await.unwrap();
        assert!(page.contains("leno_xds_connected 1"), "{page}");
        assert!(page.contains("\nown_total 7\n") && !page.contains("EOF"), "{page}");
        assert!(page.contains("leno_certificate_expiry_timestamp_seconds 1"), "{page}");
    });
}

#[test]
fn the_program_is_told_what_to_log_and_when_to_end() {
    run(async {
        let control = Control::start("client", Duration::from_secs(3600)).await;
        base(&control);
        let mut program = start(&control, 1);
        until_answer(program.metrics, "/healthz/ready", "200 OK").await;
        for (method, path, answer) in [
            ("POST", "/logging?level=warn", "200 OK"),
            ("POST", "/logging?level=,=", "400"),
            ("GET", "/drain", "405"),
            ("POST", "/drain", "200 OK"),
        ] {
            let got = ask(program.admin, method, path).await.unwrap();
            assert!(got.contains(answer), "{path}: {got}");
        }
        until_answer(program.metrics, "/healthz/ready", "draining").await;
        let started = Instant::now();
        while program.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(program.child.wait().unwrap().success());
    });
}
