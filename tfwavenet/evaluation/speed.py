"""Measures the speed of generation, apart from the compilation of the program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Optional

import numpy as np


class Speedometer:
    """Measures generation chunk by chunk, and diffusion step by step.

    The first chunk waits for compilation (and for the prompt, if there is one), so the rate leaves
    the first chunk out. A diffusion model gives all samples at its end. There the first step of
    each batch takes as long as the mean of its other steps.

    Attributes:
        samples: number of samples generated so far, over all utterances of a batch.
        waited_seconds: time up to the first chunk, or of the first steps of all batches.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.waited_seconds = 0.0
        self._steady_samples = 0
        self._steady_seconds = 0.0
        self._is_first = True
        self._step_seconds: list[float] = []
        self._last = time.monotonic()

    def step(self, done: int, of: int) -> None:
        """Counts a step of a diffusion; `generate` calls it as its `on_step`.

        Args:
            done: number of steps done.
            of: number of all steps.
        """
        now = time.monotonic()
        if done == 1:
            self._step_seconds = []
        self._step_seconds.append(now - self._last)
        self._last = now
        if done == of > 1:
            self._steady_seconds += sum(self._step_seconds[1:]) / (of - 1) * of

    def add(self, audio: Sequence[np.ndarray]) -> int:
        """Counts the samples of a chunk; `generate` calls it as its `on_chunk`.

        Args:
            audio: the new samples of each utterance.

        Returns:
            The number of new samples.
        """
        new, now = sum(map(len, audio)), time.monotonic()
        if self._step_seconds:
            self.waited_seconds += self._step_seconds[0]
            self._steady_samples += new if len(self._step_seconds) > 1 else 0
        elif self._is_first:
            self.waited_seconds += now - self._last
        else:
            self._steady_seconds += now - self._last
            self._steady_samples += new
        self.samples += new
        self._is_first, self._last = False, now
        return new

    @property
    def samples_per_second(self) -> Optional[float]:
        """Returns samples per second after the first chunk. Before a second chunk, None."""
        if not self._steady_samples or not self._steady_seconds:
            return None
        return self._steady_samples / self._steady_seconds

    def describe(self, sample_rate: int) -> str:
        """Returns the rate and the real-time factor (time over duration) in words.

        Args:
            sample_rate: int > 0, in Hz.
        """
        rate = self.samples_per_second
        if rate is None:
            return f"first audio after {self.waited_seconds:.1f} s"
        factor = sample_rate / rate
        return f"{rate:.0f} samples/s, real-time factor {factor:.3f}"
