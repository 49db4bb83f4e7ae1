//! What the other side says, frame by frame.

use super::{Connection, Event, LAST_CALL, Role};
use crate::{
    Code, ConnectionError,
    connection::stream::Coming,
    frame::{
        self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameHead, GOAWAY, HEADERS, PING, PRIORITY,
        PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY,
    },
    settings::{DEFAULT_TABLE, MAX_WINDOW},
};

/// How many frames a head may come in.
const MAX_PARTS: u32 = 128;
/// How much may wait to be written when the other side asks for more than its due.
const MAX_OUTPUT: usize = 1024 * 1024;
/// How many streams may have been given up before it matters that they are most of all.
const GIVEN_UP: u64 = 500;

/// A head of which the rest is to come.
#[derive(Debug)]
pub(super) struct Block {
    stream: u32,
    end: bool,
    bytes: Vec<u8>,
    parts: u32,
    /// What is wrong with it already.
    wrong: Option<&'static str>,
}

fn size(why: &'static str) -> ConnectionError {
    ConnectionError::new(Code::FRAME_SIZE_ERROR, why)
}

fn calm(why: &'static str) -> ConnectionError {
    ConnectionError::new(Code::ENHANCE_YOUR_CALM, why)
}

fn on_connection(head: FrameHead) -> Result<(), ConnectionError> {
    if head.stream == 0 { Ok(()) } else { Err(ConnectionError::protocol("a frame of the connection on a stream")) }
}

fn on_stream(head: FrameHead) -> Result<(), ConnectionError> {
    if head.stream != 0 { Ok(()) } else { Err(ConnectionError::protocol("a frame of a stream on none")) }
}

type Taken<'a> = Result<Option<Event<'a>>, ConnectionError>;

