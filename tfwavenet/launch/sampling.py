"""The flags of how a diffusion model is sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from absl import flags

from tfwavenet import diffusion
from tfwavenet.models import DiffWave


def define_flags(flag_values: flags.FlagValues) -> tuple[flags.FlagHolder, flags.FlagHolder]:
    """Adds `--schedule` and `--eta` to the flags of a launcher, and returns them."""
    schedule = flags.DEFINE_list(
        "schedule",
        [],
        "Of a diffusion model: variances, with commas; default: the model's own.",
        flag_values=flag_values,
    )
    eta = flags.DEFINE_float(
        "eta",
        None,
        "Of a diffusion model: 1 for ancestral (default), 0 for deterministic sampling.",
        flag_values=flag_values,
    )
    return schedule, eta


def arguments(model: Any, schedule: Sequence[str], eta: Optional[float]) -> dict[str, Any]:
    """What the flags add to the arguments of a model's `generate`.

    Args:
        model: the one that generates.
        schedule: of `--schedule`, empty for none.
        eta: of `--eta`, None for none.

    Raises:
        ValueError: if they are given for a model without diffusion steps, or are not what it can
            be sampled with.
    """
    given = {"schedule": schedule or None, "eta": eta}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if chosen and not isinstance(model, DiffWave):
        raise ValueError(
            f"--{next(iter(chosen))} is for diffusion models. "
            f"Received: a model of class {type(model).__name__}"
        )
    if schedule:
        chosen["schedule"] = diffusion.get([_number(item) for item in schedule])
        model.schedule.align(chosen["schedule"])
    if eta is not None:
        model.schedule.update_coefficients(eta)
    return chosen


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"--schedule holds numbers. Received: {text!r}") from error
