//! Between the mesh and the host.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use tokio::io::AsyncWriteExt as _;

use leno_cli::sandbox::{
    Inside, Protocol, Sandbox, Settings, connect,
    exec::{Program, exec},
};

use crate::{
    pod::{VIRTUAL, cart, client, output, pod, sandbox, serve},
    scenario::{both, wait},
};

pub(crate) async fn the_private_directory_is_private(inside: Inside) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&inside.directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::write(inside.directory.join("secret"), "x").unwrap();
    assert!(Path::new("/usr/bin").is_dir() && Path::new("/proc/self").exists());
    let run = std::process::Command::new(&inside.executable).arg("nonsense-filter").output();
    assert!(run.unwrap().status.success(), "the program can be started again");
    let here = std::env::current_dir().unwrap();
    assert!(here.is_absolute() && here.exists());
    // The host's view of our root directory.
    let names = std::fs::read_dir("/").unwrap().flatten();
    assert!(names.into_iter().any(|entry| entry.file_name() == ".leno"));
}

/// Serves `greeting`.
fn greet(listener: TcpListener, greeting: &'static str) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(greeting.as_bytes()).unwrap();
        }
    });
}

fn read(address: SocketAddr) -> String {
    let mut text = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A message of one side to the other, over the control socket.
pub(crate) async fn tell(inside: &Inside, text: &str) {
    let mut stream = inside.control.accept().await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
}

pub(crate) fn hear(mesh: &str) -> String {
    let mut text = String::new();
    connect(mesh).unwrap().read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn published_ports_lead_into_the_mesh() -> ExitCode {
    let mesh = crate::scenario::entry().mesh;
    both(
        |front| async move {
            let address = hear(&mesh).parse().unwrap();
            for _ in 0..3 {
                assert_eq!(read(address), "pod-1");
            }
            assert_eq!(hear(&mesh), "closed");
            assert!(TcpStream::connect(address).is_err());
            wait(front).await
        },
        |inside| async move {
            let sandbox = sandbox(&inside).await;
            let one = pod(&sandbox, 1).await;
            let _server = serve(&one).await;
            sandbox.set_services(vec![cart(&[1], Protocol::Tcp)]).await.unwrap();
            let any = "127.0.0.1:0".parse().unwrap();
            let target = std::net::SocketAddrV4::new(VIRTUAL, 80);
            let published = sandbox.publish(any, target).await.unwrap();
            let taken = sandbox.publish(published.address(), target).await.unwrap_err();
            assert!(taken.to_string().contains("on the host"), "{taken}");
            tell(&inside, &published.address().to_string()).await;
            // The front asks again when it has seen enough.
            let mut again = inside.control.accept().await.unwrap();
            drop(published);
            tokio::time::sleep(Duration::from_millis(50)).await;
            again.write_all(b"closed").await.unwrap();
            sandbox.stop().await;
        },
    )
}

/// Another address of the host than loopback, if it has one.
fn host_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

pub(crate) fn pods_reach_the_world_outside() -> ExitCode {
    let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = loopback.local_addr().unwrap().port();
    let on_all = TcpListener::bind("0.0.0.0:0").unwrap();
    let everywhere = on_all.local_addr().unwrap().port();
    let host = host_address();
    both(
        |front| async move {
            greet(loopback, "loopback");
            greet(on_all, "outside");
            wait(front).await
        },
        |inside| async move {
            let settings = Settings { egress: true, host_loopback: true };
            let sandbox = Sandbox::start(&inside, &settings).await.unwrap();
            let one = pod(&sandbox, 1).await;
            assert_eq!(output(&one, &client("host.leno.internal", port)).await, "loopback");
            if let Some(host) = host {
                let said = output(&one, &client(&host.to_string(), everywhere)).await;
                assert_eq!(said, "outside");
                let closed = output(&one, &client(&host.to_string(), 1)).await;
                assert!(closed.contains("reset") || closed.contains("refused") || closed.is_empty(), "{closed}");
            }
            sandbox.stop().await;
        },
    )
}

/// The host's resolver cannot be chosen by a test, so this asks what this host's says, which may be that nobody is there.
pub(crate) fn names_outside_are_asked_of_the_hosts_resolver() -> ExitCode {
    both(wait, |inside| async move {
        let sandbox = sandbox(&inside).await;
        let one = pod(&sandbox, 1).await;
        let said = output(&one, "getent hosts a-name-that-nobody-has.invalid; echo $?").await;
        assert_eq!(said, "2\n");
        assert_eq!(output(&one, "getent hosts localhost; echo $?").await.lines().last(), Some("0"));
        sandbox.stop().await;
    })
}

pub(crate) fn without_egress_the_world_is_not_there() -> ExitCode {
    both(wait, |inside| async move {
        let settings = Settings { egress: false, host_loopback: true };
        let sandbox = Sandbox::start(&inside, &settings).await.unwrap();
        let one = pod(&sandbox, 1).await;
        let said = output(&one, &client("192.0.2.1", 80)).await;
        assert!(said.contains("unreachable"), "{said}");
        let said = output(&one, &client("example.com", 80)).await;
        assert!(said.contains("Temporary failure in name resolution"), "{said}");
        sandbox.stop().await;
    })
}

pub(crate) fn the_control_socket_takes_its_owner_in() -> ExitCode {
    let mesh = crate::scenario::entry().mesh;
    both(
        |front| async move {
            assert_eq!(hear(&mesh), "welcome");
            let none = connect("no-such-mesh").unwrap_err();
            assert_eq!(none.kind(), std::io::ErrorKind::ConnectionRefused);
            wait(front).await
        },
        |inside| async move { tell(&inside, "welcome").await },
    )
}

pub(crate) fn exec_runs_in_the_pod() -> ExitCode {
    let mesh = crate::scenario::entry().mesh;
    both(
        |front| async move {
            let program = std::env::current_exe().unwrap();
            let process: u32 = hear(&mesh).parse().unwrap();
            // A process of one thread: this program again.
            let output = std::process::Command::new(program)
                .args(["run", &format!("exec-{process}-{}", front_child())])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("pod-1") && said.contains("10.244.0.2"), "{output:?}");
            assert_eq!(output.status.code(), Some(7), "{output:?}");
            front.kill();
            assert_eq!(front.wait().await.unwrap(), 128 + 9);
            ExitCode::SUCCESS
        },
        |inside| async move {
            let sandbox = sandbox(&inside).await;
            let one = pod(&sandbox, 1).await;
            let child = crate::pod::shell(&one, "exec sleep 1000").spawn().unwrap();
            tell(&inside, &child.id().unwrap().to_string()).await;
            std::future::pending::<()>().await;
        },
    )
}

/// The host's number of PID 1 inside: the only child of this process.
fn front_child() -> String {
    let all = std::fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()));
    all.unwrap().trim().to_owned()
}

/// The other half of `exec_runs_in_the_pod`: the namespaces are those of a process in the pod, which the host sees under
/// another number.
pub(crate) fn exec_in(process: &str, first: &str) -> ExitCode {
    let inner = format!("NSpid:\t{{}}\t{process}");
    let pid = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let wanted = inner.replace("{}", &name);
        let same = std::fs::read_link(entry.path().join("ns/pid")).ok()
            == std::fs::read_link(format!("/proc/{first}/ns/pid")).ok();
        (same && status.lines().any(|line| line == wanted)).then_some(name)
    });
    let pid = pid.unwrap();
    let open = |name: &str| {
        let file = std::fs::File::open(format!("/proc/{pid}/ns/{name}")).unwrap();
        (name.to_owned(), file.into())
    };
    let namespaces = ["user", "pid", "net", "uts", "mnt"].map(open).into();
    let text = "hostname; cat /etc/hosts; exit 7";
    let command: Vec<OsString> = ["/bin/sh", "-c", text].map(OsString::from).into();
    let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let program =
        Program { command: &command, environment: &environment, directory: Path::new("/"), privileged: false };
    ExitCode::from(exec(namespaces, &program).unwrap())
}
