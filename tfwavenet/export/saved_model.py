"""Export of a model to a versioned SavedModel directory."""

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
from tfwavenet.models.audio_model import AudioModel

Form = Literal["portable", "xla"]


def export_saved_model(
    model: AudioModel,
    output_dir: files.PathLike,
    *,
    form: Form = "portable",
    version: int | None = None,
    chunk_samples: int | None = None,
    max_samples: int = 2**20,
    max_batch: int = 64,
    max_total_samples: int | None = None,
) -> pathlib.Path:
    """Writes a model for TF Serving, and for all other programs that load SavedModels.

    Loading the directory does not require this package. The signatures take and return tensors by
    name. For equal seeds the audio equals the audio of `model.generate` and `model.stream`.

    - `serving_default` takes `mel` float32 [batch, frames, channels], or `samples` int32 [] for a
      network without features. It returns `audio` float32 [batch, samples].
    - `vocode` takes `audio` float32 [batch, samples] at the recipe's sample rate, and returns
      `audio` float32 [batch, samples]. The signature computes the recipe's features, from untrimmed
      audio. It exists for networks with features whose recipe does not lack its statistics.
    - `stream_start` returns `state_bytes` string []. `stream_step` takes `state_bytes`, and either
      `samples` or both `mel` and `is_last` bool []. It returns the `audio` that is complete and the
      next `state_bytes`. The client keeps the state, and any server of the model can continue with
      it. Both exist for all models except DiffWave.
    - `stream_prompt` takes `prompt` float32 [batch, samples], recordings like the prompt of
      `generate`, whose ends are not trimmed. It returns the `state_bytes` with which `stream_step`
      continues after the prompt. It exists for networks that generate sample by sample without features.
    - `recipe` returns `recipe` string [], the feature recipe as JSON. It exists for models with a
      recipe. The file `assets.extra/recipe.json` holds the recipe too.

    All signatures that begin an utterance take `seed` int64 [batch] and `temperature` float32 [].
    Models with speakers also take `speaker` int32 [batch]. Networks that take speaker vectors take
    `speaker` float32 [batch, channels]. Networks that predict codes also take `top_p` float32 [],
    where 1 allows all codes. `temperature` and `top_p` apply to the whole request. Invalid inputs
    are refused (INVALID_ARGUMENT) with one sentence.

    Args:
        model: a WaveNet, ParallelWaveNet or DiffWave. A DiffWave uses the steps of its
            inference schedule.
        output_dir: folder of all versions. The new version is a folder in `output_dir`, named by
            its number, and appears there only when it is complete.
        form: "portable" holds no XLA programs and loads in every server. The server compiles "xla"
            once per batch size, which the server must allow. Defaults to "portable".
        version: int > 0, number of the version. If None, the number is one more than the largest
            that exists.
        chunk_samples: int > 0, samples per call of the network. If None, the default of `generate`.
        max_samples: int > 0, largest length of an utterance in a request, in samples. Defaults to
            2**20.
        max_batch: int > 0, largest number of utterances in a request. Defaults to 64.
        max_total_samples: int > 0, largest number of samples in a request, of all utterances
            together, which bounds the time that a request takes. If None, 4 times `max_samples`.

    Returns:
        The folder of the version.

    Raises:
        ValueError: If an argument is out of its range, or the model generates text.
        FileExistsError: If the version exists.
        OSError: If the directory cannot be written.

    Examples:
        >>> model = WaveNet(num_layers=2)
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
    model.ensure_built()
    if chunk_samples is None:
        chunk_samples = inspect.signature(model.generate).parameters["chunk_samples"].default
    least = _least_samples(model)
    total = 4 * max_samples if max_total_samples is None else max_total_samples
    counts = {"max_batch": max_batch, "chunk_samples": chunk_samples, "version": version}
    _check_at_least(1, **{name: value for name, value in counts.items() if value is not None})
    _check_at_least(least, max_samples=max_samples, max_total_samples=total)
    limits = Limits(max_samples, max_batch, total)
    signatures = signatures_of(
        model, chunk_samples=chunk_samples, limits=limits, jit_compile=form == "xla"
    )
    target = pathlib.Path(output_dir).expanduser()
    target /= str(_next_version(target) if version is None else version)
    with files.atomic_directory(target) as folder:
        try:
            _save(model, signatures, folder)
        except tf.errors.OpError as error:  # such as a full disk
            raise OSError(errno.EIO, error.message, str(target)) from error
        extra = folder / "assets.extra"
        extra.mkdir()
        sizes = {"batch": 1, "frames": 1, "samples": least, "past_samples": 1}
        warmup.write(extra / "tf_serving_warmup_requests", signatures, sizes)
        described = {"samples": max_samples, "batch": max_batch, "total_samples": limits.work}
        files.write_json(extra / "limits.json", described)
        if model.recipe is not None:
            files.write_json(extra / "recipe.json", model.recipe.get_config())
    return target


def _check_at_least(least: int, **counts: int) -> None:
    for name, value in counts.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")


def _least_samples(model: AudioModel) -> int:
    """Returns the length of the shortest utterance that all signatures accept, in samples."""
    if model.upsampler is None:
        return 1
    least = 1 if model.recipe is None else model.recipe.least_samples
    return max(model.upsampler.hop_samples, least)


def _next_version(folder: pathlib.Path) -> int:
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return 1 + max((int(name) for name in names if name.isdecimal()), default=0)


def _save(model: AudioModel, signatures: Mapping[str, Signature], folder: pathlib.Path) -> None:
    """Writes the signatures and the weights, without variables and gradients of training."""
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
    """Declares the shapes of inputs and outputs for clients.

    The graph leaves the shapes open, since it checks the shapes itself.
    """
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
    """Removes the names of custom gradients, about which loading in Python would warn."""
    for function in library.function:
        for node in function.node_def:
            node.attr.pop("_gradient_op_type", None)
