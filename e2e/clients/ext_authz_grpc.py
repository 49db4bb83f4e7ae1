"""An authorizer of Envoy's protocol (envoy.service.auth.v3) on grpcio: it lets in whom x-user calls root, and nobody else.

The messages are few enough to be read and written by hand.
"""

import sys
from concurrent import futures

import grpc


def field(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def header(key, value):
    return field(1, field(1, key) + field(2, value))


def check(request, _):
    # Headers come as the entries of a map: key and value, each behind its length.
    if field(1, b"x-user") + field(2, b"root") in request:
        body = b"told" if b"a secret body" in request else b"none"
        said = field(2, header(b"x-role", b"admin")) + field(2, header(b"x-body", body))
        return field(1, b"") + field(3, said)
    status = b"\x08\x07"  # PERMISSION_DENIED
    refused = field(1, b"\x08\x91\x03") + field(3, b"who are you?")  # 401
    return field(1, status) + field(2, refused)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
handler = grpc.unary_unary_rpc_method_handler(check)
service = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": handler})
server.add_generic_rpc_handlers((service,))
server.add_insecure_port(f"0.0.0.0:{sys.argv[1]}")
server.start()
server.wait_for_termination()
