//! How a request ends: by an answer of our own, or by a tunnel.

use std::pin::Pin;

use leno_engine::request::RequestHead as _;
use leno_http1::Framing;

use super::{
    super::{
        access_log::Outcome,
        local_reply,
        reply::{Reply, is_grpc},
        view::Http1 as View,
    },
    client::Client,
    head,
    server::{After, Server},
    tunnel,
};
use crate::{connection::Admission, tcp::relay::Times, upstream::Http1};

impl Server {
    /// Carries what is spoken after an upgrade, for so long.
    pub(super) async fn tunnel(&self, client: Box<Client>, upstream: Http1, mut outcome: Outcome, times: Times<'_>) {
        let (head, bytes) = (client.head.clone(), client.head_bytes.clone());
        let carried = tunnel::run(&self.connection, &outcome.callee, *client, upstream, times).await;
        outcome.request_bytes += carried.sent;
        outcome.response_bytes += carried.received;
        outcome.flags = carried.flags;
        outcome.emit(&self.connection, &self.manager, &View { head: &head, bytes: &bytes });
    }

    /// Answers a request without an endpoint. Apart, as it is needed in many places and no connection is to have room
    /// for each of them.
    pub(super) fn answer(
        &mut self,
        client: Box<Client>,
        outcome: Outcome,
        reply: Reply,
    ) -> Pin<Box<dyn Future<Output = After> + '_>> {
        Box::pin(self.say(client, outcome, reply))
    }

    async fn say(&mut self, mut client: Box<Client>, mut outcome: Outcome, reply: Reply) -> After {
        let view = View { head: &client.head, bytes: &client.head_bytes };
        outcome.flags = reply.flags;
        outcome.delayed |= reply.delayed;
        outcome.detail.clone_from(&reply.detail);
        let worded = local_reply::worded(&reply, &self.connection, &self.manager, &mut outcome, &view);
        let as_grpc = view.header("content-type").is_some_and(is_grpc).then(|| worded.for_grpc()).flatten();
        let reply = as_grpc.as_ref().unwrap_or(&worded);
        outcome.status = reply.status;
        let bodiless = client.head.head || reply.is_bodiless();
        outcome.response_bytes = if bodiless { 0 } else { reply.body.len() as u64 };
        self.emit(&client, &outcome);
        // A body that nobody reads stands before the next request.
        let body = client.head.framing != Framing::None;
        let ending = self.connection.is_ending() || self.connection.admission == Admission::Shed || self.is_last();
        let close = body || !client.head.keep_alive || ending;
        let mut out = Vec::new();
        head::reply(&mut out, reply, Some(&client.head), close);
        match client.write(&out).await {
            Err(_) => After::Gone,
            Ok(()) if close => After::Close(client),
            Ok(()) => After::Next(client),
        }
    }

    pub(super) fn emit(&self, client: &Client, outcome: &Outcome) {
        outcome.emit(&self.connection, &self.manager, &View { head: &client.head, bytes: &client.head_bytes });
    }
}
