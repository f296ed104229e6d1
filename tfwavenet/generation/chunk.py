"""Chunks of fixed size with carried state: the compiled program that generation consists of."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.checks import whole_number
from tfwavenet.generation.conditioning_windows import bucket
from tfwavenet.generation.protocols import ChunkModel, StepModel
from tfwavenet.generation.sampler import Sampler, draw
from tfwavenet.generation.step_inputs import StepInputs, block_steps, row_of
from tfwavenet.layers import ring_buffer
from tfwavenet.layers.fusion import fused_elementwise

# {"previous": [batch], the last value; "position": int64 [batch], the position of the next value in
#  the utterance; "network": the state of the network}
State = dict[str, Any]


def advance(
    model: StepModel,
    state: State,
    window: dict[str, tf.Tensor],
    *,
    seeds: tf.Tensor,
    sampling: dict[str, tf.Tensor],
    count: int,
    stop: tf.Tensor | None = None,
    weights: Any = None,
) -> tuple[tf.Tensor, State]:
    """Generates one chunk, sample after sample.

    Args:
        model: the model.
        state: from `initial_state`, `state_after` or the chunk before.
        window: this chunk's `"mel"` and `"mask"` with their context frames, and the `"speaker"`,
            each where the model takes it.
        seeds: int32 [batch, 2], one stream of random numbers per utterance.
        sampling: from `Sampler.tensors`.
        count: samples in the chunk.
        stop: int32 [], number of samples to generate, where the chunk is not to be full.
        weights: from `folded_weights` of the network. If None, they are folded here.

    Returns:
        The new values [batch, count], zeros from `stop` on, and the state behind them.
    """
    stop = tf.constant(count) if stop is None else stop
    block = min(count, block_steps(state["previous"].shape[0]))
    inputs = StepInputs(
        model, window, seeds=seeds, position=state["position"], block=block, count=count, stop=stop
    )
    weights = model.network.folded_weights() if weights is None else weights

    def one_block(start: tf.Tensor, previous: Any, network: Any, values: Any) -> tuple[Any, ...]:
        conditioning, noise = inputs.conditioning(start), inputs.noise(start)

        # The noise travels in the loop's state, made one step early: XLA would compute logarithms
        # that it can fuse with the search for the largest number by number. If the noise of all
        # steps were made at once, its rounding would depend on the size of the block.
        def given_at(t: tf.Tensor) -> tuple[Any, tf.Tensor]:
            t = tf.minimum(t, block - 1)
            rows = conditioning or []
            conditioning_t = [c[0] if c.shape[0] == 1 else row_of(c, t) for c in rows]
            return conditioning_t, model.distribution.standard_noise(row_of(noise, t))

        def one_step(
            t: tf.Tensor, previous: Any, network: Any, given: Any, values: Any
        ) -> tuple[Any, ...]:
            conditioning_t, standard = given
            params, network = model.network.step(previous, network, conditioning_t or None, weights)
            value = draw(model, params, standard, **sampling)
            values = tf.tensor_scatter_nd_update(values, [[start + t]], value[tf.newaxis])
            return t + 1, value, network, given_at(t + 1), values

        first = tf.zeros([], tf.int32)
        _, previous, network, _, values = tf.while_loop(
            lambda t, *_: t < tf.minimum(block, stop - start),
            one_step,
            (first, previous, network, given_at(first), values),
            maximum_iterations=block,
        )
        return start + block, previous, network, values

    values = tf.zeros([count, tf.shape(state["previous"])[0]], state["previous"].dtype)
    network = [ring_buffer.opened(layer) for layer in state["network"]]
    _, previous, network, values = tf.while_loop(
        lambda start, *_: start < stop,
        one_block,
        (tf.zeros([], tf.int32), state["previous"], network, values),
        maximum_iterations=-(-count // block),
    )
    position = state["position"] + tf.cast(stop, tf.int64)
    network = [ring_buffer.closed(layer) for layer in network]
    state = {"previous": previous, "network": network, "position": position}
    return tf.transpose(values), state


def initial_state(model: ChunkModel, batch_size: int | tf.Tensor) -> State:
    """Returns the state before the first sample, as if silence had gone before."""
    return {
        "previous": model.codec.initial_values(batch_size),
        "network": model.initial_state(batch_size),
        "position": tf.zeros([batch_size], tf.int64),
    }


def state_after(
    model: StepModel, values: tf.Tensor, window: dict[str, tf.Tensor], first: int | tf.Tensor
) -> State:
    """Computes in parallel the state after given values.

    Args:
        model: the model.
        values: [batch, samples], from the beginning on.
        window: the conditioning window of the samples from `first` on.
        first: int or int32 [], the sample at which the computation begins. One receptive field
            before the end is early enough.
    """
    network = model.network.state_after(
        model.previous_values(values)[:, first:],
        model.local_features(window.get("mel"), window.get("mask")),
        model.speaker_vectors(window.get("speaker")),
    )
    batch, samples = tf.unstack(tf.shape(values))
    position = tf.fill([batch], tf.cast(samples, tf.int64))
    return {"previous": values[:, -1], "network": network, "position": position}


def hop_of(model: ChunkModel) -> int:
    """Returns the samples per frame of a model; 1 without features."""
    return 1 if model.upsampler is None else model.upsampler.hop_samples


def whole_frames(model: ChunkModel, chunk_samples: int) -> int:
    """Returns `chunk_samples`, rounded to whole frames of a network with features.

    Raises:
        ValueError: If the number is not positive.
    """
    chunk_samples = whole_number("chunk_samples", chunk_samples, 1)
    hop = hop_of(model)
    return max(1, round(chunk_samples / hop)) * hop


def even_chunk(model: ChunkModel, samples: int, most_samples: int) -> int:
    """Returns a chunk size, at most about `most_samples`, of which a whole number covers `samples`.

    The result is one of 16 sizes per octave, each of which is compiled once.
    """
    hop = hop_of(model)
    chunks = -(-samples // whole_frames(model, most_samples))
    return int(bucket(-(-samples // (chunks * hop)))) * hop


def compiled_advance(model: ChunkModel, jit_compile: bool) -> Any:
    """Returns `advance` of a model as a `tf.function`, made once and kept with the model."""

    def advance_model(
        state: State, window: Any, seeds: Any, given: dict[str, Any], count: int
    ) -> Any:
        # A single step is too small to be worth kernels of its own.
        in_parallel = model.computes_in_parallel and not jit_compile
        with fused_elementwise() if in_parallel else contextlib.nullcontext():
            return model.advance(state, window, seeds=seeds, count=count, **given)

    return _kept(model, f"_advance_{'xla' if jit_compile else 'graph'}", advance_model, jit_compile)


def compiled_folding(model: StepModel) -> Any:
    """Returns `folded_weights` of a network as a `tf.function`, kept with the model."""
    return _kept(model, "_folding", model.network.folded_weights)


def compiled_merge(model: ChunkModel) -> Any:
    """Returns a `tf.function` that takes each row of a state from one of two states."""

    def merge(rows: tf.Tensor, state: State, other: State) -> State:
        """Returns `state` for the rows bool [batch] that are True, `other` for the others."""
        return {
            "previous": tf.where(rows, state["previous"], other["previous"]),
            "position": tf.where(rows, state["position"], other["position"]),
            "network": model.merged_state(rows, state["network"], other["network"]),
        }

    return _kept(model, "_merge", merge)


def _kept(model: ChunkModel, name: str, function: Any, jit_compile: bool = False) -> Any:
    """Returns a function of a model as a `tf.function`, made once and kept with the model."""
    if name not in model.__dict__:
        # Past Keras' tracking: a program is no part of what is saved with a model.
        model.__dict__[name] = tf.function(function, jit_compile=jit_compile)
    return model.__dict__[name]


class Program:
    """The compiled chunk of a model, with the settings that all chunks share.

    Args:
        model: the model.
        sampler: how values are drawn.
        chunk_samples: samples per chunk, rounded to whole frames.
        jit_compile: whether XLA compiles the chunk.

    Attributes:
        merge: see `compiled_merge`.

    Shapes: a chunk is values [batch, chunk_samples]; the state is a nest of [batch, ...].

    Raises:
        ValueError: If an argument is out of its range, or does not fit the model.
    """

    def __init__(
        self, model: ChunkModel, *, sampler: Sampler, chunk_samples: int, jit_compile: bool
    ) -> None:
        self.model = model
        self.chunk_samples = whole_frames(model, chunk_samples)
        self._whole = tf.constant(self.chunk_samples)
        self._given: dict[str, Any] = {"sampling": sampler.tensors(model.codec)}
        if not model.computes_in_parallel:
            self._given["weights"] = compiled_folding(cast(StepModel, model))()
        self._advance = compiled_advance(model, jit_compile)
        self.merge = compiled_merge(model)

    def initial_state(self, batch_size: int) -> State:
        """Returns the state before the first sample."""
        return initial_state(self.model, batch_size)

    def __call__(
        self,
        state: State,
        window: dict[str, tf.Tensor],
        seeds: Sequence[int] | tf.Tensor,
        stop: int | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Generates the values [batch, chunk_samples] of the next chunk, see `advance`."""
        return self._advance(*self.arguments(state, window, seeds, stop))

    def arguments(
        self,
        state: State,
        window: dict[str, tf.Tensor],
        seeds: Sequence[int] | tf.Tensor,
        stop: int | None = None,
    ) -> tuple[Any, ...]:
        """Returns the arguments of `compiled_advance` for the next chunk."""
        if not tf.is_tensor(seeds):
            seeds = tf.stack([rng.make_seed(seed) for seed in seeds])
        whole = stop is None or (isinstance(stop, int) and stop == self.chunk_samples)
        stop = self._whole if whole else tf.constant(np.array(stop, np.int32))
        return state, window, seeds, {**self._given, "stop": stop}, self.chunk_samples
