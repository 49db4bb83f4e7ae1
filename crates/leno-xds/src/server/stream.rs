//! Moves the messages of one stream.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{self, Stream};
use leno_proto::v3::core::Node;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tonic::{Extensions, Status, Streaming};
use tracing::{debug, info, warn};

use super::{
    Change, Observer, View,
    ads::{Ads, Limits},
    render::Wire,
    session::{Answer, Session, Touched, Verdict},
    source::ResourceSource,
    status::{Entry, StatusBoard},
    subscription::Resources,
};
use crate::{Resource, ResourceType};

/// How long a client may take to say who it is.
const HELLO: Duration = Duration::from_secs(10);

/// The answers of one stream. It makes the next one only when the transport asks for it.
pub(super) fn answers<S: ResourceSource, W: Wire>(
    ads: Ads<S>,
    inbound: Streaming<W::Request>,
    extensions: Extensions,
) -> impl Stream<Item = Result<W::Response, Status>> + Send + 'static {
    stream::unfold(State::<S, W>::Hello(Box::new(Hello { ads, inbound, extensions })), |state| async move {
        let mut open = match state {
            State::Hello(hello) => match hello.greet().await {
                Ok(open) => open,
                Err(status) => return Some((Err(status), State::Closed)),
            },
            State::Open(open) => open,
            State::Closed => return None,
        };
        match open.next().await {
            Ok(Some(answer)) => Some((Ok(W::response(answer)), State::Open(open))),
            Ok(None) => None,
            Err(status) => Some((Err(status), State::Closed)),
        }
    })
}

enum State<S: ResourceSource, W: Wire> {
    Hello(Box<Hello<S, W>>),
    Open(Box<Open<S, W>>),
    Closed,
}

/// A stream whose client has not said who it is.
struct Hello<S: ResourceSource, W: Wire> {
    ads: Ads<S>,
    inbound: Streaming<W::Request>,
    extensions: Extensions,
}

/// A stream in use.
struct Open<S: ResourceSource, W: Wire> {
    source: Arc<S>,
    observer: Arc<dyn Observer>,
    limits: Limits,
    client: S::Client,
    inbound: Streaming<W::Request>,
    entry: Entry,
    bell: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    /// How much of the feed it has seen.
    position: u64,
}

impl<S: ResourceSource, W: Wire> Hello<S, W> {
    async fn greet(self: Box<Self>) -> Result<Box<Open<S, W>>, Status> {
        let Self { ads, mut inbound, extensions } = *self;
        let first = timeout_at(Instant::now() + HELLO, inbound.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no request came"))??;
        let mut request = first.ok_or_else(|| Status::cancelled("no request came"))?;
        let node = W::node(&mut request).ok_or_else(|| Status::invalid_argument("the first request names no node"))?;
        let client = ads.source.admit(&node, &extensions).inspect_err(|status| {
            warn!(node = node.id, reason = status.message(), "refused a discovery stream");
        })?;
        let entry = enter(&ads.board, &ads.limits, node, W::FLAVOUR)?;
        info!(node = entry.node().id, flavour = ?W::FLAVOUR, "a discovery stream opened");
        let feed = ads.source.feed();
        let position = feed.position();
        entry.seen(position);
        let mut open = Box::new(Open {
            bell: feed.listen(),
            position,
            closing: ads.closing.subscribe(),
            observer: ads.observer,
            limits: ads.limits,
            source: ads.source,
            client,
            inbound,
            entry,
        });
        open.request(request)?;
        Ok(open)
    }
}

fn enter(board: &StatusBoard, limits: &Limits, node: Node, flavour: super::Flavour) -> Result<Entry, Status> {
    if board.len() >= limits.streams {
        return Err(Status::resource_exhausted(format!("more than {} discovery streams", limits.streams)));
    }
    let rewarm = node.user_agent_name == "envoy";
    // The rest (Envoy lists its extensions, some 100 kB) is not worth keeping as long as the stream.
    let node = Node {
        id: node.id,
        cluster: node.cluster,
        locality: node.locality,
        user_agent_name: node.user_agent_name,
        user_agent_version_type: node.user_agent_version_type,
        ..Node::default()
    };
    Ok(board.enter(node, Session::new(flavour, rewarm), flavour))
}

impl<S: ResourceSource, W: Wire> Open<S, W> {
    /// The next answer; `None` when the client has gone.
    async fn next(&mut self) -> Result<Option<Answer>, Status> {
        loop {
            if let Some(answer) = self.answer() {
                return Ok(Some(answer));
            }
            tokio::select! {
                request = self.inbound.message() => match request {
                    Ok(Some(request)) => self.request(request)?,
                    Ok(None) => return Ok(None),
                    Err(status) => {
                        debug!(node = self.entry.node().id, %status, "a discovery stream broke");
                        return Ok(None);
                    }
                },
                // Fails when the source is gone, which ends the process.
                changed = self.bell.changed() => changed.map_err(|_| going_away())?,
                () = closed(&mut self.closing) => return Err(going_away()),
            }
        }
    }

