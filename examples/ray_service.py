"""Answers TF Serving's clients with Ray Serve, on all machines of a cluster behind one address.

    python -m examples.ray_service --name=digits --path=served/digits --replicas=4

Joins a running Ray cluster, or starts a cluster on this machine. Clients need no changes between TF
Serving and this service. The client keeps the state of each stream, so any replica can continue any
stream. The folder of versions must be readable under its path on all machines. The service needs
the extra `serving`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from typing import Any

# Ray's proxies import TensorFlow along with the messages, which can exceed Ray's default limit.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")

import ray
from google.protobuf.message import Message
from ray import serve
from ray.serve.config import HTTPOptions, gRPCOptions
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import JSONResponse
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from examples import rest
from examples.prediction_server import grpc_status
from examples.served_model import RequestError, ServedModel

_SERVICE = "tensorflow_serving.apis.prediction_service_pb2_grpc"


class PredictionService:
    """Answers gRPC and REST requests in one replica, a process with the model."""

    def __init__(self, name: str, path: str) -> None:
        self._model = ServedModel(name, path)

    async def Predict(  # noqa: N802
        self, request: predict_pb2.PredictRequest, grpc_context: RayServegRPCContext
    ) -> Message:
        """Answers a request with the outputs of a signature."""
        return await _answered(
            grpc_context, predict_pb2.PredictResponse(), self._model.predict, request
        )

    async def GetModelMetadata(  # noqa: N802
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        grpc_context: RayServegRPCContext,
    ) -> Message:
        """Answers a request with the description of all signatures."""
        nothing = get_model_metadata_pb2.GetModelMetadataResponse()
        name = request.model_spec.name
        return await _answered(grpc_context, nothing, self._model.metadata, name)

    async def __call__(self, request: Request) -> JSONResponse:
        """Answers a REST request."""
        given = (self._model, request.method, request.url.path, await request.body())
        code, content = await asyncio.to_thread(rest.answer, *given)
        return JSONResponse(content, status_code=code)


async def _answered(
    context: RayServegRPCContext, nothing: Message, answer: Any, request: Any
) -> Message:
    try:
        return await asyncio.to_thread(answer, request)
    except RequestError as error:
        context.set_code(grpc_status(error))
        context.set_details(str(error))
        return nothing


def main() -> None:
    """Serves a model until the process is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--host", default="127.0.0.1", help="address that REST listens on")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--rest_port", type=int, default=8501)
    parser.add_argument("--replicas", type=int, default=1)
    flags = parser.parse_args()
    ray.init(address=None, include_dashboard=False, ignore_reinit_error=True)
    functions = [f"{_SERVICE}.add_PredictionServiceServicer_to_server"]
    serve.start(
        http_options=HTTPOptions(host=flags.host, port=flags.rest_port),
        grpc_options=gRPCOptions(port=flags.port, grpc_servicer_functions=functions),
    )
    deployment = serve.deployment(PredictionService, num_replicas=flags.replicas)
    serve.run(deployment.bind(flags.name, flags.path), name=flags.name, route_prefix="/")
    print(json.dumps({"port": flags.port, "rest_port": flags.rest_port}), flush=True)
    signal.sigwait([signal.SIGINT, signal.SIGTERM])
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
