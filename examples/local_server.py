"""A server in a process of its own on this machine, and calls to it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_FOLDER = pathlib.Path(__file__).resolve().parents[1]
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        process: its process.
        port: of gRPC.
        rest_port: of REST.
    """

    process: subprocess.Popen[str]
    port: int
    rest_port: int

    def resident_bytes(self) -> int:
        """Memory that the server's process holds (Linux)."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[Server]:
    """Starts a server, and ends it with the block.

    Args:
        module: one that prints its ports as JSON once it serves.
        *arguments: of its command line.

    Raises:
        RuntimeError: if it ends before it serves.
    """
    # Ray would write a token into the home folder.
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=_FOLDER, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ports = next((line for line in process.stdout or () if line.startswith("{")), None)
            if ports is None:
                raise RuntimeError(f"{module} was expected to serve. Received: it ended")
            yield Server(process, **json.loads(ports))
        finally:
            process.terminate()


def stub(port: int) -> prediction_service_pb2_grpc.PredictionServiceStub:
    """TF Serving's own client of a server on this machine."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_UNLIMITED)
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict(
    service: Any, model: str, signature: str, inputs: Mapping[str, Any], timeout: float = 300
) -> dict[str, np.ndarray]:
    """Calls a signature.

    Args:
        service: from `stub`.
        model: its name.
        signature: its name.
        inputs: values by name, or tensor protos.
        timeout: in seconds.

    Raises:
        grpc.RpcError: if it is refused.
    """
    protos = {
        name: value if hasattr(value, "tensor_shape") else tf.make_tensor_proto(value)
        for name, value in inputs.items()
    }
    spec = {"name": model, "signature_name": signature}
    request = predict_pb2.PredictRequest(model_spec=spec, inputs=protos)
    outputs = service.Predict(request, timeout=timeout).outputs
    return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}
