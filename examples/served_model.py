"""Requests of TF Serving's PredictionService to an exported model, independent of a transport."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.eager.cancellation import CancellationManager as Cancellation
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

DEFAULT_SIGNATURE = "serving_default"
# Limits of models that were exported before they were written beside the model.
_LIMITS = {"batch": 64, "total_samples": 2**22}
# Elements that a message may stand for beyond its own bytes, since it may give one value for all.
_SPARE_ELEMENTS = 2**20
_SPARE_BYTES = 2**26
# A number in a message: 4 bytes over gRPC, as text over REST.
_BYTES_PER_ELEMENT = 32
_MOST_SHOWN = 20


class RequestError(Exception):
    """Signals a request that cannot be answered.

    Attributes:
        code: a `tf.errors` code, which is also the gRPC status code.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServedModel:
    """Loads the newest version of an exported model and answers requests.

    Args:
        name: name of the model in requests.
        path: folder of all versions.

    Raises:
        ValueError: If the folder has no version.
    """

    def __init__(self, name: str, path: str) -> None:
        versions = [int(p.name) for p in pathlib.Path(path).iterdir() if p.name.isdecimal()]
        if not versions:
            raise ValueError(f"path must hold a folder named by a number. Received: path={path!r}")
        self.name = name
        self.version = max(versions)
        folder = pathlib.Path(path) / str(self.version)
        self._loaded = tf.saved_model.load(str(folder))
        saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.definitions = saved.meta_graphs[0].signature_def
        limits = folder / "assets.extra" / "limits.json"
        self._limits = json.loads(limits.read_text()) if limits.exists() else _LIMITS

    @property
    def most_bytes(self) -> int:
        """Largest size of a request in bytes, which follows from the inputs of the signatures."""
        inputs = [list(signature.inputs.values()) for signature in self.definitions.values()]
        most = max(sum(map(self._most_elements, infos)) for infos in inputs)
        return _SPARE_BYTES + _BYTES_PER_ELEMENT * most

    def _most_elements(self, info: meta_graph_pb2.TensorInfo) -> int:
        """Returns the largest number of elements of an input."""
        sizes = [dim.size for dim in info.tensor_shape.dim]
        open_sizes = sum(size < 0 for size in sizes)
        requested = {0: 1, 1: self._limits["batch"]}.get(open_sizes, self._limits["total_samples"])
        return requested * math.prod(size for size in sizes if size >= 0)

    def predict(
        self, request: predict_pb2.PredictRequest, cancellation: Cancellation | None = None
    ) -> predict_pb2.PredictResponse:
        """Answers a request of `PredictionService.Predict`.

        Args:
            request: the request.
            cancellation: ends the computation when nobody waits for the answer any more.

        Raises:
            RequestError: If the request cannot be answered.
        """
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        self.check(request.model_spec.name, request.model_spec.version.value)
        # Names and dtypes come first: only then is a message worth the memory of its tensors.
        dtypes = self._checked_names(signature, request.inputs)
        inputs = {name: _array(name, proto, dtypes[name]) for name, proto in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = signature
        for name, value in self.run(signature, inputs, cancellation).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def check(self, name: str, version: int = 0) -> None:
        """Refuses requests for another model or version.

        Raises:
            RequestError: If the name or the version is another.
        """
        if name != self.name or version not in (0, self.version):
            message = f"Servable not found for request: {name}, version {version or 'latest'}"
            raise RequestError(tf.errors.NOT_FOUND, message)

    def dtypes(self, signature: str) -> dict[str, tf.DType]:
        """Returns the dtype of each input of a signature, by name.

        Raises:
            RequestError: If there is no signature of that name.
        """
        if signature not in self._loaded.signatures:
            message = f"Serving signature name: {signature!r} not found in signature def"
            raise RequestError(tf.errors.INVALID_ARGUMENT, message)
        infos = self.definitions[signature].inputs
        return {name: tf.dtypes.as_dtype(info.dtype) for name, info in infos.items()}

    def _checked_names(self, signature: str, names: Iterable[str]) -> dict[str, tf.DType]:
        """Returns the dtypes of a signature's inputs, unless a request has others.

        Raises:
            RequestError: If there is no signature of that name, or it has other inputs.
        """
        dtypes = self.dtypes(signature)
        if set(names) != set(dtypes):
            received = sorted(names)[:_MOST_SHOWN]
            message = f"Expected the inputs {sorted(dtypes)}. Received: {str(received)[:500]}"
            raise RequestError(tf.errors.INVALID_ARGUMENT, message)
        return dtypes

    def run(
        self,
        signature: str,
        inputs: dict[str, np.ndarray],
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: name of the signature.
            inputs: values of the inputs, by name.
            cancellation: ends the computation when nobody waits for the answer any more.

        Returns:
            The values of the outputs, by name.

        Raises:
            RequestError: If there is no signature of that name, or it refuses the inputs.
        """
        dtypes = self._checked_names(signature, inputs)
        tensors = {name: _tensor(name, inputs[name], dtype) for name, dtype in dtypes.items()}
        compute = self._loaded.signatures[signature]
        if cancellation is not None:
            compute = cancellation.get_cancelable_function(compute)
        try:
            outputs = compute(**tensors)
        except tf.errors.OpError as error:
            raise RequestError(error.error_code, _sentence(error)) from error
        return {name: output.numpy() for name, output in outputs.items()}

    def metadata(
        self, name: str, version: int = 0
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Answers a request of `PredictionService.GetModelMetadata`.

        Raises:
            RequestError: If the request is for another model or version.
        """
        self.check(name, version)
        definitions = get_model_metadata_pb2.SignatureDefMap(signature_def=self.definitions)
        packed = any_pb2.Any()
        packed.Pack(definitions)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].CopyFrom(packed)
        return response


def _sentence(error: tf.errors.OpError) -> str:
    """Returns the message of an error without the location in the graph."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("assertion failed")), lines[0])


def _array(name: str, proto: tensor_pb2.TensorProto, dtype: tf.DType) -> np.ndarray:
    """Returns the values of a message.

    Raises:
        RequestError: If the dtype is another, or the values do not fit the shape.
    """
    if proto.dtype != dtype.as_datatype_enum:
        raise _other_dtype(name, dtype, _dtype_name(proto.dtype))
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    # A proto of a few bytes can describe a tensor of any size that is filled with one value.
    most = max(proto.ByteSize(), _SPARE_ELEMENTS)
    try:
        if proto.tensor_shape.unknown_rank or min([*sizes, 0]) < 0 or math.prod(sizes) > most:
            raise ValueError(f"expected at most {most} elements, as many as the message has bytes")
        return tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        message = f"tensor parsing error: {name}: {error}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message) from error


def _tensor(name: str, value: np.ndarray, dtype: tf.DType) -> tf.Tensor:
    received = tf.dtypes.as_dtype(value.dtype)
    if received != dtype:
        raise _other_dtype(name, dtype, received.name)
    return tf.constant(value, dtype)


def _other_dtype(name: str, dtype: tf.DType, received: str) -> RequestError:
    message = f"Expected {name} of dtype {dtype.name}. Received: dtype={received}"
    return RequestError(tf.errors.INVALID_ARGUMENT, message)


def _dtype_name(number: int) -> str:
    """Returns the name of a dtype of messages, or its number if there is no such dtype."""
    try:
        return tf.dtypes.as_dtype(number).name
    except TypeError:
        return str(number)
