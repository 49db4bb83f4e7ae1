//! Questions to answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, CNAME, PTR, SOA, SRV},
    },
};

use super::zone::{Data, Found, Zone};
use crate::sandbox::{CLUSTER_DOMAIN, DNS};

/// How long an answer may be kept, in seconds: pods come and go.
const TTL: u32 = 5;
/// How many aliases are followed.
const ALIASES: usize = 4;
/// The largest answer over UDP, whatever the asker says it can take.
const LARGEST_DATAGRAM: u16 = 1232;

/// What became of a question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answer.
    Answer(Message),
    /// Someone else must be asked about this name; `so_far` is the answer up to there (aliases).
    Ask { name: Name, so_far: Message },
}

/// Answers what the mesh knows.
#[derive(Debug, Default)]
pub(super) struct Responder {
    /// Where lists start, so that instances take turns.
    turn: AtomicUsize,
}

impl Responder {
    /// What the zone says to the question.
    pub(super) fn respond(&self, zone: &Zone, request: &Message) -> Outcome {
        let mut response = reply(request);
        if request.metadata.op_code != OpCode::Query {
            response.metadata.response_code = ResponseCode::NotImp;
            return Outcome::Answer(response);
        }
        let [query] = request.queries.as_slice() else {
            response.metadata.response_code = ResponseCode::FormErr;
            return Outcome::Answer(response);
        };
        let mut name = query.name().clone();
        for _ in 0..ALIASES {
            match zone.find(&text(&name)) {
                Found::Elsewhere => {
                    let so_far = response;
                    return Outcome::Ask { name, so_far };
                }
                Found::NoName => {
                    response.metadata.response_code = ResponseCode::NXDomain;
                    return Outcome::Answer(negative(response));
                }
                Found::Name(data) => {
                    if let Some(target) = self.add(&mut response, zone, &name, query, &data) {
                        name = target;
                        continue;
                    }
                    let answered = !response.answers.is_empty();
                    return Outcome::Answer(if answered { response } else { negative(response) });
                }
            }
        }
        response.metadata.response_code = ResponseCode::ServFail;
        Outcome::Answer(response)
    }

    /// Adds what was asked for; an alias to follow, if that is what the name is.
    fn add(&self, response: &mut Message, zone: &Zone, name: &Name, query: &Query, data: &[Data]) -> Option<Name> {
        response.metadata.authoritative = true;
        let wanted = query.query_type();
        if let [Data::Alias(target)] = data {
            let target = Name::from_ascii(format!("{target}.")).ok()?;
            let alias = RData::CNAME(CNAME(target.clone()));
            response.add_answer(Record::from_rdata(name.clone(), TTL, alias));
            let follow = wanted != RecordType::CNAME && wanted != RecordType::ANY;
            return follow.then_some(target);
        }
        let mut found: Vec<RData> = data.iter().filter_map(record_data).collect();
        found.retain(|data| wanted == RecordType::ANY || data.record_type() == wanted);
        if !found.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % found.len();
            found.rotate_left(turn);
        }
        for target in found.iter().filter_map(srv_target) {
            add_addresses(response, zone, target);
        }
        for data in found {
            response.add_answer(Record::from_rdata(name.clone(), TTL, data));
        }
        None
    }
}

/// The asker is spared the next question.
fn add_addresses(response: &mut Message, zone: &Zone, target: &Name) {
    let Found::Name(data) = zone.find(&text(target)) else {
        return;
    };
    for data in data.iter().filter_map(record_data) {
        if data.record_type() == RecordType::A {
            let record = Record::from_rdata(target.clone(), TTL, data);
            if !response.additionals.contains(&record) {
                response.add_additional(record);
            }
        }
    }
}

fn srv_target(data: &RData) -> Option<&Name> {
    match data {
        RData::SRV(srv) => Some(&srv.target),
        _ => None,
    }
}

fn record_data(data: &Data) -> Option<RData> {
    let name = |name: &str| Name::from_ascii(format!("{name}.")).ok();
    Some(match data {
        Data::Address(address) => RData::A(A(*address)),
        Data::Service { port, target } => RData::SRV(SRV::new(0, 100, *port, name(target)?)),
        Data::Pointer(target) => RData::PTR(PTR(name(target)?)),
        Data::Alias(target) => RData::CNAME(CNAME(name(target)?)),
    })
}

/// A name as the zone has names.
fn text(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// An empty answer to a question.
pub(super) fn reply(request: &Message) -> Message {
    let id = request.metadata.id;
    let mut response = Message::new(id, MessageType::Response, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.metadata.recursion_available = true;
    response.add_queries(request.queries.iter().cloned());
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGEST_DATAGRAM);
        response.set_edns(edns);
    }
    response
}

/// That the answer is "nothing" may be kept as well, for as long as the zone's SOA says.
fn negative(mut response: Message) -> Message {
    response.metadata.authoritative = true;
    let soa = Name::from_ascii(format!("{CLUSTER_DOMAIN}.")).and_then(|zone| {
        let server = Name::from_ascii(format!("ns.dns.{CLUSTER_DOMAIN}."))?;
        let person = Name::from_ascii(format!("hostmaster.{CLUSTER_DOMAIN}."))?;
        let soa = SOA::new(server, person, 1, 7200, 1800, 86400, TTL);
        Ok(Record::from_rdata(zone, TTL, RData::SOA(soa)))
    });
    if let Ok(soa) = soa {
        response.add_authority(soa);
    }
    response
}

/// The question about a name that someone else is to be asked.
pub(super) fn question(request: &Message, name: Name) -> Message {
    let mut question = Message::new(request.metadata.id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    let wanted = request.queries.first().map_or(RecordType::A, Query::query_type);
    question.add_query(Query::query(name, wanted));
    question
}

/// The bytes for UDP: what is too long is left out, and the asker told to come by TCP.
pub(super) fn datagram(request: &Message, response: &Message) -> Option<Vec<u8>> {
    let bytes = response.to_vec().ok()?;
    let limit = request.max_payload().min(LARGEST_DATAGRAM);
    if bytes.len() <= usize::from(limit) {
        return Some(bytes);
    }
    response.truncate().to_vec().ok()
}

/// Where the DNS server is.
pub(super) const ADDRESS: (std::net::Ipv4Addr, u16) = (DNS, 53);
