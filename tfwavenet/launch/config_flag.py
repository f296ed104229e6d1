"""Defines the flag `--config`, which takes the same keys in every version of `ml_collections`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Optional

import ml_collections
from absl import flags
from ml_collections import config_flags

from tfwavenet.training import config_keys


def define(help_string: str, flag_values: flags.FlagValues) -> Any:
    """Defines `--config`, a config file, and `--config.key=value` for any key of it.

    Args:
        help_string: help text of the flag; the list of the keys follows it.
        flag_values: the flags to which it is added.

    Returns:
        The flag's holder.
    """
    _support_optional_keys()
    described = (
        f"{help_string} Keys are changed by --config.key=value:\n{config_keys.help_text()}\n"
        "model.*: constructor argument of the model's class"
    )
    return config_flags.DEFINE_config_file(
        "config", None, described, lock_config=True, flag_values=flag_values
    )


def define_preset(flag_values: flags.FlagValues) -> Any:
    """Defines `--preset`, another way to set `--config.training.init`.

    Args:
        flag_values: the flags to which it is added.

    Returns:
        The flag's holder.
    """
    return flags.DEFINE_string(
        "preset",
        None,
        "Trained model to start from, like --config.training.init: name of a preset, folder of a "
        "preset or of a training run, or hf://user/model.",
        flag_values=flag_values,
    )


def with_fine_tuning(argv: Sequence[str]) -> list[str]:
    """Returns the command line with the config of fine-tuning, where a preset comes without one.

    Args:
        argv: the command line, program name first.
    """
    names = [argument.split("=")[0].lstrip("-") for argument in argv[1:]]
    if "preset" in names and "config" not in names:
        return [argv[0], "--config=configs/fine_tuning.py", *argv[1:]]
    return list(argv)


def with_preset(config: Any, preset: Optional[str]) -> Any:
    """Returns the config with the model that training starts from.

    Args:
        config: value of `--config`.
        preset: value of `--preset`.
    """
    if preset is None or config is None:
        return config
    chosen = ml_collections.ConfigDict(config.to_dict(), type_safe=False)
    chosen.training = {**config.to_dict().get("training", {}), "init": preset}
    return chosen


class _LiteralParser(flags.ArgumentParser):
    """Parses a Python literal; anything else is a string."""

    def parse(self, argument: str) -> Any:
        try:
            return ast.literal_eval(argument)
        except (SyntaxError, ValueError):
            return argument


class _NameOrMappingParser(config_flags.config_flags._ConfigDictParser):
    """Parses a mapping, or the name or number that stands for one.

    Such are the distribution and the recipe by name, and a learning rate that is constant.
    """

    def parse(self, argument: str) -> Any:
        value = _LiteralParser().parse(argument)
        return value if isinstance(value, (str, int, float)) else super().parse(argument)


def _support_optional_keys() -> None:
    """Lets the command line set keys that may be None, which hold any object, and names.

    The last version of `ml_collections` for Python 3.9 refuses the former.
    """
    tables = config_flags.config_flags
    tables._FIELD_TYPE_TO_PARSER[ml_collections.ConfigDict] = _NameOrMappingParser()
    tables._FIELD_TYPE_TO_PARSER.setdefault(object, _LiteralParser())
    if hasattr(tables, "_FIELD_TYPE_TO_SERIALIZER"):
        tables._FIELD_TYPE_TO_SERIALIZER.setdefault(object, flags.ArgumentSerializer())
