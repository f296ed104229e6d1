"""Defines the flags of sampling, of which some models take only a part."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags

if TYPE_CHECKING:
    from tfwavenet.run import Run

_DIFFUSION = ("schedule", "num_inference_steps", "eta")


class Flags(NamedTuple):
    """The flags that `define_flags` adds."""

    temperature: flags.FlagHolder
    schedule: flags.FlagHolder
    num_inference_steps: flags.FlagHolder
    eta: flags.FlagHolder
    top_k: flags.FlagHolder
    top_p: flags.FlagHolder
    fold_frames: flags.FlagHolder
    overlap_frames: flags.FlagHolder

    def values(self) -> dict[str, Any]:
        """Returns the values of the flags, as `arguments` takes them."""
        return {name: holder.value for name, holder in self._asdict().items()}


def define_flags(flag_values: flags.FlagValues) -> Flags:
    """Adds the flags of sampling to the flags of a launcher."""
    temperature = flags.DEFINE_float(
        "temperature",
        None,
        "Temperature of the sampling; 0: no randomness; default: 1, or what a preset recommends.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
    schedule = flags.DEFINE_list(
        "schedule",
        None,
        "Variances of the steps, separated by commas, for a diffusion model; default: the model's.",
        flag_values=flag_values,
    )
    num_inference_steps = flags.DEFINE_integer(
        "num_inference_steps",
        None,
        "Number of steps, for a diffusion model, in place of --schedule.",
        lower_bound=1,
        flag_values=flag_values,
    )
    eta = flags.DEFINE_float(
        "eta",
        None,
        "Share of fresh noise, for a diffusion model; 1 (default): ancestral, 0: deterministic.",
        flag_values=flag_values,
    )
    top_k = flags.DEFINE_integer(
        "top_k",
        None,
        "Number of the most likely codes to draw from, for a model that predicts codes; default: all.",
        lower_bound=1,
        flag_values=flag_values,
    )
    top_p = flags.DEFINE_float(
        "top_p",
        None,
        "Total probability of the most likely codes to draw from, such as 0.99, for a model that "
        "predicts codes; default: 1, all codes.",
        flag_values=flag_values,
    )
    fold_frames = flags.DEFINE_integer(
        "fold_frames",
        None,
        "Length in frames of the pieces that are generated at the same time, for a model that "
        "predicts sample by sample; default: no pieces.",
        lower_bound=1,
        flag_values=flag_values,
    )
    overlap_frames = flags.DEFINE_integer(
        "overlap_frames",
        None,
        "Frames by which the pieces overlap, with --fold_frames.",
        lower_bound=0,
        flag_values=flag_values,
    )
    return Flags(
        temperature, schedule, num_inference_steps, eta, top_k, top_p, fold_frames, overlap_frames
    )


def arguments(run: Run, **given: Any) -> dict[str, Any]:
    """Returns what the flags add to the arguments of a model's `generate`.

    Args:
        run: the run or preset whose model generates. What a preset recommends is the default.
        **given: values of the flags. If a flag is not given, None.

    Raises:
        ValueError: If a flag is for another kind of model, or its value is out of range.
    """
    from tfwavenet import diffusion

    model = run.model
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
    if "num_inference_steps" in chosen:
        if "schedule" in chosen:
            raise ValueError(
                "--schedule and --num_inference_steps exclude each other. Received: both"
            )
        model.schedule.shortened(chosen["num_inference_steps"])
    if "eta" in chosen:
        model.schedule.update_coefficients(chosen["eta"])
    return {**run.sampling, **chosen}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"--schedule holds numbers. Received: {text!r}") from error
