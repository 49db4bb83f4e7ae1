//! A connection's messages, whatever pieces its bytes come in.

use leno_http1::{Body, Framing};

/// A head that is complete.
#[derive(Debug)]
pub(super) struct Head {
    /// How many bytes it has.
    pub(super) length: usize,
    /// How its body is framed.
    pub(super) framing: Framing,
    /// The head as it is passed on.
    pub(super) written: Vec<u8>,
    /// Whether what comes after it is no message any more.
    pub(super) last: bool,
}

/// A message as it was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) framing: Framing,
    /// The head as it is passed on.
    pub(super) written: Vec<u8>,
    /// The body as it is passed on.
    pub(super) framed: Vec<u8>,
    /// What the body holds.
    pub(super) content: Vec<u8>,
    pub(super) complete: bool,
}

/// What a connection brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) messages: Vec<Message>,
    /// Why the connection was ended, if it was.
    pub(super) refused: Option<String>,
    /// What has been read of no message yet.
    pub(super) left: Vec<u8>,
}

/// A message whose head is complete.
#[derive(Debug)]
struct Begun {
    body: Body,
    last: bool,
}

/// Reads a connection whose bytes come in these pieces.
pub(super) fn read(pieces: &[&[u8]], mut parse: impl FnMut(&[u8]) -> Result<Option<Head>, String>) -> Seen {
    let mut seen = Seen::default();
    let mut body = None;
    let mut last = false;
    for piece in pieces {
        seen.left.extend_from_slice(piece);
        while seen.refused.is_none() && !seen.left.is_empty() && !(last && body.is_none()) {
            let step = match &mut body {
                Some(body) => advance(&mut seen, body).map(|()| true),
                None => start(&mut seen, &mut parse).map(|begun| match begun {
                    Some(begun) => {
                        (body, last) = (Some(begun.body), begun.last);
                        true
                    }
                    None => false,
                }),
            };
            match step {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => seen.refused = Some(why),
            }
            body = body.filter(|body: &Body| !body.is_complete());
        }
    }
    if seen.refused.is_some() {
        // How much of a body was passed on before it turned out to be none depends on the pieces.
        seen.left.clear();
        seen.messages.last_mut().filter(|message| !message.complete).into_iter().for_each(|last| last.framed.clear());
    }
    seen
}

/// Takes a head from what is left; `None` when there is half of one.
fn start(
    seen: &mut Seen,
    parse: &mut impl FnMut(&[u8]) -> Result<Option<Head>, String>,
) -> Result<Option<Begun>, String> {
    let Some(Head { length, framing, written, last }) = parse(&seen.left)? else { return Ok(None) };
    assert!((1..=seen.left.len()).contains(&length), "a head of {length} bytes in {}", seen.left.len());
    seen.left.drain(..length);
    let body = Body::new(framing);
    let complete = body.is_complete();
    seen.messages.push(Message { framing, written, framed: Vec::new(), content: Vec::new(), complete });
    Ok(Some(Begun { body, last }))
}

/// Takes what is left as far as it belongs to a body.
fn advance(seen: &mut Seen, body: &mut Body) -> Result<(), String> {
    let Some(message) = seen.messages.last_mut() else { return Err("a body of no message".into()) };
    let before = message.content.len();
    let advanced = body.advance(&seen.left, |content| message.content.extend_from_slice(content));
    let advanced = advanced.map_err(|error| error.to_string())?;
    assert_eq!(message.content.len() - before, advanced.content);
    assert!(advanced.framed >= advanced.content && advanced.framed <= seen.left.len());
    assert_eq!(advanced.complete, body.is_complete());
    assert!(advanced.complete || advanced.framed == seen.left.len(), "bytes of a body were left");
    message.framed.extend(seen.left.drain(..advanced.framed));
    message.complete = advanced.complete;
    Ok(())
}

impl Seen {
    /// All that is passed on of messages that came wholly.
    pub(super) fn passed_on(&self) -> Vec<u8> {
        let complete = self.messages.iter().filter(|message| message.complete);
        complete.flat_map(|message| [&message.written[..], &message.framed]).flatten().copied().collect()
    }
}
