"""Calls the echo service by gRPC, unary and streaming both ways; fails unless everything comes back."""
import sys
import threading

import grpc

channel = grpc.insecure_channel(sys.argv[1])
same = lambda data: data


def unary():
    call = channel.unary_unary("/echo.Echo/Unary", request_serializer=same, response_deserializer=same)
    answer, state = call.with_call(b"hello", metadata=[("x-echo", "kept")], timeout=10)
    assert answer == b"hello", answer
    assert dict(state.initial_metadata()).get("x-echo") == "kept", state.initial_metadata()
    assert dict(state.trailing_metadata()).get("x-echo-trailer") == "end", state.trailing_metadata()


def status():
    call = channel.unary_unary("/echo.Echo/Unary", request_serializer=same, response_deserializer=same)
    try:
        call(b"hello", metadata=[("x-grpc-status", "5")], timeout=10)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("status 5 was asked for")


def streaming():
    """Each message is sent only when the one before has come back: both directions are open at once."""
    turn = threading.Semaphore(1)

    def messages():
        for number in range(50):
            turn.acquire()
            yield b"%d" % number * (1 + number * 100)

    call = channel.stream_stream("/echo.Echo/Stream", request_serializer=same, response_deserializer=same)
    count = 0
    for answer in call(messages(), timeout=20):
        assert answer == b"%d" % count * (1 + count * 100), (count, len(answer))
        count += 1
        turn.release()
    assert count == 50, count


unary()
status()
streaming()
