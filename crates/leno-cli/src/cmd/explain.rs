//! `leno explain`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use leno_api::explain::{Payload, Request};

use crate::{
    cli::Global,
    client::{Client, block_on},
    explain::{self, Asked, show},
    output::Output,
};

/// Show what becomes of a request between two workloads, and which objects decide it
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 0 when all such requests would reach an endpoint, with 1 when some or all would not, \
                        and with 2 when nothing can be said."
)]
pub(crate) struct Explain {
    /// Who calls: a pod or what made it, as NAMESPACE/NAME
    #[arg(long, value_name = "NAMESPACE/NAME")]
    from: String,
    /// Who is called, as the caller names it: HOST:PORT
    #[arg(long, value_name = "HOST:PORT", value_parser = Target::parse)]
    to: Target,
    /// The method of the request
    #[arg(long, short = 'X', default_value = "GET")]
    method: String,
    /// Its path, with the query
    #[arg(long, default_value = "/")]
    path: String,
    /// One of its headers, as NAME:VALUE; may be given several times
    #[arg(long, short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// The request is one of HTTP/2
    #[arg(long)]
    http2: bool,
    /// The connection carries bytes, not HTTP
    #[arg(long, conflicts_with_all = ["method", "path", "header", "http2", "tls"])]
    tcp: bool,
    /// The connection carries TLS of the application's own that asks for this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["method", "path", "header", "http2"])]
    tls: Option<String>,
    /// How to write it
    #[arg(long, short, value_enum)]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// As JSON
    Json,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "expected HOST:PORT, such as cart.shop:80".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        if host.is_empty() || host.contains(['/', ':', '[']) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME:VALUE")?;
    let name = name.trim();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("{name:?} is no name of a header"));
    }
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

impl Explain {
    pub(crate) fn run(self, global: &Global, output: &Output) -> ExitCode {
        let json = output.json || self.output == Some(Form::Json);
        let client = Client::new(&global.mesh);
        let report = match block_on(explain::explain(&client, self.asked())) {
            Ok(report) => report,
            Err(error) => {
                output.failure(&error);
                return ExitCode::from(2);
            }
        };
        if json {
            output.value(&report);
        } else {
            output.text(&show::text(&report));
        }
        if report.reaches_all() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn asked(self) -> Asked {
        let Target { host, port } = self.to;
        let payload = match (self.tls, self.tcp) {
            (Some(server_name), _) => Payload::Tls { server_name },
            (None, true) => Payload::Bytes,
            (None, false) => {
                let named = |(name, _): &&(String, String)| name == "host" || name == ":authority";
                let own = self.header.iter().find(named).map(|(_, value)| value.clone());
                // As clients write it: the port that goes without saying is left out.
                let implied = || if port == 80 { host.clone() } else { format!("{host}:{port}") };
                let others = self.header.iter().filter(|header| !named(header)).cloned();
                let path = if self.path.starts_with(['/', '*']) { self.path } else { format!("/{}", self.path) };
                Payload::Http(Request {
                    method: self.method,
                    path,
                    host: own.unwrap_or_else(implied),
                    headers: others.collect(),
                    http2: self.http2,
                })
            }
        };
        Asked { from: self.from, host, port, payload }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        explain: Explain,
    }

    fn asked(more: &[&str]) -> Asked {
        let line = ["explain", "--from", "front/web", "--to", "cart.shop:8080"];
        Line::try_parse_from(line.iter().chain(more)).unwrap().explain.asked()
    }

    #[test]
    fn requests_are_as_clients_send_them() {
        let Payload::Http(request) = asked(&["-H", "X-A: b", "--path", "x?y=1"]).payload else { panic!("it is HTTP") };
        assert_eq!((request.host.as_str(), request.path.as_str()), ("cart.shop:8080", "/x?y=1"));
        assert_eq!(request.headers, [("x-a".to_owned(), "b".to_owned())]);
        let Payload::Http(request) = asked(&["-H", "host: other"]).payload else { panic!("it is HTTP") };
        assert_eq!((request.host.as_str(), request.headers.len()), ("other", 0));
        assert_eq!(asked(&["--tcp"]).payload, Payload::Bytes);
        assert_eq!(asked(&["--tls", "a.example"]).payload, Payload::Tls { server_name: "a.example".into() });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for to in ["cart", "cart:", "cart:0", ":80", "http://cart:80", "cart:x"] {
            assert!(Target::parse(to).is_err(), "{to}");
        }
        assert!(header("novalue").is_err() && header("a b: c").is_err() && header(": c").is_err());
        assert!(Line::try_parse_from(["explain", "--from", "a/b", "--to", "c:1", "--tcp", "--path", "/"]).is_err());
    }
}
