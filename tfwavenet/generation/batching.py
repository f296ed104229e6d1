"""Whole utterances of any lengths, in slots of a batch that are refilled; or folded in pieces."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any, cast

import numpy as np
import tensorflow as tf

from tfwavenet.checks import whole_number
from tfwavenet.data import cores
from tfwavenet.generation.chunk import Program, State, state_after
from tfwavenet.generation.conditioning_windows import Windows
from tfwavenet.generation.cpu_affinity import keep_to_one_core
from tfwavenet.generation.protocols import ChunkModel, GenerativeModel, StepModel
from tfwavenet.generation.request import Request, check_batch_size, require_finite
from tfwavenet.generation.sampler import Sampler
from tfwavenet.generation.slot_planning import slots_per_program

# Without XLA, and on a GPU, a step of more sequences takes hardly longer.
_DEFAULT_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Piece:
    """The part of the work that one slot does: an utterance, or a part of one.

    Attributes:
        utterance: number of the utterance.
        first: first sample.
        stop: sample after the last one.
        fade_in: samples at the beginning that are left out or faded in, half of them each.

    Shapes: the audio of a piece is [stop - first].
    """

    utterance: int
    first: int
    stop: int
    fade_in: int = 0


def generate(
    model: ChunkModel,
    request: Request,
    *,
    sampler: Sampler,
    chunk_samples: int = 1024,
    batch_size: int | None = None,
    fold_frames: int | None = None,
    overlap_frames: int = 16,
    on_chunk: Callable[[list[np.ndarray]], None] | None = None,
    jit_compile: bool = True,
) -> list[np.ndarray]:
    """Generates the utterances of a request; see `WaveNet.generate`.

    Returns:
        Audio, float32 [samples], of each utterance, without the samples of the prompt; or codes,
        int32, from a network over text.
    """
    check_batch_size(batch_size)
    if fold_frames is not None:
        _check_fold(model, request, fold_frames, overlap_frames)
    program = Program(
        model,
        sampler=sampler,
        chunk_samples=chunk_samples,
        jit_compile=jit_compile,
    )
    windows = Windows(model, request)
    first, hop = request.prompt_samples, windows.hop_samples
    pieces = [Piece(i, first, int(samples)) for i, samples in enumerate(request.samples)]
    collected: _Collected
    if fold_frames is None:
        collected = _Collected(model, pieces, on_chunk)
    else:
        sizes = (fold_frames * hop, overlap_frames * hop)
        pieces = [part for piece in pieces for part in folded(piece, *sizes)]
        collected = _Folded(model, pieces, on_chunk)
    workers, slots = _shares(pieces, program.chunk_samples, batch_size, jit_compile)
    if slots * workers < len(pieces):
        # The longest first, so that all slots end at about the same time.
        pieces = sorted(pieces, key=lambda piece: piece.first - piece.stop)
    waiting = collections.deque(pieces)
    batches = [_Slots(request, program, windows, slots) for _ in range(workers)]
    _run_together([functools.partial(batch.run, waiting, collected) for batch in batches])
    return collected.utterances()


def _shares(
    pieces: list[Piece], chunk_samples: int, batch_size: int | None, jit_compile: bool
) -> tuple[int, int]:
    """Returns the number of programs that run at a time, and the slots of each."""
    if not jit_compile:
        return 1, min(batch_size or _DEFAULT_BATCH, len(pieces))
    # XLA runs a program on one core: each gets its share of the slots.
    workers = min(usable_cores(), batch_size or len(pieces), len(pieces))
    if batch_size is None and _on_cpu():
        chunks = [-(-(piece.stop - piece.first) // chunk_samples) for piece in pieces]
        return workers, slots_per_program(chunks, workers)
    return workers, -(-min(batch_size or _DEFAULT_BATCH, len(pieces)) // workers)


def usable_cores() -> int:
    """Returns the number of programs that can run at a time: on CPU the cores, otherwise one."""
    return cores.available() if _on_cpu() else 1


def _on_cpu() -> bool:
    return not tf.config.list_logical_devices("GPU")


def _run_together(tasks: list[Callable[[threading.Event], None]]) -> None:
    """Runs tasks, each in a thread; when one fails or is interrupted, the others are told."""
    stopped = threading.Event()
    if len(tasks) == 1:
        tasks[0](stopped)
        return
    with futures.ThreadPoolExecutor(len(tasks), initializer=keep_to_one_core) as executor:
        running = [executor.submit(task, stopped) for task in tasks]
        try:
            for future in futures.as_completed(running):
                future.result()
        finally:
            stopped.set()


def _check_fold(model: ChunkModel, request: Request, fold_frames: int, overlap_frames: int) -> None:
    if model.codec.signal_dtype.is_integer:
        raise ValueError(
            f"Text cannot be folded: characters do not fade. Received: fold_frames={fold_frames}"
        )
    whole_number("fold_frames", fold_frames, 1)
    if whole_number("overlap_frames", overlap_frames, 0) > fold_frames:
        raise ValueError(
            "Expected an overlap that is not longer than the pieces. "
            f"Received: fold_frames={fold_frames}, overlap_frames={overlap_frames}"
        )
    if request.prompt is not None:
        raise ValueError("The continuation of a prompt cannot be folded. Received: prompt")


def folded(whole: Piece, length: int, overlap: int) -> list[Piece]:
    """Cuts an utterance into pieces of `length` samples that begin `overlap` samples early."""
    starts = range(whole.first, whole.stop, length)
    return [
        Piece(
            whole.utterance,
            max(whole.first, start - overlap),
            min(start + length, whole.stop),
            start - max(whole.first, start - overlap),
        )
        for start in starts
    ]


class Decoder:
    """Converts values of the network to audio as it was recorded, chunk by chunk.

    The filter of the recipe runs in NumPy, sample after sample, so that chunks join to the bit.

    Args:
        model: the model.

    Attributes:
        dtype: dtype of the audio.
        filter: state of the recipe's filter between chunks.

    Shapes: values, signal and audio are [batch, samples] or [samples].
    """

    def __init__(self, model: GenerativeModel) -> None:
        self._model = model
        self.dtype = model.codec.signal_dtype.as_numpy_dtype
        self.filter: Any = None

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Returns the audio of the next values [..., samples]."""
        return self.audio(self.signal(values))

    def signal(self, values: np.ndarray) -> np.ndarray:
        """Returns the signal in [-1, 1] that values stand for."""
        return np.asarray(self._model.codec.decode(tf.constant(values)))

    def audio(self, signal: np.ndarray) -> np.ndarray:
        """Returns the next signal as it would have been recorded.

        Raises:
            ValueError: if the signal holds NaN or infinity.
        """
        require_finite(signal)
        if self._model.recipe is None:
            return signal
        audio, self.filter = self._model.recipe.to_audio(signal, self.filter)
        return audio


