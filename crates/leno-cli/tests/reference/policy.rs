//! `trafficpolicy.md`, `accesspolicy.md`, `egresspolicy.md`.

use leno_manifest::leno::{AccessPolicy, EgressPolicy, TrafficPolicy};
use leno_source::AttachmentReason;
use schemars::{JsonSchema, generate::SchemaSettings};

use crate::{
    page::{Table, code},
    schema::{self, Defaults},
};

const HEAD: &str = "# TrafficPolicy

How clients talk to a service, and how much of it a server takes. It is attached to Services of its own namespace
(`targetRefs`), to one port of them by `sectionName`, or to routes of the Gateway API (`group: gateway.networking.k8s.io`,
kind `HTTPRoute`, `GRPCRoute`, `TCPRoute` or `TLSRoute`), to one rule of them by its name (`sectionName`). It takes effect
on running sidecars at once.

```yaml
apiVersion: policy.leno.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: cart, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart, sectionName: http }]
  retries: { attempts: 3, on: [gateway-error, reset], budget: { percent: 20 } }
  timeouts: { request: 5s }
  outlierDetection: { consecutive5xx: 5, baseEjectionTime: 30s }
```

";

const ORDER: &str = "
## What may be said of routes

What is decided where a rule is chosen, at the caller's sidecar:

| route | sections |
| --- | --- |
| HTTPRoute, GRPCRoute | `retries` (without `budget` and `maxParallel`), `timeouts.request`, `timeouts.idle`, `mirror`, `fault`, `localRateLimit.http` (without `routes`), `globalRateLimit` |
| TCPRoute, TLSRoute | `timeouts.idle`, `localRateLimit.tcp` |

Everything else is about endpoints or servers and is refused with the manifest. Limits of a route count what callers send by
it: `localRateLimit` at each caller's sidecar by itself, `globalRateLimit` of all callers together, where a service counts
(they ask it, and have to be let in there). The control plane counts for those who ask: the callers of each namespace
together, so that none uses up what another may send. Limits that servers have hold besides. What a rule says itself (its
`timeouts`, `retry`) comes before every policy. HTTPRouteGroups of SMI cannot be named: access rules use the same ones, and
there a setting of clients would mean nothing; write an HTTPRoute instead.

## Several policies of one service

Each section (`retries`, `timeouts`, …) is taken from the first of these that has it:

1. what is said of a route, before what is said of the service whose requests it routes;
2. of these: what is said of one rule, or port, before what is said of all;
3. of these: what is said `from` some callers, before what is said for all;
4. of these: the older object (`metadata.creationTimestamp`), then the first by namespace and name.

Two policies with the same section for exactly the same part of the same target and the same callers are in conflict: the one
that comes later by rule 4 is not in force for that target at all. A BackendTLSPolicy takes part as a policy that says `tls`.

## TLS of endpoints

| `tls.mode` | endpoints with a sidecar | the others |
| --- | --- | --- |
| not given | mesh TLS | plaintext |
| `Disable` | plaintext, which `mtls: Strict` refuses | plaintext |
| `Mutual` | mesh TLS | no connection (503) |
| `Simple` | mesh TLS | TLS of their own, verified; the application speaks plaintext to its sidecar |

Certificates of `caCertificateRefs` are read from the objects of the moment: who changes one changes whom new connections
believe. Where none is to be had, no connection is made. The same holds for a `clientCertificate` of a Secret. Its key goes to the
sidecars of those whom the policy names in `from`, and only if the Secret says `leno.dev/client-certificate: enabled`; an Envoy without an identity of the mesh gets none, and has
none to show by `Identity`: it makes no connection. [How it is done](../tasks/tls-origination.md).

## Where it is enforced

For Services, `localRateLimit` and `maxInboundConnections` at the server's sidecar, by each pod for itself; `globalRateLimit`
there too, where each request is counted by the control plane or the service for all pods together; everything else at the
sidecars of those who call, by each for itself. Callers that dial a pod's own address (headless services) have the timeouts, limits,
retries and faults of the first service, by name, that leads to the port. A split service's clients follow the timeouts,
retries and faults of the service they call, and the balancers, limits, outlier detection and health checks of the
backends.

## Status

`leno get trafficpolicies` shows for each target (`status.ancestors`) the condition `Accepted` with one of these reasons:

";

const ACCESS_HEAD: &str = "# AccessPolicy

Who may call whom, beyond what SMI's TrafficTarget can say: deny, audit, ask a service, try out; by identity, namespace, service account,
address, token (JWT); by port, method, path, header. It protects the pods behind Services (`targetRefs`), or those of a `selector`, or
all pods of its namespace, and is enforced by their sidecars, at once.

