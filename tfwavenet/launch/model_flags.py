"""Defines the flags that name a trained model: `--workdir`, `--preset` and `--weights`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional, cast

from absl import flags

if TYPE_CHECKING:
    from tfwavenet.run import Run
    from tfwavenet.training.workdir import Weights

PRESET_HELP = (
    "Name of a preset that comes with the package, folder of a preset, or hf://user/model."
)


class ModelFlags(NamedTuple):
    """The holders of the flags."""

    workdir: flags.FlagHolder[Optional[str]]
    preset: flags.FlagHolder[Optional[str]]
    weights: flags.FlagHolder[str]

    def run(self) -> Run:
        """Returns the run, or the preset, that the command line names.

        Raises:
            ValueError: If neither is given, or a preset does not exist.
        """
        from tfwavenet.models.presets import presets
        from tfwavenet.run import Run

        if self.preset.value is not None:
            return Run.from_preset(self.preset.value, self.workdir.value or ".")
        if self.workdir.value is None:
            raise ValueError(
                "--workdir=FOLDER of a training run or --preset=NAME is expected; there are the "
                f"presets {', '.join(presets())}. Received: neither"
            )
        return Run(self.workdir.value, weights=cast("Weights", self.weights.value))


def define(flag_values: flags.FlagValues) -> ModelFlags:
    """Defines the flags.

    Args:
        flag_values: the flags of the launcher.
    """
    return ModelFlags(
        flags.DEFINE_string(
            "workdir",
            None,
            "Folder of a training run. With --preset the folder to write to; default: the current.",
            flag_values=flag_values,
        ),
        flags.DEFINE_string("preset", None, PRESET_HELP, flag_values=flag_values),
        flags.DEFINE_enum(
            "weights",
            "ema",
            ["ema", "raw"],
            "Of a training run, ema: averaged weights; raw: last weights.",
            flag_values=flag_values,
        ),
    )
