"""Serves gRPC on two ports of its own and calls by the xds:/// targets of standard input, one a line: answers with the
name of the server that answered, or with the status code. First it writes the two ports."""
import sys
from concurrent import futures

import grpc


def serve(name):
    def answer(request, context):
        return name

    handler = grpc.method_handlers_generic_handler("t.Who", {"Is": grpc.unary_unary_rpc_method_handler(answer)})
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


servers = [serve(b"one"), serve(b"two")]
print(*(port for _, port in servers), flush=True)
channels = {}
for line in sys.stdin:
    target = line.strip()
    channel = channels.setdefault(target, grpc.insecure_channel(target))
    try:
        print(channel.unary_unary("/t.Who/Is")(b"", timeout=10).decode(), flush=True)
    except grpc.RpcError as error:
        print(error.code().name, flush=True)