```yaml
apiVersion: policy.leno.dev/v1alpha1
kind: AccessPolicy
metadata: { name: no-admin, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  action: Deny
  rules:
    - from: [{ namespaces: [front] }]
      to: [{ path: { prefix: /admin } }]
```

";

const ACCESS_ORDER: &str = "
## How policies and TrafficTargets are judged together

1. What a policy with `action: Deny` fits is refused (403; connections of bytes are closed), whatever allows it.
2. What a policy with `action: Audit` fits is told: the line `audited` in the sidecar's log, and `leno_audited_total`.
3. About what a policy with `action: External` fits the service in `external` is asked, which may refuse it, or change it
   ([how](../tasks/external-authorization.md)); connections of bytes are closed, as nobody can be asked about them.
4. Where the target is closed, what no TrafficTarget and no policy with `action: Allow` fits is refused. A target is closed
   where `defaultAccess` of [MeshConfig](meshconfig.md) is `Deny`, and where a policy with `action: Allow` speaks of it.
   (TrafficTargets alone do not close anything while `defaultAccess` is `Allow`.)

`dryRun: true` refuses nothing: what it would refuse is told by the line `denied` with `enforced=false` and by
`leno_shadow_denied_total`.

Connections of bytes have no method, path or headers: a rule that asks for these does not fit them, except that one of
`Deny` or `External` refuses them as a whole. The same holds for what claims to be bytes on a port whose protocol is found out.

The refused hear by whom (`x-leno-denied-by: AccessPolicy shop/no-admin`).
";

const EGRESS_HEAD: &str = "# EgressPolicy

What pods of its namespace may reach outside of the mesh, where `outboundPolicy` of [MeshConfig](meshconfig.md) is
`RegistryOnly`, and how. Where it is `AllowAny` everything may be reached, and a policy only adds retries, timeouts, limits and TLS.

```yaml
apiVersion: policy.leno.dev/v1alpha1
kind: EgressPolicy
metadata: { name: pay, namespace: shop }
spec:
  serviceAccounts: [cart]
  hosts: [api.pay.example, \"*.pay.example\"]
  ports: [{ number: 443, protocol: TLS }]
```

";

const EGRESS_ORDER: &str = "
A connection goes to the address that the application dialled; what it says of the host is taken at its word. Name
`ipBlocks` as well where an application must not be able to reach others under an allowed name.

| port of | what decides | what is refused |
| --- | --- | --- |
| `HTTP` | the `host` of each request, `matches`, `ipBlocks` | 403, `leno_denied_total{reason=\"access_denied\"}` |
| `TLS` | the name in the ClientHello (SNI), `ipBlocks` | closed, `leno_denied_total{reason=\"unknown_destination\"}` |
| `TCP` | `ipBlocks` | closed, `leno_denied_total{reason=\"unknown_destination\"}` |

`tls` has the sidecar speak TLS where the application speaks plaintext (HTTP, or bytes), to the same address and to `tls.port`;
the certificate is verified. Where its roots, or the Secret of its `clientCertificate`, are not there, no connection is made. It
holds where `outboundPolicy` is `AllowAny` as well, and for a host whatever `matches` lets through. Of policies for the same host and
port one with `tls` comes before those without; a policy without that names a host more exactly decides for it, and is told so.
What is missing is told by `leno validate`, and in the control plane's log.

Of several policies that let the same through, the first by name decides on retries, timeouts, limits and TLS. Where a policy of
the port names the address, only those that do have a say.
";

/// `trafficpolicy.md`.
pub(crate) fn traffic() -> String {
    let table = fields::<TrafficPolicy>();
    let mut reasons = Table::new(&["reason", "meaning", "what to do"]);
    for reason in AttachmentReason::ALL {
        let (meaning, remedy) = reason.explained();
        reasons.row(&[&code(reason.as_str()), meaning, remedy]);
    }
    format!("{HEAD}{}{ORDER}{}", table.markdown(), reasons.markdown())
}

/// `accesspolicy.md`.
pub(crate) fn access() -> String {
    format!("{ACCESS_HEAD}{}{ACCESS_ORDER}", fields::<AccessPolicy>().markdown())
}

/// `egresspolicy.md`.
pub(crate) fn egress() -> String {
    format!("{EGRESS_HEAD}{}{EGRESS_ORDER}", fields::<EgressPolicy>().markdown())
}

/// The fields of a kind's `spec`.
fn fields<T: JsonSchema>() -> Table {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut table = Table::new(&["field of `spec`", "type", "default", "what it does"]);
    schema::rows(&mut table, "", &schema.as_value()["properties"]["spec"], Defaults::AreTold);
    table
}
