"""Answers TF Serving's clients over gRPC and REST, where TF Serving itself is not available.

    python -m examples.prediction_server --name=digits --path=served/digits

The server replaces TF Serving for one model on one machine, without batching or reloading. It needs
the extra `serving`. The default ports are the ports of TF Serving: 8500 for gRPC, 8501 for REST.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from http import server as http
from typing import Any

import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from examples import rest
from examples.served_model import Cancellation, RequestError, ServedModel

# A client that says nothing for so long is disconnected.
IDLE_SECONDS = 60
_WATCH_SECONDS = 0.5


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Implements the gRPC methods `Predict` and `GetModelMetadata`."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers a request with the outputs of a signature."""
        cancellation = Cancellation()
        if not context.add_callback(cancellation.start_cancel):
            return predict_pb2.PredictResponse()  # the client has gone while the request waited
        return _answered(context, lambda: self._model.predict(request, cancellation))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers a request with the description of all signatures."""
        return _answered(context, lambda: self._model.metadata(request.model_spec.name))


def _answered(context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
    try:
        return answer()
    except RequestError as error:
        context.abort(grpc_status(error), str(error))


def grpc_status(error: RequestError) -> grpc.StatusCode:
    """Returns the gRPC status of a refused request."""
    return {status.value[0]: status for status in grpc.StatusCode}[error.code]


class WebServer(http.ThreadingHTTPServer):
    """Serves REST, and is silent about clients that disconnect."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints the traceback of an error, unless it says that the client has gone."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def rest_handler(
    model: ServedModel, *, threads: int = 8, idle_seconds: float = IDLE_SECONDS
) -> type[http.BaseHTTPRequestHandler]:
    """Creates the class that handles REST requests to a model.

    Args:
        model: the model to serve.
        threads: number of requests that are computed at a time.
        idle_seconds: time after which a client that says nothing is disconnected.
    """
    most_bytes, free = model.most_bytes, threading.BoundedSemaphore(threads)

    class Handler(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = idle_seconds

        def do_GET(self) -> None:
            self._respond(*rest.answer(model, "GET", self.path, b""))

        def do_POST(self) -> None:
            try:
                size = rest.body_bytes(self.headers.get("Content-Length"), most_bytes)
            except RequestError as error:
                self.close_connection = True  # the start of the next request is unknown
                self._respond(*rest.refusal(error))
                return
            body, cancellation = self.rfile.read(size), Cancellation()
            if len(body) < size:
                self.close_connection = True  # the client has gone
                return
            with _while_connected(self.connection, cancellation), free:
                answer = rest.answer(model, "POST", self.path, body, cancellation)
            self._respond(*answer)

        def _respond(self, code: int, content: dict[str, Any]) -> None:
            encoded = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *arguments: Any) -> None:
            """Suppresses the log of requests."""

    return Handler


@contextlib.contextmanager
def _while_connected(client: socket.socket, cancellation: Cancellation) -> Iterator[None]:
    """Ends the computation in the block when the client disconnects."""
    done = threading.Event()

    def watch() -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            while not done.wait(_WATCH_SECONDS):
                if selector.select(0) and _is_gone(client):
                    cancellation.start_cancel()
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _is_gone(client: socket.socket) -> bool:
    """Tells whether a connection that can be read from is at its end."""
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except OSError as error:
        return not isinstance(error, (BlockingIOError, TimeoutError))


def start(
    model: ServedModel, *, port: int, rest_port: int, threads: int = 8
) -> tuple[grpc.Server, int, int]:
    """Starts both servers on the loopback interface.

    Args:
        model: the model to serve.
        port: int >= 0, port of gRPC. If 0, any free port.
        rest_port: int >= 0, port of REST. If 0, any free port.
        threads: int > 0, number of gRPC requests that are answered concurrently. Defaults to 8.

    Returns:
        The gRPC server, the gRPC port, and the REST port.
    """
    executor = futures.ThreadPoolExecutor(threads)
    limits = [
        ("grpc.max_receive_message_length", min(model.most_bytes, 2**31 - 1)),
        ("grpc.max_send_message_length", -1),
    ]
    server = grpc.server(executor, options=limits)
    service = PredictionService(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    web = WebServer(("127.0.0.1", rest_port), rest_handler(model, threads=threads))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return server, bound, web.server_address[1]


def main() -> None:
    """Serves a model until the process is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--rest_port", type=int, default=8501)
    flags = parser.parse_args()
    model = ServedModel(flags.name, flags.path)
    server, port, rest_port = start(model, port=flags.port, rest_port=flags.rest_port)
    print(json.dumps({"port": port, "rest_port": rest_port}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
