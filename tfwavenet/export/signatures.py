"""Signatures of a model: functions from named inputs, which are checked, to named outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

import tensorflow as tf

from tfwavenet.audio import signal_chain
from tfwavenet.audio.recipe_checks import lacks_statistics
from tfwavenet.export import checks
from tfwavenet.export.checks import Field, Range
from tfwavenet.export.graphs import DiffusionGraph, StreamGraph
from tfwavenet.export.state import StateCodec
from tfwavenet.generation.fingerprints import fingerprint
from tfwavenet.models import DiffWave
from tfwavenet.models.audio_model import AudioModel

Tensors = dict[str, tf.Tensor]
Shapes = dict[str, tuple[checks.Axis, ...]]

_LEAST_TOP_P = 1e-6  # so small that only the most likely code is left

_SEED = Field("seed", tf.int64, ("batch",))
_TEMPERATURE = Field("temperature", tf.float32, (), Range(low=0))
_TOP_P = Field("top_p", tf.float32, (), Range(_LEAST_TOP_P, 1))
_STATE = Field("state_bytes", tf.string)
_PROMPT = Field("prompt", tf.float32, ("batch", "past_samples"), Range(-1, 1))
_IS_LAST = Field("is_last", tf.bool)
_AUDIO: Shapes = {"audio": ("batch", "samples")}
_NEXT_STATE: Shapes = {"state_bytes": ()}


class Signature(NamedTuple):
    """Describes one way to call an exported model.

    Attributes:
        inputs: descriptions of the inputs.
        outputs: for each output its name and its shape; named dimensions have no fixed size.
        function: a `tf.function` of the inputs.
    """

    inputs: tuple[Field, ...]
    outputs: Shapes
    function: Any


class Limits(NamedTuple):
    """Holds the limits of one request.

    Attributes:
        samples: int > 0, largest number of samples of an utterance.
        batch: int > 0, largest number of utterances.
        total_samples: int > 0, largest number of samples of all utterances together. If None, it
            is `samples` times `batch`.
    """

    samples: int
    batch: int
    total_samples: Optional[int] = None

    @property
    def work(self) -> int:
        """Largest number of samples of all utterances together."""
        most = self.samples * self.batch
        return most if self.total_samples is None else min(most, self.total_samples)


def signatures_of(
    model: AudioModel, *, chunk_samples: int, limits: Limits, jit_compile: bool
) -> dict[str, Signature]:
    """Creates the signatures of a model, see `export_saved_model`.

    Args:
        model: a built WaveNet, ParallelWaveNet or DiffWave.
        chunk_samples: int > 0, samples per call of the network.
        limits: limits of one request.
        jit_compile: whether XLA compiles the network.

    Returns:
        The signatures by name.
    """
    maker = _Maker(model, limits)
    if isinstance(model, DiffWave):
        diffusion = DiffusionGraph(model, chunk_samples=chunk_samples, jit_compile=jit_compile)
        found = maker.whole(diffusion.generate)
    else:
        streams = StreamGraph(model, chunk_samples=chunk_samples, jit_compile=jit_compile)
        found = {**maker.whole(streams.generate), **maker.streamed(streams)}
    return {**found, **maker.recipe()}


class _Maker:
    """Creates the signatures of one model, which share inputs and limits."""

    def __init__(self, model: AudioModel, limits: Limits) -> None:
        self._model = model
        self._hop = 1 if model.upsampler is None else model.upsampler.hop_samples
        self._limits = limits

    def whole(self, generate: Callable[..., tf.Tensor]) -> dict[str, Signature]:
        """Creates `serving_default`, and `vocode` if features can be computed."""

        def serve(seed: tf.Tensor, **given: tf.Tensor) -> Tensors:
            return {"audio": generate(_seeds(seed), **given)}

        def vocode(audio: tf.Tensor, **given: tf.Tensor) -> Tensors:
            return serve(mel=self._features(audio), **given)

        found = {"serving_default": self._signature(serve, [self._source, *self._common], _AUDIO)}
        if self._computes_features:
            audio = Field("audio", tf.float32, ("batch", "samples"))
            found["vocode"] = self._signature(vocode, [audio, *self._common], _AUDIO)
        return found

    def streamed(self, streams: StreamGraph) -> dict[str, Signature]:
        """Creates the signatures that begin and continue a stream, whose state the client keeps."""

        def start(seed: tf.Tensor, **given: tf.Tensor) -> Any:
            return streams.start(_seeds(seed), **given)

        specs = {field.name: _spec(field, field.shape) for field in self._common}
        traced = tf.function(start, autograph=False).get_concrete_function(**specs)
        codec = StateCodec(traced.structured_outputs, fingerprint(self._model))

        def packed_start(**given: tf.Tensor) -> Tensors:
            return {"state_bytes": codec.pack(start(**given))}

        def step(state_bytes: tf.Tensor, **given: tf.Tensor) -> Tensors:
            state, batch = codec.unpack(state_bytes)
            if "mel" in given:
                given = checks.after(list(_step_checks(state["steps"], batch, given["mel"])), given)
                audio, state = streams.push(state, **given)
            else:
                given = checks.after([self._work_check(batch, given["samples"])], given)
                audio, state = streams.pull(state, **given)
            return {"audio": audio, "state_bytes": codec.pack(state)}

        end = [] if self._model.upsampler is None else [_IS_LAST]
        inputs, outputs = [_STATE, self._source, *end], {**_AUDIO, **_NEXT_STATE}
        found = {
            "stream_start": self._signature(packed_start, self._common, _NEXT_STATE),
            "stream_step": self._signature(step, inputs, outputs, least_frames=0),
        }
        if self._model.upsampler is None and not self._model.computes_in_parallel:
            with_prompt = [_PROMPT, *self._common]
            found["stream_prompt"] = self._signature(packed_start, with_prompt, _NEXT_STATE)
        return found

    def recipe(self) -> dict[str, Signature]:
        """Creates `recipe` if the model has a recipe."""
        if self._model.recipe is None:
            return {}
        text = json.dumps(self._model.recipe.get_config())
        return {
            "recipe": self._signature(lambda: {"recipe": tf.constant(text)}, [], {"recipe": ()})
        }

    @property
    def _computes_features(self) -> bool:
        recipe = self._model.recipe
        if self._model.upsampler is None or recipe is None:
            return False
        return recipe.features == "mel" and not lacks_statistics(recipe)

    @property
    def _source(self) -> Field:
        """Input that determines the length of the audio."""
        if self._model.upsampler is None:
            return Field("samples", tf.int32, (), Range(1, self._limits.samples))
        return Field("mel", tf.float32, ("batch", "frames", self._model.local_channels))

    @property
    def _common(self) -> list[Field]:
        """Inputs of all signatures that begin an utterance."""
        top_p = [_TOP_P] if self._model.codec.num_codes else []
        return [*self._speaker, _TEMPERATURE, *top_p, _SEED]

    @property
    def _speaker(self) -> list[Field]:
        model = self._model
        if not model.speaker_channels:
            return []
        if model.num_speakers is None:
            return [Field("speaker", tf.float32, ("batch", model.speaker_channels))]
        return [Field("speaker", tf.int32, ("batch",), Range(0, model.num_speakers - 1))]

    def _features(self, audio: tf.Tensor) -> tf.Tensor:
        """Computes the recipe's features of recordings, float32 [batch, samples].

        Recordings without any sound are refused if the recipe scales recordings to a peak.
        """
        recipe = self._model.recipe
        if recipe.peak is not None:
            loudest = tf.reduce_min(tf.reduce_max(tf.abs(audio), axis=1))
            sentence = "Expected audio with a sound in it. Received: a silent recording"
            audio = checks.after([checks.require(loudest > 0, sentence)], audio)
        return recipe.mel(signal_chain.prepare_graph(audio, recipe=recipe))

    def _signature(
        self,
        compute: Callable[..., Tensors],
        fields: Sequence[Field],
        outputs: Shapes,
        *,
        least_frames: int = 1,
    ) -> Signature:
        """Creates a signature that checks its inputs and then calls `compute`."""
        most = self._limits.samples
        sizes = {
            "batch": Range(1, self._limits.batch),
            "frames": Range(least_frames, max(1, most // self._hop)),
            "past_samples": Range(1, most),
        }
        if self._model.recipe is not None:
            sizes["samples"] = Range(self._model.recipe.least_samples, most)

        # The shapes are left open. With known shapes the graph optimizer would consider the checks
        # of a client's inputs as fulfilled and remove them.
        @tf.function(input_signature=[_spec(field, None) for field in fields], autograph=False)
        def served(*inputs: tf.Tensor) -> Tensors:
            given = {field.name: tensor for field, tensor in zip(fields, inputs)}
            given = checks.checked(given, fields, sizes)
            found = compute(**checks.after(list(self._work_checks(given)), given))
            return checks.after(list(_output_checks(found)), found)

        return Signature(tuple(fields), outputs, served)

    def _work_checks(self, given: Tensors) -> Iterator[tf.Operation]:
        """Refuses requests whose utterances are too long together."""
        for name, hop in (("mel", self._hop), ("audio", 1), ("prompt", 1)):
            if name in given:
                batch, length = tf.shape(given[name])[0], tf.shape(given[name])[1]
                yield self._work_check(batch, tf.cast(length, tf.int64) * hop)
        if "samples" in given and "seed" in given:
            yield self._work_check(tf.size(given["seed"]), given["samples"])

    def _work_check(self, batch: tf.Tensor, samples: tf.Tensor) -> tf.Operation:
        """Refuses a batch of so many samples each if that is too much work."""
        sentence = (
            f"Expected at most {self._limits.work} samples in a request, of all utterances "
            "together. Received: batch={} of {} samples each"
        )
        total = tf.cast(batch, tf.int64) * tf.cast(samples, tf.int64)
        return checks.require(total <= self._limits.work, sentence, batch, samples)


def _spec(field: Field, shape: Optional[Sequence[Optional[int]]]) -> tf.TensorSpec:
    return tf.TensorSpec(shape, field.dtype, name=field.name)


def _seeds(seed: tf.Tensor) -> tf.Tensor:
    """Converts seeds int64 [batch] to int32 [batch, 2], like `rng.make_seed` for each seed."""
    return tf.bitcast(seed, tf.int32)


def _output_checks(found: Tensors) -> Iterator[tf.Operation]:
    """Refuses requests whose numbers are finite, and yet too large for the network."""
    if "audio" in found:
        sentence = (
            "Expected features with which the network stays finite. Received: NaN or infinity"
        )
        yield checks.require(tf.reduce_all(tf.math.is_finite(found["audio"])), sentence)


def _step_checks(state: Any, batch: tf.Tensor, mel: tf.Tensor) -> Any:
    sentence = "Expected mel for the {} streams of the state. Received: batch={}"
    yield checks.require(tf.shape(mel)[0] == batch, sentence, batch, tf.shape(mel)[0])
    sentence = "Expected the state of a stream that goes on. Received: one after its last frames"
    yield checks.require(state["ended"] == 0, sentence)
