//! Settings ([RFC 9113, 6.5.2]): what this side tells, and what the other one told.
//!
//! [RFC 9113, 6.5.2]: https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2

use crate::{
    Code, ConnectionError,
    frame::{self, SETTINGS},
};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The window that streams and connections have before anything is said.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window.
pub(crate) const MAX_WINDOW: u32 = 0x7fff_ffff;
/// The size of the header table before anything is said.
pub(crate) const DEFAULT_TABLE: u32 = 4096;
/// The smallest size that frames may be limited to.
pub(crate) const MIN_FRAME: u32 = 16_384;

/// What this side allows. Bounds of all that the other side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many streams the other side may have open; told by servers.
    pub max_concurrent_streams: u32,
    /// How many bytes of a body may be in flight unread, per stream; at least 65535.
    pub stream_window: u32,
    /// The same for all streams together; at least 65535.
    pub connection_window: u32,
    /// How large a head may be: names, values and 32 for each field. A larger one is told as such, without what is too
    /// much.
    pub max_header_list: u32,
    /// The size of the table that the other side's headers are compressed with.
    pub header_table: u32,
    /// The largest payload of a frame; 16384 to 2^24-1.
    pub max_frame: u32,
    /// Whether a server takes extended CONNECT ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).
    pub connect_protocol: bool,
    /// How many streams may come and be reset before they were looked at: more is an attack ("rapid reset").
    pub max_unseen_resets: usize,
    /// How many bytes may wait to be written before streams have to wait with more.
    pub output: usize,
    /// What the other side may do in excess.
    pub flood: Flood,
}

/// What the other side may do in excess before the connection is closed. That what waits to be written stays small holds
/// in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// How many answers to its frames may wait to be written: acknowledgements and resets.
    pub max_control_frames: u32,
    /// How many empty frames may come in a row.
    pub max_empty_frames: u32,
    /// How many PRIORITY frames may come for each stream that it opened, and as many besides; `None`: any number.
    pub max_priority_frames: Option<u32>,
    /// How many WINDOW_UPDATE frames may come for each DATA frame that was sent: twice as many, two for each stream that it
    /// opened, and five besides; `None`: any number.
    pub max_window_frames: Option<u32>,
}

impl Default for Flood {
    fn default() -> Self {
        Self { max_control_frames: 10_000, max_empty_frames: 100, max_priority_frames: None, max_window_frames: None }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            stream_window: 256 * 1024,
            connection_window: 4 * 1024 * 1024,
            max_header_list: 64 * 1024,
            header_table: DEFAULT_TABLE,
            max_frame: MIN_FRAME,
            connect_protocol: false,
            max_unseen_resets: 100,
            output: 64 * 1024,
            flood: Flood::default(),
        }
    }
}

impl Settings {
    /// Writes the SETTINGS frame that a connection begins with.
    pub(crate) fn write(&self, out: &mut Vec<u8>, server: bool) {
        let mut all = vec![(INITIAL_WINDOW_SIZE, self.stream_window), (MAX_HEADER_LIST_SIZE, self.max_header_list)];
        if server {
            all.push((MAX_CONCURRENT_STREAMS, self.max_concurrent_streams));
        } else {
            all.push((ENABLE_PUSH, 0));
        }
        if server && self.connect_protocol {
            all.push((ENABLE_CONNECT_PROTOCOL, 1));
        }
        if self.header_table != DEFAULT_TABLE {
            all.push((HEADER_TABLE_SIZE, self.header_table));
        }
        if self.max_frame != MIN_FRAME {
            all.push((MAX_FRAME_SIZE, self.max_frame));
        }
        frame::head(out, all.len() * 6, SETTINGS, 0, 0);
        for (name, value) in all {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// What the other side told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) header_table: u32,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) initial_window: u32,
    pub(crate) max_frame: u32,
    pub(crate) connect_protocol: bool,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self {
            header_table: DEFAULT_TABLE,
            // Unlimited by the RFC. Until the other side has spoken no more than what all of them allow.
            max_concurrent_streams: 100,
            initial_window: DEFAULT_WINDOW,
            max_frame: MIN_FRAME,
            connect_protocol: false,
        }
    }

    /// Takes a SETTINGS frame's payload.
    ///
    /// # Errors
    /// When a value is not allowed.
    pub(crate) fn apply(&mut self, payload: &[u8], from_server: bool) -> Result<(), ConnectionError> {
        for entry in payload.chunks_exact(6) {
            let (Some(name), Some(value)) = (entry.first_chunk::<2>(), entry.last_chunk::<4>()) else { continue };
            let (name, value) = (u16::from_be_bytes(*name), u32::from_be_bytes(*value));
            match name {
                HEADER_TABLE_SIZE => self.header_table = value,
                ENABLE_PUSH if value > 1 || (from_server && value == 1) => {
                    return Err(ConnectionError::protocol("ENABLE_PUSH is neither 0 nor 1, or a server's"));
                }
                MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = value,
                INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(ConnectionError::new(Code::FLOW_CONTROL_ERROR, "an initial window above 2^31-1"));
                }
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                MAX_FRAME_SIZE if !(MIN_FRAME..1 << 24).contains(&value) => {
                    return Err(ConnectionError::protocol("a frame size below 2^14 or above 2^24-1"));
                }
                MAX_FRAME_SIZE => self.max_frame = value,
                ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return Err(ConnectionError::protocol("ENABLE_CONNECT_PROTOCOL is neither 0 nor 1"));
                }
                ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
                _ => {}
            }
        }
        Ok(())
    }
}
