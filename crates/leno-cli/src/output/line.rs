//! Events as plain lines.

use leno_api::runner::{Event, Happening, ObjectChange, PodView};

/// The line of an event; `None` when people need not know.
pub(crate) fn of(event: &Event) -> Option<String> {
    Some(match &event.what {
        Happening::Pod(view) => pod(view),
        Happening::Ready { pods, seconds } => format!("ready: {pods} pods after {seconds:.1} s"),
        Happening::Published { service, url } => format!("published {service} at {url}"),
        Happening::Object(ObjectChange { object, change }) => format!("{object} {}", change.word()),
        Happening::Invalid { errors } => {
            format!("{}\nthe previous state keeps running", errors.join("\n"))
        }
        Happening::Mended => "all manifests are in order again".into(),
        Happening::Control { message, ready: true } => format!("control plane {message}"),
        Happening::Control { message, ready: false } => format!("warning: control plane {message}"),
        Happening::Warning { message } => format!("warning: {message}"),
        Happening::Stopping => "stopping".into(),
        Happening::Stopped => "stopped".into(),
    })
}

fn pod(view: &PodView) -> String {
    let PodView { namespace, name, status, ready, containers, message, .. } = view;
    let mut line = format!("pod {namespace}/{name} {status} {ready}/{containers}");
    if !message.is_empty() {
        line.push_str(": ");
        line.push_str(message);
    }
    line
}
