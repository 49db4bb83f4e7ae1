//! Heads that came wholly.

use super::{Connection, Event, Expected, Role, stream::Coming};
use crate::{Code, ConnectionError, Head, head::Kind};

type Taken<'a> = Result<Option<Event<'a>>, ConnectionError>;

impl<T: Default> Connection<T> {
    /// A head is there. It is read in any case: the table of the other side goes on with it.
    pub(super) fn on_block<'a>(&mut self, id: u32, end: bool, wrong: Option<&'static str>, block: &[u8]) -> Taken<'a> {
        let coming = self.streams.get_mut(id).map(|stream| stream.coming);
        let kind = match (self.role, coming) {
            (Role::Server, None) => Kind::Request,
            (Role::Client, Some(Coming::Head) | None) => Kind::Response,
            (_, Some(Coming::Body | Coming::Nothing)) | (Role::Server, Some(Coming::Head)) => Kind::Trailers,
        };
        let limit = self.settings.max_header_list as usize;
        let Ok(head) = Head::read(&mut self.decoder, block, kind, limit) else {
            let why = "a head that is not compressed as it must be";
            return Err(ConnectionError::new(Code::COMPRESSION_ERROR, why));
        };
        let head = match wrong {
            Some(why) => Err(why),
            None => head,
        };
        match (self.role, coming) {
            (Role::Server, None) if self.is_idle(id) => self.on_request(id, end, head),
            (_, None) => self.on_late_head(id),
            (_, Some(Coming::Nothing)) if self.reset.contains(&id) => Ok(None),
            (_, Some(Coming::Nothing)) => self.fail(id, Code::STREAM_CLOSED),
            (Role::Client, Some(Coming::Head)) => self.on_answer(id, end, head),
            (_, Some(Coming::Head | Coming::Body)) => self.on_trailers(id, end, head),
        }
    }

    /// A head on a stream that is none any more, or never was one.
    fn on_late_head<'a>(&mut self, id: u32) -> Taken<'a> {
        match (self.role, self.is_idle(id)) {
            (_, true) => Err(ConnectionError::protocol("an answer to what was not asked")),
            // An answer that was under way when its stream was given up.
            (Role::Client, false) => Ok(None),
            (Role::Server, false) if id.is_multiple_of(2) => {
                Err(ConnectionError::protocol("a client's stream has an odd number"))
            }
            (Role::Server, false) if self.reset.contains(&id) => Ok(None),
            (Role::Server, false) => Err(ConnectionError::new(Code::STREAM_CLOSED, "a head on a closed stream")),
        }
    }

    fn on_request<'a>(&mut self, id: u32, end: bool, head: Result<Head, &'static str>) -> Taken<'a> {
        if id.is_multiple_of(2) {
            return Err(ConnectionError::protocol("a client's stream has an odd number"));
        }
        if self.refusing {
            // Above the last one that GOAWAY named: the other side knows that nobody looks at it.
            return Ok(None);
        }
        self.last = id;
        if self.active >= self.settings.max_concurrent_streams {
            return self.fail(id, Code::REFUSED_STREAM);
        }
        let taken = head.ok().filter(|head| head.protocol().is_none() || self.settings.connect_protocol);
        let taken = taken.filter(|head| !end || head.content_length().unwrap_or_default() == 0);
        let Some(head) = taken else { return self.fail(id, Code::PROTOCOL_ERROR) };
        let left = head.content_length().filter(|_| head.method() != "CONNECT");
        self.given_up.0 += 1;
        self.insert(id, T::default(), |stream| {
            stream.left = left;
            stream.coming = if end { Coming::Nothing } else { Coming::Body };
        });
        Ok(Some(Event::Request { stream: id, head, end }))
    }

    fn on_answer<'a>(&mut self, id: u32, end: bool, head: Result<Head, &'static str>) -> Taken<'a> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        let Some(head) = head.ok().filter(|head| !head.is_too_large()) else {
            return self.fail(id, Code::PROTOCOL_ERROR);
        };
        if head.status() < 200 {
            // An interim answer is not the end.
            let event = Event::Answer { stream: id, head, end: false };
            return if end { self.fail(id, Code::PROTOCOL_ERROR) } else { Ok(Some(event)) };
        }
        stream.left = match (stream.expected, head.status()) {
            (Expected::Tunnel, 200..300) => None,
            (Expected::Nothing, _) | (_, 204 | 304) => Some(0),
            (Expected::Body | Expected::Tunnel, _) => head.content_length(),
        };
        if end && stream.left.unwrap_or_default() > 0 {
            return self.fail(id, Code::PROTOCOL_ERROR);
        }
        stream.coming = if end { Coming::Nothing } else { Coming::Body };
        self.settle(id);
        Ok(Some(Event::Answer { stream: id, head, end }))
    }

    fn on_trailers<'a>(&mut self, id: u32, end: bool, head: Result<Head, &'static str>) -> Taken<'a> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        let complete = end && stream.left.unwrap_or_default() == 0;
        let Some(head) = head.ok().filter(|head| complete && !head.is_too_large()) else {
            return self.fail(id, Code::PROTOCOL_ERROR);
        };
        stream.coming = Coming::Nothing;
        self.settle(id);
        Ok(Some(Event::Trailers { stream: id, head }))
    }
}
