"""The flags of how a model is sampled that are not for every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from absl import flags

from tfwavenet import diffusion
from tfwavenet.models import DiffWave


class Flags(NamedTuple):
    """What `define_flags` adds."""

    schedule: flags.FlagHolder
    eta: flags.FlagHolder
    top_p: flags.FlagHolder

    def values(self) -> dict[str, Any]:
        """Their values, as `arguments` takes them."""
        return {name: holder.value for name, holder in self._asdict().items()}


def define_flags(flag_values: flags.FlagValues) -> Flags:
    """Adds `--schedule`, `--eta` and `--top_p` to the flags of a launcher."""
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
    top_p = flags.DEFINE_float(
        "top_p",
        None,
        "Of a model that predicts codes: draws only the most likely ones that together have this "
        "probability, such as 0.99; default: all.",
        flag_values=flag_values,
    )
    return Flags(schedule, eta, top_p)


def arguments(
    model: Any,
    *,
    schedule: Sequence[str] = (),
    eta: Optional[float] = None,
    top_p: Optional[float] = None,
) -> dict[str, Any]:
    """What the flags add to the arguments of a model's `generate`.

    Args:
        model: the one that generates.
        schedule: of `--schedule`, empty for none.
        eta: of `--eta`, None for none.
        top_p: of `--top_p`, None for none.

    Raises:
        ValueError: if they are given for another kind of model, or are not what it can be sampled
            with.
    """
    given = {"schedule": schedule or None, "eta": eta, "top_p": top_p}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if (name == "top_p") == isinstance(model, DiffWave):
            kind = "models that predict codes" if name == "top_p" else "diffusion models"
            raise ValueError(
                f"--{name} is for {kind}. Received: a model of class {type(model).__name__}"
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
