"""Makes one unary call and prints the name of the status that it ended with."""
import sys

import grpc

same = lambda data: data
channel = grpc.insecure_channel(sys.argv[1])
call = channel.unary_unary("/echo.Echo/Unary", request_serializer=same, response_deserializer=same)
try:
    assert call(b"hello", timeout=10) == b"hello"
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
