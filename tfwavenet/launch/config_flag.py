"""Defines the flag `--config`, which takes the same keys in every version of `ml_collections`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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


class Shorthand(NamedTuple):
    """Describes a flag that is a shorter way to set one key of the config.

    Attributes:
        key: dotted name of the key.
        help: help text of the flag.
    """

    key: str
    help: str


SHORTHANDS = {
    "preset": Shorthand(
        "training.init",
        "Trained model to start from: name of a preset, folder of a preset or of a training run, "
        "or hf://user/model.",
    ),
    "features": Shorthand(
        "data.features",
        "Folder with a .npy or .npz file of features for each recording.",
    ),
    "splits": Shorthand("data.splits", "File with lines of name,set: the sets of the recordings."),
}


def define_shorthands(flag_values: flags.FlagValues, names: Iterable[str]) -> dict[str, Any]:
    """Defines flags that stand for keys of the config.

    Args:
        flag_values: the flags to which they are added.
        names: names from `SHORTHANDS`.

    Returns:
        The flags' holders by name.
    """
    return {
        name: flags.DEFINE_string(
            name,
            None,
            f"{SHORTHANDS[name].help} Short for --config.{SHORTHANDS[name].key}.",
            flag_values=flag_values,
        )
        for name in names
    }


def with_fine_tuning(argv: Sequence[str]) -> list[str]:
    """Returns the command line with the config of fine-tuning, where a preset comes without one.

    Args:
        argv: the command line, program name first.
    """
    names = [argument.split("=")[0].lstrip("-") for argument in argv[1:]]
    if "preset" in names and "config" not in names:
        return [argv[0], "--config=configs/fine_tuning.py", *argv[1:]]
    return list(argv)


def with_shorthands(config: Any, holders: Mapping[str, Any]) -> Any:
    """Returns the config with the keys that were given in short.

    Args:
        config: value of `--config`.
        holders: the flags' holders, see `define_shorthands`.

    Raises:
        ValueError: if such a flag is given without a config.
    """
    given = {name: holder.value for name, holder in holders.items() if holder.value is not None}
    if not given:
        return config
    if config is None:
        name, value = next(iter(given.items()))
        raise ValueError(f"--{name} needs a --config beside it. Received: --{name}={value}")
    chosen = config.to_dict()
    for name, value in given.items():
        section, _, key = SHORTHANDS[name].key.partition(".")
        chosen[section] = {**chosen.get(section, {}), key: value}
    return ml_collections.ConfigDict(chosen, type_safe=False)


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