impl<T: Default> Connection<T> {
    pub(super) fn frame<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        if !self.begun.1 && head.kind != SETTINGS {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
        }
        if self.block.is_some() && head.kind != CONTINUATION {
            return Err(ConnectionError::protocol("a head that is broken off by another frame"));
        }
        match head.kind {
            DATA => self.on_data(head, payload),
            HEADERS => self.on_headers(head, payload),
            PRIORITY => self.on_priority(head, payload).map(|()| None),
            RST_STREAM => self.on_reset(head, payload),
            SETTINGS => self.on_settings(head, payload),
            PUSH_PROMISE => Err(ConnectionError::protocol("PUSH_PROMISE was not allowed")),
            PING => self.on_ping(head, payload),
            GOAWAY => self.on_go_away(head, payload),
            WINDOW_UPDATE => self.on_window(head, payload),
            CONTINUATION => self.on_continuation(head, payload),
            // Extensions that nobody asked for.
            _ => Ok(None),
        }
    }

    /// Resets a stream because of what came on it.
    pub(super) fn fail<'a>(&mut self, stream: u32, code: Code) -> Taken<'a> {
        self.bounded()?;
        let held = self.streams.get_mut(stream).is_some_and(|stream| stream.held && !stream.is_closed());
        self.reset_out(stream, code);
        self.end(stream);
        Ok(held.then_some(Event::Reset { stream, code, remote: false }))
    }

    /// Refuses to answer more frames to who reads no answers.
    fn bounded(&mut self) -> Result<(), ConnectionError> {
        let waiting = self.control.push(self.out.len());
        let most = usize::try_from(self.settings.flood.max_control_frames).unwrap_or(usize::MAX);
        let flooded = self.out.len() > MAX_OUTPUT || waiting > most;
        if flooded { Err(calm("answers are asked for and not read")) } else { Ok(()) }
    }

    /// Priorities are not followed ([RFC 9113, 5.3.2]), but what is no priority is refused.
    ///
    /// [RFC 9113, 5.3.2]: https://www.rfc-editor.org/rfc/rfc9113#section-5.3.2
    fn on_priority(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), ConnectionError> {
        on_stream(head)?;
        let on = frame::read_number(payload).filter(|_| head.length == 5).ok_or(size("PRIORITY of a wrong size"))?;
        if on & frame::MAX_STREAM == head.stream {
            return Err(ConnectionError::protocol("a stream that depends on itself"));
        }
        self.counted.priority += 1;
        let most = self.settings.flood.max_priority_frames.map(|most| u64::from(most) * (self.given_up.0 + 1));
        let flooded = self.role == Role::Server && most.is_some_and(|most| self.counted.priority > most);
        if flooded { Err(calm("priorities without end")) } else { Ok(()) }
    }

    /// Refuses more WINDOW_UPDATE frames than what was sent gives reason for.
    fn count_window(&mut self) -> Result<(), ConnectionError> {
        self.counted.window += 1;
        let most = self.settings.flood.max_window_frames;
        let most = most.map(|most| 5 + 2 * (self.given_up.0 + u64::from(most) * self.counted.data));
        let flooded = self.role == Role::Server && most.is_some_and(|most| self.counted.window > most);
        if flooded { Err(calm("windows are opened without reason")) } else { Ok(()) }
    }

    fn on_data<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_stream(head)?;
        let id = head.stream;
        let data = frame::unpadded(head, payload)?;
        let end = head.has(END_STREAM);
        if data.is_empty() && !end {
            self.empty += 1;
            if self.empty > self.settings.flood.max_empty_frames {
                return Err(calm("empty frames"));
            }
        } else {
            self.empty = 0;
        }
        let counted = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if !self.window.take(counted) {
            return Err(ConnectionError::new(Code::FLOW_CONTROL_ERROR, "more than the connection's window"));
        }
        let idle = self.is_idle(id);
        let Some(stream) = self.streams.get_mut(id) else {
            self.release_connection(payload.len());
            return match (idle, self.reset.contains(&id)) {
                (true, _) => Err(ConnectionError::protocol("a body on a stream that was not opened")),
                (false, true) => Ok(None),
                (false, false) => self.fail(id, Code::STREAM_CLOSED),
            };
        };
        let code = match stream.coming {
            Coming::Body if !stream.window.take(counted) => Some(Code::FLOW_CONTROL_ERROR),
            Coming::Body => None,
            Coming::Head => Some(Code::PROTOCOL_ERROR),
            Coming::Nothing => Some(Code::STREAM_CLOSED),
        };
        let left = match stream.left {
            Some(left) => left.checked_sub(data.len() as u64).filter(|left| !end || *left == 0).map(Some),
            None => Some(None),
        };
        match (code, left) {
            (None, Some(left)) => {
                stream.left = left;
                if end {
                    stream.coming = Coming::Nothing;
                    self.settle(id);
                }
                if payload.len() > data.len() {
                    self.release(id, payload.len() - data.len());
                }
                Ok(Some(Event::Data { stream: id, data, end }))
            }
            (code, _) => {
                let late = self.reset.contains(&id);
                self.release_connection(payload.len());
                if late { Ok(None) } else { self.fail(id, code.unwrap_or(Code::PROTOCOL_ERROR)) }
            }
        }
    }

    fn on_headers<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_stream(head)?;
        let mut fragment = frame::unpadded(head, payload)?;
        let mut wrong = None;
        if head.has(WITH_PRIORITY) {
            let (priority, rest) = fragment.split_at_checked(5).ok_or(size("HEADERS without its priority"))?;
            fragment = rest;
            if frame::read_number(priority).is_some_and(|on| on & frame::MAX_STREAM == head.stream) {
                wrong = Some("a stream that depends on itself");
            }
        }
        let end = head.has(END_STREAM);
        if head.has(END_HEADERS) {
            return self.on_block(head.stream, end, wrong, fragment);
        }
        self.block = Some(Block { stream: head.stream, end, bytes: fragment.to_vec(), parts: 1, wrong });
        Ok(None)
    }

    fn on_continuation<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_stream(head)?;
        let most = self.settings.max_header_list as usize * 2 + self.settings.max_frame as usize;
        let block = self.block.as_mut().filter(|block| block.stream == head.stream);
        let block = block.ok_or(ConnectionError::protocol("CONTINUATION of no head"))?;
        block.parts += 1;
        if block.parts > MAX_PARTS || block.bytes.len() + payload.len() > most {
            return Err(calm("a head that does not end"));
        }
        block.bytes.extend_from_slice(payload);
        match head.has(END_HEADERS).then(|| self.block.take()).flatten() {
            Some(block) => self.on_block(block.stream, block.end, block.wrong, &block.bytes),
            None => Ok(None),
        }
    }

    fn on_reset<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_stream(head)?;
        let code =
            frame::read_number(payload).filter(|_| head.length == 4).ok_or(size("RST_STREAM of a wrong size"))?;
        if self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("RST_STREAM on a stream that was not opened"));
        }
        let open = self.streams.get_mut(head.stream).is_some_and(|stream| !stream.is_closed());
        if !open {
            return Ok(None);
        }
        self.end(head.stream);
        if self.role == Role::Server {
            self.given_up.1 += 1;
            // As Envoy: most of very many.
            if self.given_up.1 > GIVEN_UP && self.given_up.1 * 2 > self.given_up.0 {
                return Err(calm("most streams are reset"));
            }
        }
        Ok(Some(Event::Reset { stream: head.stream, code: Code(code), remote: true }))
    }

    /// A stream was reset before anybody looked at it.
    ///
    /// # Errors
    /// When there are too many such.
    pub fn unseen(&mut self) -> Result<(), ConnectionError> {
        self.unseen_resets += 1;
        if self.unseen_resets <= self.settings.max_unseen_resets {
            return Ok(());
        }
        let error = calm("streams that are opened and reset at once");
        frame::go_away(&mut self.out, self.last, error.code);
        Err(error)
    }

    fn on_settings<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_connection(head)?;
        if head.has(ACK) {
            // What was announced is in force.
            self.decoder.limit(self.settings.header_table as usize);
            return if payload.is_empty() { Ok(None) } else { Err(size("an acknowledgement with settings")) };
        }
        if !payload.len().is_multiple_of(6) {
            return Err(size("SETTINGS of a wrong size"));
        }
        if !self.begun.1 {
            self.begun.1 = true;
            self.peer.max_concurrent_streams = u32::MAX;
        }
        let before = self.peer.initial_window;
        self.peer.apply(payload, self.role == Role::Client)?;
        self.encoder.resize(self.peer.header_table.min(DEFAULT_TABLE) as usize);
        let grown = i64::from(self.peer.initial_window) - i64::from(before);
        for (_, stream) in self.streams.iter_mut().filter(|_| grown != 0) {
            stream.send_window += grown;
            if stream.send_window > i64::from(MAX_WINDOW) {
                return Err(ConnectionError::new(Code::FLOW_CONTROL_ERROR, "a window above 2^31-1"));
            }
        }
        self.bounded()?;
        frame::head(&mut self.out, 0, SETTINGS, ACK, 0);
        Ok(Some(Event::Window { stream: 0 }))
    }

    fn on_ping<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_connection(head)?;
        let payload = *payload.first_chunk().filter(|_| head.length == 8).ok_or(size("PING of a wrong size"))?;
        if head.has(ACK) && payload == LAST_CALL {
            self.close(Code::NO_ERROR);
            return Ok(None);
        }
        if head.has(ACK) {
            return Ok(Some(Event::Pong(payload)));
        }
        self.bounded()?;
        frame::ping(&mut self.out, ACK, payload);
        Ok(None)
    }

    fn on_go_away<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        on_connection(head)?;
        let last = frame::read_number(payload);
        let code = payload.get(4..).and_then(frame::read_number);
        let (last, code) = last.zip(code).ok_or(size("GOAWAY of a wrong size"))?;
        self.gone = true;
        Ok(Some(Event::GoAway { last: last & frame::MAX_STREAM, code: Code(code) }))
    }

    fn on_window<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Taken<'a> {
        let more = frame::read_number(payload).filter(|_| head.length == 4);
        let more = i64::from(more.ok_or(size("WINDOW_UPDATE of a wrong size"))? & MAX_WINDOW);
        self.count_window()?;
        let id = head.stream;
        if id == 0 {
            self.send_window += more;
            return match (more, self.send_window > i64::from(MAX_WINDOW)) {
                (0, _) => Err(ConnectionError::protocol("a window that grows by 0")),
                (_, true) => Err(ConnectionError::new(Code::FLOW_CONTROL_ERROR, "a window above 2^31-1")),
                (_, false) => Ok(Some(Event::Window { stream: 0 })),
            };
        }
        if self.is_idle(id) {
            return Err(ConnectionError::protocol("WINDOW_UPDATE on a stream that was not opened"));
        }
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_closed()) else { return Ok(None) };
        stream.send_window += more;
        match (more, stream.send_window > i64::from(MAX_WINDOW)) {
            (0, _) => self.fail(id, Code::PROTOCOL_ERROR),
            (_, true) => self.fail(id, Code::FLOW_CONTROL_ERROR),
            (_, false) => Ok(Some(Event::Window { stream: id })),
        }
    }
}
