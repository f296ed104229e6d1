"""The flags of how a model is sampled that are not for every model."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from absl import flags

from tfwavenet import diffusion

_DIFFUSION = ("schedule", "eta")


class Flags(NamedTuple):
    """What `define_flags` adds."""

    schedule: flags.FlagHolder
    eta: flags.FlagHolder
    top_k: flags.FlagHolder
    top_p: flags.FlagHolder
    fold_frames: flags.FlagHolder
    overlap_frames: flags.FlagHolder

    def values(self) -> dict[str, Any]:
        """Their values, as `arguments` takes them."""
        return {name: holder.value for name, holder in self._asdict().items()}


def define_flags(flag_values: flags.FlagValues) -> Flags:
    """Adds the flags to those of a launcher."""
    schedule = flags.DEFINE_list(
        "schedule",
        None,
        "Of a diffusion model: variances, with commas; default: the model's own.",
        flag_values=flag_values,
    )
    eta = flags.DEFINE_float(
        "eta",
        None,
        "Of a diffusion model: 1 for ancestral (default), 0 for deterministic sampling.",
        flag_values=flag_values,
    )
    top_k = flags.DEFINE_integer(
        "top_k",
        None,
        "Of a model that predicts codes: draws only so many of the most likely ones; default: all.",
        lower_bound=1,
        flag_values=flag_values,
    )
    top_p = flags.DEFINE_float(
        "top_p",
        None,
        "Of a model that predicts codes: draws only the most likely ones that together have this "
        "probability, such as 0.99; default: all.",
        flag_values=flag_values,
    )
    fold_frames = flags.DEFINE_integer(
        "fold_frames",
        None,
        "Of a model that predicts sample by sample: cuts what is generated into pieces of this many "
        "frames, which are made at the same time; default: whole.",
        lower_bound=1,
        flag_values=flag_values,
    )
    overlap_frames = flags.DEFINE_integer(
        "overlap_frames",
        None,
        "With --fold_frames: how much earlier each piece begins.",
        lower_bound=0,
        flag_values=flag_values,
    )
    return Flags(schedule, eta, top_k, top_p, fold_frames, overlap_frames)


def arguments(model: Any, **given: Any) -> dict[str, Any]:
    """What the flags add to the arguments of a model's `generate`.

    Args:
        model: the one that generates.
        **given: values of the flags, None for those that are not given.

    Raises:
        ValueError: if one is given for another kind of model, or is not what it can be sampled
            with.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if name not in inspect.signature(model.generate).parameters:
            kind = (
                "diffusion models" if name in _DIFFUSION else "models that predict sample by sample"
            )
            raise ValueError(
                f"--{name} is for {kind}. Received: a model of class {type(model).__name__}"
            )
    if "overlap_frames" in chosen and "fold_frames" not in chosen:
        raise ValueError(
            f"--overlap_frames needs --fold_frames. "
            f"Received: --overlap_frames={chosen['overlap_frames']} alone"
        )
    if "schedule" in chosen:
        chosen["schedule"] = diffusion.get([_number(item) for item in chosen["schedule"]])
        model.schedule.align(chosen["schedule"])
    if "eta" in chosen:
        model.schedule.update_coefficients(chosen["eta"])
    return chosen


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"--schedule holds numbers. Received: {text!r}") from error