class _Collected:
    """Collects what has been generated of each utterance so far."""

    def __init__(
        self,
        model: ChunkModel,
        pieces: list[Piece],
        on_chunk: Callable[[list[np.ndarray]], None] | None,
    ) -> None:
        self._remaining = {piece: piece.stop - piece.first for piece in pieces}
        self._decoders = [Decoder(model) for _ in range(1 + pieces[-1].utterance)]
        self._parts: dict[Piece, list[np.ndarray]] = {piece: [] for piece in pieces}
        self._on_chunk = on_chunk
        self.lock = threading.Lock()

    def add(self, values: dict[Piece, np.ndarray]) -> list[Piece]:
        """Takes the next values of some pieces, under the lock; returns the pieces that ended."""
        for piece, computed in values.items():
            new = computed[: self._remaining[piece]]
            self._parts[piece].append(new)
            self._remaining[piece] -= len(new)
        self._pass_on(values)
        return [piece for piece in values if not self._remaining[piece]]

    def _pass_on(self, pieces: Iterable[Piece]) -> None:
        """Decodes the new values of some pieces, and hands the audio to the caller."""
        chunk = [np.zeros([0], decoder.dtype) for decoder in self._decoders]
        for piece in pieces:
            parts = self._parts[piece]
            parts[-1] = self._decoders[piece.utterance](parts[-1])
            chunk[piece.utterance] = parts[-1]
        if self._on_chunk is not None:
            self._on_chunk(chunk)

    def utterances(self) -> list[np.ndarray]:
        """Returns the audio of each utterance."""
        return [np.concatenate(parts) for parts in self._parts.values()]


