"""The autoregressive loop: chunks of fixed size with carried state, one compiled program."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any, Protocol, cast

import tensorflow as tf

from tfwavenet import rng
from tfwavenet.generation.conditioning_windows import bucket
from tfwavenet.generation.request import check_temperature, whole_number
from tfwavenet.generation.step_inputs import Ahead, block_steps, row_of
from tfwavenet.layers import ring_buffer
from tfwavenet.layers.fusion import fused_elementwise

# {"previous": [batch], the last value; "position": int64 [batch], its successor's index in the
#  utterance; "network": what the model carries from step to step}
State = dict[str, Any]


class ChunkModel(Protocol):
    """What the chunks of a model need of it."""

    upsampler: Any
    recipe: Any
    local_channels: Any
    takes_codes: bool
    signal_dtype: tf.DType
    # Whether a chunk is computed in parallel rather than step by step.
    computes_in_parallel: bool

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """What precedes the first sample, [batch]."""

    def initial_state(self, batch_size: int | tf.Tensor) -> Any:
        """What the network carries before the first sample."""

    def merged_state(self, rows: tf.Tensor, state: Any, other: Any) -> Any:
        """`state` for the rows bool [batch] that are True, `other` for those that are False."""

    def advance(self, state: State, window: dict[str, tf.Tensor], **given: Any) -> Any:
        """A chunk, as `advance` below makes it."""

    def to_audio(self, values: tf.Tensor) -> tf.Tensor:
        """Values of the network as audio."""


class StepModel(ChunkModel, Protocol):
    """What the loop over single steps needs of a model; `models.WaveNet` documents the methods."""

    distribution: Any
    receptive_field: int

    def state_after(self, values: tf.Tensor, mel: Any, mask: Any, speaker: Any) -> Any:
        """What it carries after steps over `values` [batch, samples]."""

    def drawable(self, params: tf.Tensor) -> tf.Tensor:
        """Parameters under which only values are drawn that can stand in what is generated."""

    def folded_weights(self) -> Any:
        """The weights of a step."""

    def local_features(self, mel: Any, mask: Any) -> list[Any]:
        """What each layer knows of a window at each sample, [batch, samples, channels] or None."""

    def speaker_vectors(self, speaker: Any) -> Any:
        """What each layer knows of all samples, [batch, channels] or None."""

    def projected(self, local: list[Any], speaker: Any) -> list[Any]:
        """Each layer's conditioning from both, [batch, samples or 1, channels] or None."""

    def step(self, value_t: Any, state: Any, conditioning_t: Any, weights: Any) -> Any:
        """Parameters of the value that follows, and the next state."""

    def to_values(self, audio: tf.Tensor) -> tf.Tensor:
        """Audio as the network takes it."""

    def previous_values(self, values: tf.Tensor) -> tf.Tensor:
        """`values` [batch, samples] delayed by one sample."""


def advance(
    model: StepModel,
    state: State,
    window: dict[str, tf.Tensor],
    *,
    seeds: tf.Tensor,
    temperature: tf.Tensor,
    count: int,
    top_k: tf.Tensor | None = None,
    top_p: tf.Tensor | None = None,
    stop: tf.Tensor | None = None,
    weights: Any = None,
) -> tuple[tf.Tensor, State]:
    """Generates one chunk.

    Args:
        model: the network.
        state: from `start` or the chunk before.
        window: this chunk's `"mel"` and `"mask"` with their context frames, and the `"speaker"`,
            as `conditioning` of the model takes them; absent where it takes none.
        seeds: int32 [batch, 2], one stream of random numbers per utterance.
        temperature: float32 [].
        count: samples in the chunk.
        top_k: int32 [], or None for all; see `distributions.Categorical.most_likely`.
        top_p: float32 [], or None for 1; see `distributions.Categorical.nucleus`.
        stop: int32 [], how many of them to generate, where the chunk is not to be full.
        weights: from `folded_weights` of the model; pass them where many chunks share them.

    Returns:
        The new values [batch, count], zeros from `stop` on, and the state behind them.
    """
    stop = tf.constant(count) if stop is None else stop
    block = min(count, block_steps(state["previous"].shape[0]))
    ahead = Ahead(
        model, window, seeds=seeds, position=state["position"], block=block, count=count, stop=stop
    )
    draw = functools.partial(_draw, model, temperature=temperature, top_k=top_k, top_p=top_p)
    weights = model.folded_weights() if weights is None else weights

    def one_block(start: tf.Tensor, previous: Any, network: Any, values: Any) -> tuple[Any, ...]:
        conditioning, noise = ahead.conditioning(start), ahead.noise(start)

        # The noise travels in the loop's state, a step ahead: XLA would compute logarithms that it
        # can fuse with the search for the largest number by number. Of all steps at once, the
        # rounding of the last ones would depend on the size of the block.
        def given_at(t: tf.Tensor) -> tuple[Any, tf.Tensor]:
            t = tf.minimum(t, block - 1)
            conditioning_t = [c[0] if c.shape[0] == 1 else row_of(c, t) for c in conditioning]
            return conditioning_t, model.distribution.standard_noise(row_of(noise, t))

        def one_step(
            t: tf.Tensor, previous: Any, network: Any, given: Any, values: Any
        ) -> tuple[Any, ...]:
            conditioning_t, standard = given
            params, network = model.step(previous, network, conditioning_t or None, weights)
            value = draw(params, standard)
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


