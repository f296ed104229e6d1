"""Whole utterances of any lengths, generated in slots of a batch that are refilled."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.generation import autoregressive
from tfwavenet.generation.autoregressive import Program, State, StepModel
from tfwavenet.generation.request import Request
from tfwavenet.generation.windows import Windows

# A batch of this many costs little more than one of half the size on a small machine, and a
# larger one would only lengthen the wait for the first audio.
_DEFAULT_BATCH = 64


def generate(
    model: StepModel,
    request: Request,
    *,
    temperature: float = 1.0,
    chunk_samples: int = 1024,
    batch_size: int | None = None,
    on_chunk: Callable[[list[np.ndarray]], None] | None = None,
    jit_compile: bool = True,
) -> list[np.ndarray]:
    """Generates the utterances of a request; see `AutoregressiveModel.generate`.

    Returns:
        float32 audio [samples] of each utterance, without the priming samples.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"Expected a positive batch. Received: batch_size={batch_size}")
    collected = _Collected(model, request, on_chunk)
    slots = min(batch_size or _DEFAULT_BATCH, len(request.samples))
    order = list(range(len(request.samples)))
    if slots < len(request.samples):
        # The longest first, so that all slots end at about the same time.
        order.sort(key=lambda i: -request.samples[i])
    waiting = collections.deque(order)
    program = Program(
        model,
        temperature=temperature,
        chunk_samples=chunk_samples,
        jit_compile=jit_compile,
    )
    _Slots(request, program, Windows(model, request), slots).run(waiting, collected)
    return collected.utterances()


class Decoder:
    """Values of the network to audio in the recording's domain, chunk by chunk.

    Args:
        model: the network.
    """

    def __init__(self, model: StepModel) -> None:
        self._model = model
        self.filter: Any = None

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Audio of the next values [samples]."""
        signal = np.asarray(self._model.to_audio(values))
        if self._model.recipe is None:
            return signal
        audio, self.filter = self._model.recipe.to_audio(signal, self.filter)
        return audio


class _Collected:
    """What has been generated of each utterance so far."""

    def __init__(
        self,
        model: StepModel,
        request: Request,
        on_chunk: Callable[[list[np.ndarray]], None] | None,
    ) -> None:
        self._remaining = request.samples - request.primed_samples
        self._decoders = [Decoder(model) for _ in self._remaining]
        self._audio: list[list[np.ndarray]] = [[] for _ in self._remaining]
        self._on_chunk = on_chunk

    def add(self, values: dict[int, np.ndarray]) -> list[int]:
        """Takes the next values of some utterances; returns which of them have ended."""
        chunk = [np.zeros([0], np.float32) for _ in self._audio]
        for utterance, computed in values.items():
            new = computed[: self._remaining[utterance]]
            chunk[utterance] = self._decoders[utterance](new)
            self._remaining[utterance] -= len(new)
            self._audio[utterance].append(chunk[utterance])
        if self._on_chunk is not None:
            self._on_chunk(chunk)
        return [utterance for utterance in values if not self._remaining[utterance]]

    def utterances(self) -> list[np.ndarray]:
        """The audio of each."""
        return [np.concatenate(parts) for parts in self._audio]


class _Slots:
    """Slots of a batch, each with an utterance, which makes room for another when it ends."""

    def __init__(self, request: Request, program: Program, windows: Windows, number: int) -> None:
        self._request = request
        self._program = program
        self._windows = windows
        self._held: list[int | None] = [None] * number
        self._first = np.zeros([number], np.int64)

    def run(self, waiting: collections.deque[int], collected: _Collected) -> None:
        """Generates all that wait."""
        state = self._program.initial_state(len(self._held))
        while waiting or any(utterance is not None for utterance in self._held):
            begun = self._fill(waiting)
            # A slot without utterance goes on with any, unheard.
            chosen = [0 if utterance is None else utterance for utterance in self._held]
            if begun.any():
                state = autoregressive.where(tf.constant(begun), self._start(chosen), state)
            window = self._windows.window(self._first, self._program.chunk_samples, chosen)
            values, state = self._program(state, window, [self._request.seeds[i] for i in chosen])
            self._first += self._program.chunk_samples
            heard = {u: row for u, row in zip(self._held, values.numpy()) if u is not None}
            ended = collected.add(heard)
            self._held = [None if utterance in ended else utterance for utterance in self._held]

    def _fill(self, waiting: collections.deque[int]) -> np.ndarray:
        """Gives the free slots to those that wait; returns which begin, bool [slots]."""
        begun = np.zeros([len(self._held)], bool)
        for slot, utterance in enumerate(self._held):
            if utterance is None and waiting:
                self._held[slot] = waiting.popleft()
                self._first[slot] = self._request.primed_samples
                begun[slot] = True
        return begun

    def _start(self, chosen: list[int]) -> State:
        """The state before the first sample to be generated of each utterance."""
        if self._request.prime is None:
            return self._program.initial_state(len(chosen))
        model, hop = self._program.model, self._windows.hop_samples
        values = model.to_values(tf.constant(self._request.prime[chosen]))
        primed = values.shape[1]
        # The state can depend on the receptive field only; whole frames of it are run in parallel.
        first = max(0, primed - -(-model.receptive_field // hop) * hop)
        window = self._windows.window(first, primed - first, chosen)
        return autoregressive.state_after(model, values, window, first)
