"""A model as a versioned SavedModel directory."""

from __future__ import annotations

import errno
import inspect
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, get_args

import tensorflow as tf
from tensorflow.core.framework import function_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfwavenet import files
from tfwavenet.export import warmup
from tfwavenet.export.checks import Axis
from tfwavenet.export.signatures import Limits, Signature, signatures_of

Form = Literal["portable", "xla"]


def export_saved_model(
    model: Any,
    output_dir: files.PathLike,
    *,
    form: Form = "portable",
    version: int | None = None,
    chunk_samples: int | None = None,
    max_samples: int = 2**20,
    max_batch: int = 64,
) -> pathlib.Path:
    """Writes a model for TF Serving, and for whatever else loads SavedModels.

    The directory needs nothing of this package. Its signatures take and return tensors by name;
    equal seeds give the audio of `model.generate` and `model.stream`:

    - `serving_default`: `mel` float32 [batch, frames, channels], or `samples` int32 [] for a
      network without features, to `audio` float32 [batch, samples].
    - `vocode`: `audio` float32 [batch, samples] at the recipe's sample rate to the same; the
      recipe's features are computed inside, from untrimmed audio. For networks with features and
      a recipe that does not lack its statistics.
    - `stream_start`, to `state_bytes` string [], and `stream_step`: `state_bytes`, and `samples`
      or `mel` and `is_last` bool [], to the `audio` that is ready and the next `state_bytes`. The
      client holds the state, any server of the model goes on with it. For networks that generate
      sample by sample.
    - `stream_prompt`: `prompt` float32 [batch, samples] in the network's domain, as `generate` takes
      it, to the `state_bytes` with which `stream_step` goes on from there. For networks that
      generate sample by sample without features.
    - `recipe`, to `recipe` string []: the feature recipe as JSON, of a model that has one. It is
      in `assets.extra/recipe.json` too.

    All that begin an utterance take `seed` int64 [batch], `temperature` float32 [], and with
    speakers `speaker`: int32 [batch], or float32 [batch, channels] for a network that takes
    vectors; networks that predict codes also `top_p` float32 [], 1 for all codes. Temperature and
    `top_p` are of the whole request. What does not fit is refused (INVALID_ARGUMENT) with one sentence.

    Args:
        model: a built WaveNet or DiffWave. A DiffWave takes the steps of its inference schedule.
        output_dir: folder of all versions; this one is in a folder below it, named by its number,
            and appears there only when it is whole.
        form: "portable" holds nothing that XLA compiles and loads in every server. "xla" is
            compiled by the server, which must allow that, once per batch size.
        version: number of the version, positive; None for one more than the largest that exists.
        chunk_samples: samples per call of the network; None for the default of `generate`.
        max_samples: how long an utterance in a request may be.
        max_batch: how many utterances a request may have.

    Returns:
        The folder of the version.

    Raises:
        ValueError: if an argument is out of its range, or the model is one over text.
        FileExistsError: if the version exists.
        OSError: if it cannot be written.

    Example:
        >>> model = WaveNet(num_layers=2)
        >>> model.build()
        >>> export_saved_model(model, "served/noise").name
        '1'
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {get_args(Form)}. Received: form={form!r}")
    if model.writes_text:
        raise ValueError(
            "A model of audio is expected: the interface for TF Serving has no text. "
            "Received: a model with a text recipe"
        )
    if chunk_samples is None:
        chunk_samples = inspect.signature(model.generate).parameters["chunk_samples"].default
    least = _least_samples(model)
    counts = {"max_batch": max_batch, "chunk_samples": chunk_samples, "version": version}
    _check_at_least(1, **{name: value for name, value in counts.items() if value is not None})
    _check_at_least(least, max_samples=max_samples)
    limits = Limits(max_samples, max_batch)
    signatures = signatures_of(
        model, chunk_samples=chunk_samples, limits=limits, jit_compile=form == "xla"
    )
    target = pathlib.Path(output_dir).expanduser()
    target /= str(_next_version(target) if version is None else version)
    with files.atomic_directory(target) as folder:
        try:
            _save(model, signatures, folder)
        except tf.errors.OpError as error:  # TensorFlow's word for a full disk and the like
            raise OSError(errno.EIO, error.message, str(target)) from error
        extra = folder / "assets.extra"
        extra.mkdir()
        sizes = {"batch": 1, "frames": 1, "samples": least, "past_samples": 1}
        warmup.write(extra / "tf_serving_warmup_requests", signatures, sizes)
        if model.recipe is not None:
            files.write_json(extra / "recipe.json", model.recipe.get_config())
    return target


def _check_at_least(least: int, **counts: int) -> None:
    for name, value in counts.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")


def _least_samples(model: Any) -> int:
    """Length of the shortest utterance that all signatures take."""
    if model.upsampler is None:
        return 1
    least = 1 if model.recipe is None else model.recipe.least_samples
    return max(model.upsampler.hop_samples, least)


def _next_version(folder: pathlib.Path) -> int:
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return 1 + max((int(name) for name in names if name.isdecimal()), default=0)


def _save(model: Any, signatures: Mapping[str, Signature], folder: pathlib.Path) -> None:
    """Writes the signatures and the weights, without what training added to them."""
    module = tf.Module()
    module.weights = model.weights
    tf.saved_model.save(
        module,
        str(folder),
        signatures={name: signature.function for name, signature in signatures.items()},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    _declare_shapes(saved.meta_graphs[0].signature_def, signatures)
    _forget_gradients(saved.meta_graphs[0].graph_def.library)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _declare_shapes(definitions: Any, signatures: Mapping[str, Signature]) -> None:
    """Tells the clients the shapes that the graph leaves open to check them itself."""
    for name, signature in signatures.items():
        definition = definitions[name]
        for field in signature.inputs:
            _declare(definition.inputs[field.name], field.axes)
        for key, axes in signature.outputs.items():
            _declare(definition.outputs[key], axes)


def _declare(tensor: meta_graph_pb2.TensorInfo, axes: tuple[Axis, ...]) -> None:
    shape = [axis if isinstance(axis, int) else None for axis in axes]
    tensor.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())


def _forget_gradients(library: function_pb2.FunctionDefLibrary) -> None:
    """Removes the names of gradients of our own, which loading in Python would warn about."""
    for function in library.function:
        for node in function.node_def:
            node.attr.pop("_gradient_op_type", None)