def _draw(
    model: StepModel,
    params: tf.Tensor,
    standard: tf.Tensor,
    *,
    temperature: tf.Tensor,
    top_k: tf.Tensor | None,
    top_p: tf.Tensor | None,
) -> tf.Tensor:
    """The value [batch] that standard noise chooses."""
    params = model.drawable(params)
    if top_k is not None:
        params = model.distribution.most_likely(params, top_k)
    if top_p is not None:
        params = tf.cond(
            top_p < 1,
            lambda: model.distribution.nucleus(params, top_p, temperature),
            lambda: tf.cast(params, tf.float32),
        )
    return model.distribution.draw(params, standard, temperature)


def initial_state(model: ChunkModel, batch_size: int | tf.Tensor) -> State:
    """The state before the first sample: as if silence had gone before."""
    return {
        "previous": model.initial_values(batch_size),
        "network": model.initial_state(batch_size),
        "position": tf.zeros([batch_size], tf.int64),
    }


def whole_frames(model: ChunkModel, chunk_samples: int) -> int:
    """`chunk_samples`, rounded to whole frames of a network with features.

    Raises:
        ValueError: if it is not positive.
    """
    chunk_samples = whole_number("chunk_samples", chunk_samples, least=1)
    hop = 1 if model.upsampler is None else model.upsampler.hop_samples
    return max(1, round(chunk_samples / hop)) * hop


