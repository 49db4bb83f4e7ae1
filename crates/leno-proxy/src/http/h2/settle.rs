//! What came of a request: the answer of its endpoint, or our own.

use std::time::Duration;

use leno_engine::resilience::Failure;
use leno_http2::Code;
use tokio::time::timeout;

use super::{
    super::{decide::Routed, local_reply, reply::Reply, view::Http2 as View},
    exchange::Exchange,
    expiry::Expired,
    failure::{Broke, Failed},
    message,
};
use crate::error::{ErrorKind, ProxyError};

impl Exchange<'_> {
    /// Answers without an endpoint.
    pub(super) async fn answer(&mut self, reply: &Reply) {
        self.outcome.flags = reply.flags;
        self.outcome.delayed |= reply.delayed;
        self.outcome.detail.clone_from(&reply.detail);
        let view = View(self.head);
        let worded = local_reply::worded(reply, &self.connection, &self.manager, &mut self.outcome, &view);
        self.outcome.status = worded.status;
        let understood = message::understood(&worded, self.grpc);
        let sized = matches!(understood, std::borrow::Cow::Borrowed(_));
        let (caller, to_head) = (self.caller, self.head.method() == "HEAD");
        let body = understood.body.clone();
        if !to_head && !understood.is_bodiless() {
            self.outcome.response_bytes = body.len() as u64;
        }
        let said = async {
            // A caller that is gone cannot be told.
            match caller.send_reply(&understood, sized, to_head)? {
                true => caller.send(body, true).await,
                false => caller.flush().await,
            }
        };
        match self.manager.limits.stream_idle_timeout {
            Duration::ZERO => drop(said.await),
            time => drop(timeout(time, said).await),
        }
    }

    /// Answers a request that no endpoint answered.
    pub(super) async fn fail(&mut self, routed: &Routed, error: ProxyError, flags: impl Fn(ErrorKind) -> &'static str) {
        let flags = flags(error.kind);
        let reply = Reply { flags, ..Reply::from(error) };
        self.answer(&reply.edited(&routed.response_edits)).await;
    }

    /// What the outcome of passing everything on means. `arrived`: whether all of the request was there.
    pub(super) async fn settle(&mut self, result: Result<(), Broke>, arrived: bool) -> Result<(), Failed> {
        let broke = match result {
            Ok(()) => return Ok(()),
            Err(broke) => broke,
        };
        let begun = self.outcome.status != 0;
        let (flags, detail, reason) = match broke {
            Broke::CallerGone => {
                (ErrorKind::DownstreamClosed.flag(), "the caller reset the stream".to_owned(), Code::CANCEL)
            }
            Broke::Malformed if begun => {
                (ErrorKind::BadRequest.flag(), ErrorKind::BadRequest.doc().to_owned(), Code::PROTOCOL_ERROR)
            }
            Broke::Malformed => {
                self.answer(&Reply::from(ErrorKind::BadRequest)).await;
                return Ok(());
            }
            Broke::TooLarge if begun => {
                (ErrorKind::BodyTooLarge.flag(), ErrorKind::BodyTooLarge.doc().to_owned(), Code::CANCEL)
            }
            Broke::TooLarge => {
                self.answer(&Reply::from(ErrorKind::BodyTooLarge)).await;
                return Ok(());
            }
            Broke::Expired(why) if begun => {
                (why.kind().flag(), "the answer was not complete in time".to_owned(), Code::CANCEL)
            }
            Broke::Expired(why) => return self.expire(why, arrived).await,
            Broke::Status(status) => {
                let error = ProxyError::new(ErrorKind::UpstreamStatus, format!("answered with {status}"));
                return Err((Some(Failure::Answer(status)), error));
            }
            Broke::BadAnswer => {
                let text = "the head of the endpoint's answer is not legal, or larger than its cluster allows";
                return Err((Some(Failure::Reset), ProxyError::new(ErrorKind::UpstreamProtocol, text)));
            }
            Broke::Upstream(reason) if begun => {
                let detail = format!("the endpoint broke off its answer: {reason:?}");
                (ErrorKind::UpstreamReset.flag(), detail, reason.unwrap_or(Code::INTERNAL_ERROR))
            }
            Broke::Upstream(reason) => {
                let failure = if reason == Some(Code::REFUSED_STREAM) { Failure::NotProcessed } else { Failure::Reset };
                let text = match reason {
                    Some(reason) => format!("the endpoint reset the stream: {reason}"),
                    None => "the endpoint closed the connection".to_owned(),
                };
                return Err((Some(failure), ProxyError::new(ErrorKind::UpstreamReset, text)));
            }
        };
        (self.outcome.flags, self.outcome.detail) = (flags, detail);
        self.caller.reset(reason);
        Ok(())
    }

    /// A time was up before the answer began.
    async fn expire(&mut self, why: Expired, arrived: bool) -> Result<(), Failed> {
        match why {
            Expired::Arrival => {
                let error = ProxyError::new(ErrorKind::RequestTimeout, "the request did not arrive in time");
                self.answer(&Reply::from(error)).await;
                Ok(())
            }
            Expired::Longest => {
                let late = ErrorKind::StreamDuration;
                self.answer(&Reply::from(late).unless_arrived(arrived)).await;
                Ok(())
            }
            Expired::LongestTry => {
                let error = ProxyError::new(Expired::LongestTry.kind(), "the endpoint took longer than streams may");
                Err((Some(Failure::Reset), error))
            }
            Expired::PerTry => {
                let error = ProxyError::new(ErrorKind::UpstreamTimeout, "no answer in the time of an attempt");
                Err((Some(Failure::PerTryTimeout), error))
            }
            Expired::Route | Expired::RequestIdle | Expired::AnswerIdle => {
                Err((None, ProxyError::new(why.kind(), "the endpoint did not answer in time")))
            }
        }
    }
}
