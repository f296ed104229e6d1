"""Answers TF Serving's clients over gRPC and REST, where its binary cannot be had.

    python -m examples.prediction_server --name=digits --path=served/digits

It is a stand-in for one model on one machine, without batching or reloading, and needs the extra
`serving`. The ports are TF Serving's own: 8500 for gRPC, 8501 for REST.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable
from concurrent import futures
from http import server as http
from typing import Any

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from examples import rest
from examples.served_model import RequestError, ServedModel

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC service: `Predict` and `GetModelMetadata`."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Calls a signature."""
        return _answered(context, lambda: self._model.predict(request))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Describes the signatures."""
        return _answered(context, lambda: self._model.metadata(request.model_spec.name))


def _answered(context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
    try:
        return answer()
    except RequestError as error:
        context.abort(grpc_status(error), str(error))


def grpc_status(error: RequestError) -> grpc.StatusCode:
    """The status of a refusal."""
    return {status.value[0]: status for status in grpc.StatusCode}[error.code]


def rest_handler(model: ServedModel) -> type[http.BaseHTTPRequestHandler]:
    """The handler of REST requests."""

    class Handler(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._respond(*rest.answer(model, "GET", self.path, b""))

        def do_POST(self) -> None:
            try:
                size = rest.body_bytes(self.headers.get("Content-Length"))
            except RequestError as error:
                self.close_connection = True  # where the next request begins is not known
                self._respond(*rest.refusal(error))
                return
            self._respond(*rest.answer(model, "POST", self.path, self.rfile.read(size)))

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
            """Keeps quiet."""

    return Handler


def start(
    model: ServedModel, *, port: int, rest_port: int, threads: int = 8
) -> tuple[grpc.Server, int, int]:
    """Starts both servers on the loopback interface.

    Args:
        model: what is served.
        port: of gRPC, 0 for any.
        rest_port: of REST, 0 for any.
        threads: that answer gRPC requests at the same time.

    Returns:
        The gRPC server, its port, and that of REST.
    """
    executor = futures.ThreadPoolExecutor(threads)
    server = grpc.server(executor, options=UNLIMITED)
    service = PredictionService(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    web = http.ThreadingHTTPServer(("127.0.0.1", rest_port), rest_handler(model))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return server, bound, web.server_address[1]


def main() -> None:
    """Serves until it is interrupted."""
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