    fn answer(&mut self) -> Option<Answer> {
        let mut session = self.entry.session();
        // Changes are read before the view, which therefore shows them.
        if let Some(unseen) = self.source.feed().after(self.position) {
            self.position = unseen.position;
            self.entry.seen(unseen.position);
            session.changed(&Unread { changes: unseen.changes, client: &self.client }, unseen.since);
        }
        let view = self.source.view();
        let seen = Seen { view: &view, client: &self.client };
        let answer = session.next(&seen, &View::<S::Client>::version(&view))?;
        let bytes = answer.resources.iter().map(Resource::size).sum();
        self.observer.sent(answer.resource_type, answer.resources.len(), bytes);
        Some(answer)
    }

    fn request(&mut self, request: W::Request) -> Result<(), Status> {
        let ask = match W::ask(request) {
            Ok(ask) => ask,
            Err(type_url) => {
                debug!(node = self.entry.node().id, type_url, "nothing is known of this type of resource");
                return Ok(());
            }
        };
        if let Some(name) = ask.names.iter().find(|name| name.len() > self.limits.name_bytes) {
            let (found, limit) = (name.len(), self.limits.name_bytes);
            return Err(Status::invalid_argument(format!("a name has {found} bytes, expected at most {limit}")));
        }
        let resource_type = ask.resource_type;
        let (verdict, names) = {
            let mut session = self.entry.session();
            (session.ask(ask), session.names())
        };
        match verdict {
            Verdict::None => {}
            Verdict::Acknowledged(changed_at) => {
                self.observer.acknowledged(resource_type, changed_at.map(|changed_at| changed_at.elapsed()));
            }
            Verdict::Refused(message) => {
                warn!(node = self.entry.node().id, %resource_type, message, "a client refused its configuration");
                self.observer.refused(resource_type, &message);
            }
        }
        if names > self.limits.names {
            return Err(Status::resource_exhausted(format!("more than {} names on one stream", self.limits.names)));
        }
        Ok(())
    }
}

impl<S: ResourceSource, W: Wire> Drop for Open<S, W> {
    fn drop(&mut self) {
        info!(node = self.entry.node().id, "a discovery stream closed");
    }
}

/// Waits until the server closes, or is gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}

fn going_away() -> Status {
    Status::unavailable("the control plane is going away")
}

/// A view through the eyes of one client.
struct Seen<'a, V, C> {
    view: &'a V,
    client: &'a C,
}

impl<C, V: View<C>> Resources for Seen<'_, V, C> {
    fn resource(&self, resource_type: ResourceType, name: &str) -> Option<Resource> {
        self.view.resource(self.client, resource_type, name)
    }

    fn names(&self, resource_type: ResourceType) -> Vec<Arc<str>> {
        self.view.names(self.client, resource_type)
    }
}

/// Changes through the eyes of one client; `None` when some are forgotten, so that anything may have changed.
struct Unread<'a, T, C> {
    changes: Option<Vec<Arc<T>>>,
    client: &'a C,
}

impl<T: Change<C>, C> Touched for Unread<'_, T, C> {
    fn touches(&self, resource_type: ResourceType, name: &str) -> bool {
        let touches = |changes: &Vec<Arc<T>>| changes.iter().any(|it| it.touches(self.client, resource_type, name));
        self.changes.as_ref().is_none_or(touches)
    }

    fn touches_names(&self, resource_type: ResourceType) -> bool {
        let touches = |changes: &Vec<Arc<T>>| changes.iter().any(|it| it.touches_names(self.client, resource_type));
        self.changes.as_ref().is_none_or(touches)
    }
}
