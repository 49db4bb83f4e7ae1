//! A request on its way to an endpoint.

use std::time::Duration;

use super::{
    super::{access_log::Outcome, decide::Routed, mirror::Mirroring, view::Http1 as View},
    client::Client,
    head,
    held::Kept,
    upload::Upload,
};
use crate::{config::Endpoint, connection::Connection};

/// When the route's time is up, once it runs.
pub(super) fn due(routed: &Routed, upload: &Upload) -> Option<tokio::time::Instant> {
    routed.timeout.zip(upload.arrived).map(|(timeout, arrived)| arrived + timeout)
}

/// A request on its way.
pub(super) struct Request {
    pub(super) client: Box<Client>,
    pub(super) outcome: Outcome,
    pub(super) upload: Upload,
    /// Whether an upgrade is passed on.
    pub(super) upgrade: bool,
    /// Whether the caller's connection stays open.
    pub(super) keep: bool,
    /// Whether kept connections to endpoints are passed over.
    pub(super) fresh: bool,
}

impl Request {
    /// Of a request that came. `memory` is for its head; `upgrade`: whether the one that it asks for is passed on; `keep`:
    /// whether the caller's connection stays open.
    pub(super) fn new(
        connection: &Connection,
        (mut client, mut outcome): (Box<Client>, Outcome),
        routed: &Routed,
        kept: &Kept,
        (upgrade, keep, mut memory): (bool, bool, Vec<u8>),
    ) -> Self {
        memory.clear();
        let view = View { head: &client.head, bytes: &client.head_bytes };
        outcome.ids = head::ids(view, routed);
        let asked = client.asked(upgrade);
        head::request(&mut memory, (connection, &outcome.ids), view, routed, asked, None);
        let mirroring = Mirroring::of_head(&connection.worker, routed, &memory);
        let upload = Upload::new(memory, kept, mirroring, outcome.started.into());
        client.input.release();
        Self { client, outcome, upload, upgrade, keep, fresh: false }
    }

    /// Writes the head anew, with the endpoint's own host.
    pub(super) fn address(&mut self, connection: &Connection, routed: &Routed, endpoint: &Endpoint) {
        let Self { client, outcome, upload, upgrade, .. } = self;
        let view = View { head: &client.head, bytes: &client.head_bytes };
        let mut head = Vec::with_capacity(upload.bytes.len());
        let asked = client.asked(*upgrade);
        head::request(&mut head, (connection, &outcome.ids), view, routed, asked, Some(endpoint));
        upload.set_head(head);
    }

    /// Waits before it is sent again; `false` when the route's time is up before.
    pub(super) async fn waits(&self, routed: &Routed, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait;
        let due = due(routed, &self.upload);
        tokio::time::sleep_until(due.map_or(until, |due| due.min(until))).await;
        due.is_none_or(|due| until < due)
    }
}