def even_chunk(model: ChunkModel, samples: int, most_samples: int) -> int:
    """The chunk, at most about `most_samples`, of which a whole number covers `samples`.

    It is one of 16 sizes per octave, of which each is compiled once.
    """
    hop = 1 if model.upsampler is None else model.upsampler.hop_samples
    chunks = -(-samples // whole_frames(model, most_samples))
    return bucket(-(-samples // (chunks * hop))) * hop


def compiled_advance(model: ChunkModel, jit_compile: bool) -> Any:
    """`advance` of a model as a `tf.function`, made once and kept with the model."""

    def advance_model(
        state: State, window: Any, seeds: Any, given: dict[str, Any], count: int
    ) -> Any:
        # A single step is too small to be worth kernels of its own.
        in_parallel = model.computes_in_parallel and not jit_compile
        with fused_elementwise() if in_parallel else contextlib.nullcontext():
            return model.advance(state, window, seeds=seeds, count=count, **given)

    return _kept(model, f"_advance_{'xla' if jit_compile else 'graph'}", advance_model, jit_compile)


def compiled_folding(model: StepModel) -> Any:
    """`folded_weights` of a model as a `tf.function`, made once and kept with the model."""
    return _kept(model, "_folding", model.folded_weights)


def compiled_merge(model: ChunkModel) -> Any:
    """A `tf.function` of rows bool [batch] and two states that takes each row from one of them."""

    def merge(rows: tf.Tensor, state: State, other: State) -> State:
        """`state` for the rows that are True, `other` for those that are False."""
        return {
            "previous": tf.where(rows, state["previous"], other["previous"]),
            "position": tf.where(rows, state["position"], other["position"]),
            "network": model.merged_state(rows, state["network"], other["network"]),
        }

    return _kept(model, "_merge", merge)


def _kept(model: ChunkModel, name: str, function: Any, jit_compile: bool = False) -> Any:
    """A function of a model as a `tf.function`, made once and kept with the model."""
    if name not in model.__dict__:
        # Past Keras' tracking: a program is no part of what is saved with a model.
        model.__dict__[name] = tf.function(function, jit_compile=jit_compile)
    return model.__dict__[name]


class Program:
    """The compiled chunk of a model, with what stays the same from chunk to chunk.

    Args:
        model: the network.
        temperature: of all chunks, 0 or more.
        top_k: of all chunks: only so many of the most likely codes are drawn; None for all.
        top_p: of all chunks, above 0, at most 1: only the most likely codes that together have
            this probability are drawn; of those that `top_k` leaves.
        chunk_samples: samples per chunk, rounded to whole frames.
        jit_compile: whether XLA compiles it.

    Attributes:
        merge: see `compiled_merge`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        model: ChunkModel,
        *,
        temperature: float,
        top_p: float,
        top_k: int | None = None,
        chunk_samples: int,
        jit_compile: bool,
    ) -> None:
        check_temperature(temperature)
        _check_top_p(model, top_p)
        _check_top_k(model, top_k)
        self.model = model
        self.chunk_samples = whole_frames(model, chunk_samples)
        self._given = {"temperature": tf.constant(temperature, tf.float32)}
        if not model.computes_in_parallel:
            self._given["weights"] = compiled_folding(cast(StepModel, model))()
        # What leaves every code is left out.
        if top_p < 1:
            self._given["top_p"] = tf.constant(top_p, tf.float32)
        if top_k is not None and top_k < cast(StepModel, model).distribution.channels:
            self._given["top_k"] = tf.constant(top_k, tf.int32)
        self._advance = compiled_advance(model, jit_compile)
        self.merge = compiled_merge(model)

    def initial_state(self, batch_size: int) -> State:
        """The state before the first sample, see `initial_state`."""
        return initial_state(self.model, batch_size)

    def __call__(
        self, state: State, window: dict[str, tf.Tensor], seeds: Sequence[int]
    ) -> tuple[tf.Tensor, State]:
        """The values [batch, chunk_samples] of the next chunk, see `advance`."""
        return self._advance(*self.arguments(state, window, seeds))

    def arguments(
        self, state: State, window: dict[str, tf.Tensor], seeds: Sequence[int]
    ) -> tuple[Any, ...]:
        """What the function of `compiled_advance` takes for the next chunk."""
        streams = tf.stack([rng.make_seed(seed) for seed in seeds])
        return state, window, streams, self._given, self.chunk_samples


def _check_top_p(model: ChunkModel, top_p: float) -> None:
    if not 0 < top_p <= 1:
        raise ValueError(f"Expected `top_p` above 0, at most 1. Received: top_p={top_p}")
    if top_p < 1 and not model.takes_codes:
        raise ValueError(
            "`top_p` is for networks that predict codes, such as mu-law's. "
            f"Received: top_p={top_p} for one that does not"
        )


def _check_top_k(model: ChunkModel, top_k: int | None) -> None:
    if top_k is None:
        return
    if isinstance(top_k, bool) or not hasattr(top_k, "__index__") or top_k < 1:
        raise ValueError(f"Expected `top_k` to be an integer of at least 1. Received: {top_k=}")
    if not model.takes_codes:
        raise ValueError(
            "`top_k` is for networks that predict codes, such as mu-law's. "
            f"Received: top_k={top_k} for one that does not"
        )


def state_after(
    model: StepModel, values: tf.Tensor, window: dict[str, tf.Tensor], first: int | tf.Tensor
) -> State:
    """The state after given values, computed in parallel.

    Args:
        model: the network.
        values: [batch, samples] from the beginning on.
        window: the conditioning of the samples from `first` on.
        first: where to begin; the receptive field before the end is early enough.
    """
    past = model.previous_values(values)[:, first:]
    network = model.state_after(
        past, mel=window.get("mel"), mask=window.get("mask"), speaker=window.get("speaker")
    )
    batch, samples = tf.unstack(tf.shape(values))
    position = tf.fill([batch], tf.cast(samples, tf.int64))
    return {"previous": values[:, -1], "network": network, "position": position}
