"""Noise schedules of denoising diffusion, and the coefficients of its reverse process.

Step n of a schedule adds noise of the variance `betas[n]`; step 0 is the cleanest. After step n a
signal x0 has become `sqrt(abar) * x0 + sqrt(1 - abar) * noise`, where
`abar = prod(1 - betas[: n + 1])`.

Source: Ho et al., "Denoising Diffusion Probabilistic Models", arXiv:2006.11239; Kong et al.,
"DiffWave", arXiv:2009.09761, section 2 and appendix B; Song et al., "Denoising Diffusion Implicit
Models", arXiv:2010.02502, section 4.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.checks import whole_number

# Training schedules have at most thousands of steps.
MOST_STEPS = 100_000


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """The variances of the noise that each diffusion step adds.

    Shapes: signals and noise are [batch, samples].

    Args:
        betas: floats in (0, 1), increasing.

    Raises:
        ValueError: if there are no variances, or a variance is out of range or not above the
            variance before it.

    Examples:
        >>> schedule = NoiseSchedule.linear(50, 1e-4, 0.05)
        >>> len(schedule.betas), round(float(schedule.signal_levels[-1]) ** 2, 4)
        (50, 0.2797)
    """

    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        try:
            betas = tuple(float(beta) for beta in self.betas)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                "A noise schedule holds numbers in (0, 1). "
                f"Received: betas={reprlib.repr(self.betas)}"
            ) from error
        object.__setattr__(self, "betas", betas)
        if not betas:
            raise ValueError("A noise schedule needs at least one step. Received: betas=()")
        for index, beta in enumerate(betas):
            if not 0.0 < beta < 1.0:
                raise ValueError(
                    f"A noise schedule holds numbers in (0, 1). Received: betas[{index}]={beta}"
                )
            if index and beta <= betas[index - 1]:
                raise ValueError(
                    "A noise schedule increases from step to step. "
                    f"Received: betas[{index - 1}]={betas[index - 1]}, betas[{index}]={beta}"
                )

    @classmethod
    def linear(cls, steps: int, first: float, last: float) -> NoiseSchedule:
        """Builds a schedule of evenly spaced variances.

        Args:
            steps: number of steps, from 1 to `MOST_STEPS`.
            first: the smallest variance, in (0, 1).
            last: the largest variance, in (0, 1).

        Raises:
            ValueError: if the number of steps is out of range, or the variances are no schedule.
        """
        steps = whole_number("steps", steps, 0, MOST_STEPS)
        for name, value in (("first", first), ("last", last)):
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise ValueError(
                    f"The ends of a noise schedule must be numbers. Received: {name}={value!r}"
                )
        return cls(tuple(np.linspace(first, last, steps).tolist()))

    @property
    def signal_levels(self) -> np.ndarray:
        """Returns `sqrt(abar)`, the factor of the signal after each step: float64 [steps]."""
        return np.sqrt(np.cumprod(1.0 - np.array(self.betas)))

    def respaced(
        self, steps: int, *, first: float = 0.0, last: float = 1.0, power: float = 1.0
    ) -> NoiseSchedule:
        """Builds a schedule of a few steps on the range of this one, by signal-to-noise ratio.

        Args:
            steps: number of steps, from 1 to the number of this schedule.
            first: place of the first step, as a share of this schedule.
            last: place of the last step, likewise, above `first`.
            power: 1 spreads the steps evenly in the logarithm of the signal-to-noise ratio; above
                1 they are denser towards the clean end, below 1 towards the noisy end.

        Raises:
            ValueError: if `steps` is out of range, or the variances would not increase, as with
                most steps of a long schedule.

        Examples:
            >>> few = NoiseSchedule.linear(50, 1e-4, 0.05).respaced(6)
            >>> [float(f"{beta:.1g}") for beta in few.betas]
            [0.0001, 0.0007, 0.005, 0.03, 0.2, 0.6]
        """
        known = len(self.betas)
        self._check_count(steps)
        log_snr = self._log_snr()
        ends = log_snr[round(first * (known - 1))], log_snr[round(last * (known - 1))]
        place = np.linspace(0.0, 1.0, steps) ** power if steps > 1 else np.ones(1)
        return self._of_log_snr(ends[0] + (ends[1] - ends[0]) * place)

    def shortened(self, steps: int) -> NoiseSchedule:
        """Builds a schedule of any number of steps to sample with, without a search.

        Few steps are spread evenly in the logarithm of the signal-to-noise ratio, see `respaced`.
        Where their variances would not increase, the steps are spread evenly over this schedule.

        Args:
            steps: number of steps, from 1 to the number of this schedule.

        Raises:
            ValueError: if `steps` is out of range.
        """
        known = len(self.betas)
        self._check_count(steps)
        if steps == known:
            return self
        try:
            return self.respaced(steps)
        except ValueError:
            places = np.linspace(0.0, known - 1.0, steps)
            return self._of_log_snr(np.interp(places, np.arange(known), self._log_snr()))

    def _check_count(self, steps: int) -> None:
        if not isinstance(steps, (int, np.integer)) or not 1 <= steps <= len(self.betas):
            raise ValueError(
                f"steps must be an integer from 1 to {len(self.betas)}. Received: steps={steps!r}"
            )

    def _log_snr(self) -> np.ndarray:
        """Returns the logarithm of the signal-to-noise ratio after each step, float64 [steps]."""
        signal = self.signal_levels**2
        return np.log(signal) - np.log1p(-signal)

    @staticmethod
    def _of_log_snr(log_snr: np.ndarray) -> NoiseSchedule:
        kept = 1.0 / (1.0 + np.exp(-log_snr))
        return NoiseSchedule(tuple((1.0 - kept / np.concatenate([[1.0], kept[:-1]])).tolist()))

    def align(self, inference: NoiseSchedule) -> np.ndarray:
        """Finds the steps of an inference schedule on this training schedule.

        Args:
            inference: the schedule to sample with.

        Returns:
            float64 [steps of `inference`]: fractional steps of this schedule that have the signal
            level of each inference step, by linear interpolation.

        Raises:
            ValueError: if `inference` ends noisier, or begins cleaner, than this schedule.

        Source: DiffWave, appendix B; lmnt-com/diffwave, `inference.py`.
        """
        ours, theirs = self.signal_levels, inference.signal_levels
        tolerance = 1e-9
        if theirs[-1] < ours[-1] - tolerance:
            raise ValueError(
                "An inference schedule must not end noisier than the training schedule, whose last "
                f"signal level is {ours[-1]:.6f}. Received: a last signal level of {theirs[-1]:.6f}"
            )
        if theirs[0] > ours[0] + tolerance:
            raise ValueError(
                "An inference schedule must not begin cleaner than the training schedule, whose "
                f"first variance is {self.betas[0]:g}. Received: betas[0]={inference.betas[0]:g}"
            )
        # np.interp wants increasing abscissae.
        return np.interp(-theirs, -ours, np.arange(len(ours), dtype=np.float64))

    def update_coefficients(self, eta: float = 1.0) -> np.ndarray:
        """Computes the factors of the reverse steps.

        Reverse step n makes `x <- factors[n] . (x, predicted noise, new standard normal noise)`.

        Args:
            eta: float in [0, 1]; 1 for ancestral sampling with the variances of the posterior, 0
                for deterministic sampling.

        Returns:
            float64 [steps, 3].

        Raises:
            ValueError: if `eta` is not in [0, 1].

        Source: Song et al., arXiv:2010.02502, equations 12 and 16. `eta=1` is algorithm 2
        of DiffWave.
        """
        if not 0.0 <= eta <= 1.0:
            raise ValueError(f"eta must be in [0, 1]. Received: eta={eta}")
        remaining = self.signal_levels**2
        before = np.concatenate([[1.0], remaining[:-1]])
        scale = np.sqrt(before / remaining)
        variance = eta**2 * (1.0 - before) / (1.0 - remaining) * np.array(self.betas)
        direction = np.sqrt(np.maximum(0.0, 1.0 - before - variance))
        return np.stack(
            [scale, direction - scale * np.sqrt(1.0 - remaining), np.sqrt(variance)], axis=1
        )

    def diffuse(self, signal: tf.Tensor, noise: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Applies several diffusion steps to a signal at once.

        Args:
            signal: float32 [batch, samples].
            noise: float32 [batch, samples], standard normal.
            steps: int [batch], 0 to the number of steps - 1.

        Returns:
            float32 [batch, samples].
        """
        levels = self.signal_levels
        keep = tf.gather(tf.constant(levels, tf.float32), steps)[:, tf.newaxis]
        spread = tf.gather(tf.constant(np.sqrt(1.0 - levels**2), tf.float32), steps)[:, tf.newaxis]
        return keep * signal + spread * noise


def get(identifier: Any) -> NoiseSchedule:
    """Returns the noise schedule that an identifier stands for.

    Args:
        identifier: a schedule, its variances, or `{"steps", "first", "last"}` of a linear
            schedule.

    Raises:
        ValueError: if the identifier is none of these, or not a valid schedule.

    Examples:
        >>> get([1e-4, 1e-3, 1e-2]).betas
        (0.0001, 0.001, 0.01)
    """
    if isinstance(identifier, NoiseSchedule):
        return identifier
    if isinstance(identifier, Mapping):
        if set(identifier) != {"steps", "first", "last"}:
            raise ValueError(
                "A linear noise schedule has the keys steps, first and last. "
                f"Received: {sorted(identifier)}"
            )
        return NoiseSchedule.linear(identifier["steps"], identifier["first"], identifier["last"])
    if isinstance(identifier, str) or not hasattr(identifier, "__iter__"):
        raise ValueError(
            "A noise schedule is given by its variances or as {steps, first, last}. "
            f"Received: {identifier!r}"
        )
    return NoiseSchedule(tuple(identifier))
