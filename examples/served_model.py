"""Requests of TF Serving's PredictionService to an exported model, independent of a transport."""

from __future__ import annotations

import math
import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

DEFAULT_SIGNATURE = "serving_default"
_MOST_ELEMENTS = 2**27


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

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Answers a request of `PredictionService.Predict`.

        Raises:
            RequestError: If the request cannot be answered.
        """
        signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
        self.check(request.model_spec.name, request.model_spec.version.value)
        inputs = {name: _array(name, proto) for name, proto in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        response.model_spec.name = self.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = signature
        for name, value in self.run(signature, inputs).items():
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

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: name of the signature.
            inputs: values of the inputs, by name.

        Returns:
            The values of the outputs, by name.

        Raises:
            RequestError: If there is no signature of that name, or it refuses the inputs.
        """
        dtypes = self.dtypes(signature)
        if set(inputs) != set(dtypes):
            message = f"Expected the inputs {sorted(dtypes)}. Received: {sorted(inputs)}"
            raise RequestError(tf.errors.INVALID_ARGUMENT, message)
        tensors = {name: _tensor(name, inputs[name], dtype) for name, dtype in dtypes.items()}
        try:
            outputs = self._loaded.signatures[signature](**tensors)
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


def _array(name: str, proto: tensor_pb2.TensorProto) -> np.ndarray:
    try:
        # A proto of a few bytes can describe a tensor of any size that is filled with one value.
        if math.prod(dim.size for dim in proto.tensor_shape.dim) > _MOST_ELEMENTS:
            raise ValueError(f"expected at most {_MOST_ELEMENTS} elements")
        return tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        message = f"tensor parsing error: {name}: {error}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message) from error


def _tensor(name: str, value: np.ndarray, dtype: tf.DType) -> tf.Tensor:
    received = tf.dtypes.as_dtype(value.dtype)
    if received != dtype:
        message = f"Expected {name} of dtype {dtype.name}. Received: dtype={received.name}"
        raise RequestError(tf.errors.INVALID_ARGUMENT, message)
    return tf.constant(value, dtype)
