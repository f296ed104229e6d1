"""Autoregressive generation: chunks of fixed size with carried state, one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.generation.request import Request
from tfwavenet.generation.windows import Windows

# {"previous": [batch], the last value; "position": int64 [], its successor's index in the
#  utterance; "network": what the model carries from step to step}
State = dict[str, Any]


class StepModel(Protocol):
    """What generation needs of a model; `models.WaveNet` documents the methods."""

    distribution: Any
    upsampler: Any
    recipe: Any
    receptive_field: int

    def initial_values(self, batch_size: int) -> tf.Tensor:
        """What precedes the first sample, [batch]."""

    def initial_state(self, batch_size: int) -> Any:
        """What the network carries before the first step."""

    def state_after(self, values: tf.Tensor, mel: Any, mask: Any, speaker: Any) -> Any:
        """What it carries after steps over `values` [batch, samples]."""

    def folded_weights(self) -> Any:
        """The weights of a step."""

    def conditioning(self, mel: Any, mask: Any, speaker: Any) -> list[Any]:
        """Each block's conditioning of a window, [batch, samples or 1, channels] or None."""

    def step(self, value_t: Any, state: Any, conditioning_t: Any, weights: Any) -> Any:
        """Parameters of the value that follows, and the next state."""

    def to_values(self, audio: tf.Tensor) -> tf.Tensor:
        """Audio as the network takes it."""

    def to_audio(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `to_values`."""

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

    Returns:
        The new values [batch, count], and the state behind them.
    """
    weights = model.folded_weights()
    conditioning = model.conditioning(
        mel=window.get("mel"), mask=window.get("mask"), speaker=window.get("speaker")
    )
    conditioning = [None if c is None else tf.transpose(c, [1, 0, 2]) for c in conditioning]
    width = model.distribution.noise_channels
    noise = rng.uniform_stream(seeds, state["position"], count, width)
    noise = tf.transpose(noise, [1, 0, 2])

    def one_step(t: tf.Tensor, previous: Any, network: Any, values: Any) -> tuple[Any, ...]:
        conditioning_t = [_at(c, t) for c in conditioning]
        params, network = model.step(previous, network, conditioning_t, weights)
        value = model.distribution.sample(params, noise[t], temperature)
        values = tf.tensor_scatter_nd_update(values, [[t]], value[tf.newaxis])
        return t + 1, value, network, values

    values = tf.zeros([count, *state["previous"].shape], state["previous"].dtype)
    loop = (tf.zeros([], tf.int32), state["previous"], state["network"], values)
    _, previous, network, values = tf.while_loop(
        lambda t, *_: t < count, one_step, loop, maximum_iterations=count
    )
    position = state["position"] + count
    state = {"previous": previous, "network": network, "position": position}
    return tf.transpose(values), state


def _at(conditioning: tf.Tensor | None, t: tf.Tensor) -> tf.Tensor | None:
    if conditioning is None:
        return None
    return conditioning[0 if conditioning.shape[0] == 1 else t]


def compiled_advance(model: StepModel, jit_compile: bool) -> Any:
    """`advance` of a model as a `tf.function`, made once and kept with the model."""
    name = f"_advance_{'xla' if jit_compile else 'graph'}"
    if name not in model.__dict__:

        def advance_model(
            state: State, window: Any, seeds: Any, temperature: Any, count: int
        ) -> Any:
            return advance(model, state, window, seeds=seeds, temperature=temperature, count=count)

        # Past Keras' tracking: a program is no part of what is saved with a model.
        model.__dict__[name] = tf.function(advance_model, jit_compile=jit_compile)
    return model.__dict__[name]


def start(model: StepModel, request: Request, windows: Windows) -> State:
    """The state before the first generated sample of a request."""
    batch = len(request.samples)
    if request.prime is None:
        return {
            "previous": model.initial_values(batch),
            "network": model.initial_state(batch),
            "position": tf.zeros([], tf.int64),
        }
    values = model.to_values(tf.constant(request.prime))
    primed = values.shape[1]
    # The state can depend on the receptive field only; whole frames of it are run in parallel.
    frames = -(-model.receptive_field // windows.hop_samples)
    first = max(0, primed - frames * windows.hop_samples)
    past = model.previous_values(values)[:, first:]
    return {
        "previous": values[:, -1],
        "network": model.state_after(past, **windows.window(first, primed - first)),
        "position": tf.constant(primed, tf.int64),
    }


def generate(
    model: StepModel,
    request: Request,
    *,
    temperature: float = 1.0,
    chunk_samples: int = 1024,
    on_chunk: Callable[[list[np.ndarray]], None] | None = None,
    jit_compile: bool = True,
) -> list[np.ndarray]:
    """Generates the utterances of a request; see `AutoregressiveModel.generate`.

    Returns:
        float32 audio [samples] of each utterance, without the priming samples.
    """
    if temperature < 0:
        raise ValueError(
            f"Expected a temperature of 0 or more. Received: temperature={temperature}"
        )
    if chunk_samples < 1:
        raise ValueError(f"Expected a positive chunk. Received: chunk_samples={chunk_samples}")
    outputs: list[list[np.ndarray]] = [[] for _ in request.samples]
    chunks = _values(model, request, temperature, chunk_samples, jit_compile)
    for audio in _to_utterances(model, request, chunks):
        for output, new in zip(outputs, audio):
            output.append(new)
        if on_chunk is not None:
            on_chunk(audio)
    return [np.concatenate(output) for output in outputs]


def _values(
    model: StepModel, request: Request, temperature: float, chunk_samples: int, jit_compile: bool
) -> Iterator[np.ndarray]:
    """The values of successive chunks, each [batch, samples of a chunk]."""
    windows = Windows(model, request)
    count = max(1, round(chunk_samples / windows.hop_samples)) * windows.hop_samples
    seeds = tf.stack([rng.make_seed(seed) for seed in request.seeds])
    program = compiled_advance(model, jit_compile)
    state = start(model, request, windows)
    for first in range(request.primed_samples, int(request.samples.max()), count):
        window = windows.window(first, count)
        values, state = program(state, window, seeds, tf.constant(temperature, tf.float32), count)
        yield values.numpy()


def _to_utterances(
    model: StepModel, request: Request, chunks: Iterator[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """Cuts chunks where utterances end and converts them to the recording's domain."""
    remaining = request.samples - request.primed_samples
    filters: list[Any] = [None] * len(remaining)
    for values in chunks:
        signals = model.to_audio(values)
        audio = [np.asarray(s[: max(0, n)]) for s, n in zip(signals, remaining)]
        if model.recipe is not None:
            for index, signal in enumerate(audio):
                audio[index], filters[index] = model.recipe.to_audio(signal, filters[index])
        remaining = remaining - values.shape[1]
        yield audio
