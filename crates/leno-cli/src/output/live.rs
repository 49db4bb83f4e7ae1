//! The live view of `leno up`: what happened scrolls by above, how it is stands below and is drawn anew in place.

use std::io::{self, Write};

use leno_api::runner::{MeshView, PodView, ServiceView, Traffic};

use super::table::{Table, or_dash};

/// Colours, as little as helps.
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";
/// How many pods in trouble are shown.
const TROUBLED: usize = 6;

/// The part of the terminal that is drawn anew.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// How many lines stand there.
    drawn: usize,
}

impl Live {
    /// Draws the view, and above it for good these lines.
    pub(crate) fn draw(&mut self, above: &[String], view: &[String]) {
        let (columns, rows) = size();
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        text.push_str("\r\x1b[J");
        for line in above.iter().flat_map(|text| text.lines()) {
            text.push_str(line);
            text.push('\n');
        }
        let shown = view.len().min(rows.saturating_sub(1));
        for line in &view[..shown] {
            text.push_str(&cut(line, columns));
            text.push('\n');
        }
        self.drawn = shown;
        let mut out = io::stdout().lock();
        // A terminal that has gone away needs no picture.
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
    }

    /// Takes the view away.
    pub(crate) fn clear(&mut self) {
        self.draw(&[], &[]);
    }
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .filter(|size| size.ws_col > 0 && size.ws_row > 0)
        .map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

/// The line, cut so that it fits; escape sequences take no room.
fn cut(line: &str, columns: usize) -> String {
    let (mut text, mut room, mut escape) = (String::new(), columns, false);
    for c in line.chars() {
        if c == '\x1b' {
            escape = true;
        }
        if !escape {
            if room == 0 {
                text.push_str(PLAIN);
                return text;
            }
            room -= 1;
        }
        if escape && c.is_ascii_alphabetic() {
            escape = false;
        }
        text.push(c);
    }
    text
}

/// The lines of the view.
pub(crate) fn view(mesh: &MeshView) -> Vec<String> {
    let ready = mesh.pods.iter().filter(|pod| pod.ready == pod.containers).count();
    let state = if mesh.ready { format!("{GREEN}ready{PLAIN}") } else { format!("{YELLOW}starting{PLAIN}") };
    let control = if mesh.control_ready { "" } else { "   control plane: not there" };
    let mut lines = vec![
        String::new(),
        format!("{BOLD}mesh {}{PLAIN}   {state}   {ready}/{} pods{control}", mesh.name, mesh.pods.len()),
    ];
    lines.extend(services(&mesh.services));
    let troubled: Vec<&PodView> = mesh.pods.iter().filter(|pod| !pod.message.is_empty()).collect();
    for pod in troubled.iter().take(TROUBLED) {
        lines.push(format!("{RED}pod {}/{} {}: {}{PLAIN}", pod.namespace, pod.name, pod.status, pod.message));
    }
    for problem in &mesh.invalid {
        lines.push(format!("{RED}{problem}{PLAIN}"));
    }
    lines.push(format!("{DIM}Ctrl-C stops everything; `leno logs POD` shows output, `leno ps` lists pods{PLAIN}"));
    lines
}

fn services(services: &[ServiceView]) -> Vec<String> {
    let mut table = Table::new(&["SERVICE", "READY", "REQ/S", "OK", "P50", "P99", "MTLS", "DENIED/S", "URL"]);
    for service in services {
        let mut cells =
            vec![format!("{}/{}", service.namespace, service.name), format!("{}/{}", service.ready, service.instances)];
        cells.extend(traffic(service.traffic.as_ref()));
        cells.push(or_dash(&service.published.join(" ")));
        table.row(cells);
    }
    if table.is_empty() { Vec::new() } else { table.lines() }
}

/// The cells of a service's traffic: requests a second, success, median, 99th percentile, mutual TLS, denied.
pub(crate) fn traffic(traffic: Option<&Traffic>) -> Vec<String> {
    let Some(traffic) = traffic else { return vec!["-".into(); 6] };
    let share = |share: Option<f64>| share.map_or_else(|| "-".into(), |share| format!("{:.1}%", share * 100.0));
    let time = |ms: Option<f64>| {
        ms.map_or_else(|| "-".into(), |ms| if ms < 10.0 { format!("{ms:.1}ms") } else { format!("{ms:.0}ms") })
    };
    vec![
        format!("{:.1}", traffic.requests_per_second),
        share(traffic.success_rate),
        time(traffic.p50_ms),
        time(traffic.p99_ms),
        share(traffic.mtls_share),
        format!("{:.1}", traffic.denied_per_second),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_terminal_without_counting_colours() {
        assert_eq!(cut("\x1b[31mabcdef\x1b[0m", 3), format!("\x1b[31mabc{PLAIN}"));
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn traffic_is_written_short() {
        let some = Traffic {
            requests_per_second: 12.34,
            success_rate: Some(0.9994),
            p50_ms: Some(1.26),
            p99_ms: Some(48.2),
            mtls_share: None,
            ..Traffic::default()
        };
        assert_eq!(traffic(Some(&some)), ["12.3", "99.9%", "1.3ms", "48ms", "-", "0.0"]);
        assert_eq!(traffic(None).len(), 6);
    }
}
