"""Defines the flag `--config`, which takes the same keys in every version of `ml_collections`."""

from __future__ import annotations

import ast
from typing import Any

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


class _LiteralParser(flags.ArgumentParser):
    """Parses a Python literal; anything else is a string."""

    def parse(self, argument: str) -> Any:
        try:
            return ast.literal_eval(argument)
        except (SyntaxError, ValueError):
            return argument


def _support_optional_keys() -> None:
    """Lets the command line set keys that may be None, which hold any object.

    The last version of `ml_collections` for Python 3.9 refuses it.
    """
    tables = config_flags.config_flags
    tables._FIELD_TYPE_TO_PARSER.setdefault(object, _LiteralParser())
    if hasattr(tables, "_FIELD_TYPE_TO_SERIALIZER"):
        tables._FIELD_TYPE_TO_SERIALIZER.setdefault(object, flags.ArgumentSerializer())