class _Folded(_Collected):
    """Collects utterances in several pieces, which are joined when all are there."""

    def _pass_on(self, pieces: Iterable[Piece]) -> None:
        pass

    def utterances(self) -> list[np.ndarray]:
        """Returns the audio of each utterance, its pieces faded into one another."""
        utterances = [self._joined(number) for number in range(len(self._decoders))]
        if self._on_chunk is not None:
            self._on_chunk(utterances)
        return utterances

    def _joined(self, utterance: int) -> np.ndarray:
        pieces = [piece for piece in self._parts if piece.utterance == utterance]
        decoder = self._decoders[utterance]
        signal = np.zeros([pieces[-1].stop], np.float32)
        for piece in pieces:
            new = decoder.signal(np.concatenate(self._parts[piece]))
            left_out = piece.fade_in // 2
            weight = np.ones(len(new), np.float32)
            weight[:left_out] = 0
            fade = piece.fade_in - left_out
            weight[left_out : piece.fade_in] = (np.arange(fade) + 0.5) / max(1, fade)
            part = slice(piece.first, piece.stop)
            signal[part] += weight * (new - signal[part])
        return decoder.audio(signal)


class _Slots:
    """Runs the slots of a batch; a piece that ends makes room for another one."""

    def __init__(self, request: Request, program: Program, windows: Windows, number: int) -> None:
        self._request = request
        self._program = program
        self._windows = windows
        self._held: list[Piece | None] = [None] * number
        self._first = np.zeros([number], np.int64)

    def run(
        self,
        waiting: collections.deque[Piece],
        collected: _Collected,
        stopped: threading.Event,
    ) -> None:
        """Generates the waiting pieces, until none waits or until the run is stopped."""
        state = self._program.initial_state(len(self._held))
        while not stopped.is_set():
            with collected.lock:
                begun = self._fill(waiting)
            if not any(self._held):
                break
            # A slot without a piece computes the first utterance, and its output is dropped.
            chosen = [0 if piece is None else piece.utterance for piece in self._held]
            if begun.any():
                with collected.lock:  # weight normalization is not safe in two threads
                    started = self._start(chosen)
                state = self._program.merge(tf.constant(begun), started, state)
            window = self._windows.window(self._first, self._program.chunk_samples, chosen)
            values, state = self._program(state, window, [self._request.seeds[i] for i in chosen])
            self._first += self._program.chunk_samples
            new = {p: row for p, row in zip(self._held, values.numpy()) if p is not None}
            with collected.lock:
                ended = collected.add(new)
            self._held = [None if piece in ended else piece for piece in self._held]

    def _fill(self, waiting: collections.deque[Piece]) -> np.ndarray:
        """Gives the free slots to waiting pieces; returns the slots that begin, bool [slots]."""
        begun = np.zeros([len(self._held)], bool)
        for slot, held in enumerate(self._held):
            if held is None and waiting:
                self._held[slot] = piece = waiting.popleft()
                self._first[slot] = piece.first
                begun[slot] = True
        return begun

    def _start(self, chosen: list[int]) -> State:
        """Returns the state before the first sample to be generated of each piece."""
        if self._request.prompt is None:
            state = self._program.initial_state(len(chosen))
            return {**state, "position": tf.constant(self._first)}
        # A network that takes a prompt is computed step by step.
        model, hop = cast(StepModel, self._program.model), self._windows.hop_samples
        values = tf.constant(self._request.prompt[chosen])
        given = values.shape[1]
        # The state depends on the receptive field only, whole frames of which run in parallel.
        first = max(0, given - -(-model.receptive_field // hop) * hop)
        window = self._windows.window(first, given - first, chosen)
        return state_after(model, values, window, first)
