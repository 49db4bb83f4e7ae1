//! Equal messages, equal bytes.
//!
//! prost keeps protobuf maps in hash maps and so encodes their entries in any order. A resource whose bytes change
//! though nothing changed would be sent again, so the entries of the maps that we fill are sorted after encoding.

use leno_proto::google::protobuf::Any;
use prost::{
    Message, Name,
    encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint},
};

/// Where maps are inside a message, by field number.
pub(crate) enum Shape {
    /// A message (or several) that has maps somewhere inside.
    Inside(u32, &'static [Self]),
    /// A map, whose values may have maps inside.
    Map(u32, &'static [Self]),
}

/// `google.protobuf.Struct.fields`; nested structs are not used.
const STRUCT: &[Shape] = &[Shape::Map(1, &[])];
/// `ClusterLoadAssignment.endpoints[].lb_endpoints[].metadata.filter_metadata`. (A map's value is field 2 of its entry.)
pub(crate) const ASSIGNMENT: &[Shape] =
    &[Shape::Inside(2, &[Shape::Inside(2, &[Shape::Inside(3, &[Shape::Map(1, &[Shape::Inside(2, STRUCT)])])])])];
/// `Cluster.load_assignment`.
pub(crate) const CLUSTER: &[Shape] = &[Shape::Inside(33, ASSIGNMENT)];
/// `envoy.extensions.filters.{http,network}.rbac.v3.RBAC.{rules,shadow_rules}.policies`.
pub(crate) const RBAC: &[Shape] = &[Shape::Inside(1, &[Shape::Map(2, &[])]), Shape::Inside(2, &[Shape::Map(2, &[])])];

/// `RouteConfiguration.virtual_hosts[].routes[].typed_per_filter_config`.
pub(crate) const ROUTES: &[Shape] = &[Shape::Inside(2, &[Shape::Inside(3, &[Shape::Map(13, &[])])])];

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication.providers`.
pub(crate) const TOKENS: &[Shape] = &[Shape::Map(1, &[])];

/// Packs a message with the maps of this shape sorted.
pub(crate) fn pack<M: Message + Name>(message: &M, shape: &[Shape]) -> Any {
    let bytes = message.encode_to_vec();
    // What prost encoded can be read back, so the fallback never happens; it would only cost the order.
    let value = sorted(&bytes, shape).unwrap_or(bytes);
    Any { type_url: M::type_url(), value }
}

fn sorted(bytes: &[u8], shape: &[Shape]) -> Option<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (field, after) = split_field(rest, shape)?;
        fields.push(field);
        rest = after;
    }
    // prost writes the entries of a map together and fields by number, so a stable sort moves nothing else.
    fields.sort_by(|a, b| match (a.map_entry, b.map_entry) {
        (Some(x), Some(y)) if x == y => a.bytes.cmp(&b.bytes),
        _ => std::cmp::Ordering::Equal,
    });
    Some(fields.into_iter().flat_map(|field| field.bytes).collect())
}

/// One encoded field, and the map that it is an entry of.
struct Field {
    map_entry: Option<u32>,
    bytes: Vec<u8>,
}

fn split_field<'a>(bytes: &'a [u8], shape: &[Shape]) -> Option<(Field, &'a [u8])> {
    let mut rest = bytes;
    let (tag, wire_type) = decode_key(&mut rest).ok()?;
    let length = match wire_type {
        WireType::Varint => {
            decode_varint(&mut rest).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(&mut rest).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let found = shape.iter().find(|shape| match shape {
        Shape::Inside(field, _) | Shape::Map(field, _) => *field == tag,
    });
    let (map_entry, inner) = match found {
        Some(Shape::Inside(_, inner)) => (None, *inner),
        Some(Shape::Map(field, inner)) => (Some(*field), *inner),
        None => (None, &[][..]),
    };
    let bytes = if inner.is_empty() {
        bytes.get(..bytes.len() - after.len())?.to_vec()
    } else {
        let content = sorted(content, inner)?;
        let mut field = Vec::with_capacity(content.len() + 8);
        encode_key(tag, wire_type, &mut field);
        encode_varint(content.len() as u64, &mut field);
        field.extend(content);
        field
    };
    Some((Field { map_entry, bytes }, after))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use leno_proto::{
        any,
        google::protobuf::{Struct, Value, value},
        v3::{core, endpoint, http_rbac, rbac, route},
    };

    use super::*;

    fn words() -> impl Iterator<Item = String> {
        (0..20).map(|n| format!("word-{n}"))
    }

    #[test]
    fn maps_are_encoded_in_one_order_and_nothing_is_lost() {
        let message = || {
            let fields = |word: &String| {
                let kind = Some(value::Kind::StringValue(word.clone()));
                (word.clone(), Value { kind })
            };
            let structs = |word: String| (word, Struct { fields: words().map(|w| fields(&w)).collect() });
            let filter_metadata: HashMap<_, _> = words().map(structs).collect();
            let metadata = core::Metadata { filter_metadata, ..Default::default() };
            let lb = endpoint::LbEndpoint { metadata: Some(metadata), ..Default::default() };
            endpoint::ClusterLoadAssignment {
                cluster_name: "cluster".into(),
                endpoints: vec![
                    endpoint::LocalityLbEndpoints {
                        lb_endpoints: vec![lb.clone(), lb],
                        priority: 1,
                        ..Default::default()
                    };
                    2
                ],
                ..Default::default()
            }
        };
        let (one, two) = (pack(&message(), ASSIGNMENT), pack(&message(), ASSIGNMENT));
        assert!(one == two);
        assert_eq!(any::unpack::<endpoint::ClusterLoadAssignment>(&one).unwrap(), message());
    }

    #[test]
    fn what_routes_say_for_filters_is_encoded_in_one_order() {
        let message = || {
            let said = words().map(|word| (word, any::pack(&core::Metadata::default()))).collect();
            let route = route::Route { name: "one".into(), typed_per_filter_config: said, ..Default::default() };
            let host = route::VirtualHost { routes: vec![route.clone(), route], ..Default::default() };
            route::RouteConfiguration { virtual_hosts: vec![host], ..Default::default() }
        };
        let (one, two) = (pack(&message(), ROUTES), pack(&message(), ROUTES));
        assert!(one == two);
        assert_eq!(any::unpack::<route::RouteConfiguration>(&one).unwrap(), message());
    }

    #[test]
    fn policies_are_encoded_in_one_order() {
        let message = || http_rbac::Rbac {
            rules: Some(rbac::Rbac {
                policies: words().map(|word| (word, rbac::Policy::default())).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let (one, two) = (pack(&message(), RBAC), pack(&message(), RBAC));
        assert!(one == two);
        assert_eq!(any::unpack::<http_rbac::Rbac>(&one).unwrap(), message());
    }
}
