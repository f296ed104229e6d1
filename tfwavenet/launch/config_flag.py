"""The flag `--config`, which takes the same keys under every version of `ml_collections`."""

from __future__ import annotations

import ast
from typing import Any

from absl import flags
from ml_collections import config_flags


def define(help_string: str, flag_values: flags.FlagValues) -> Any:
    """Defines `--config`, a config file, and `--config.key=value` for any key of it.

    Args:
        help_string: what `--help` says of it.
        flag_values: where it is defined.

    Returns:
        The flag's holder.
    """
    _support_optional_keys()
    return config_flags.DEFINE_config_file(
        "config", None, help_string, lock_config=True, flag_values=flag_values
    )


class _LiteralParser(flags.ArgumentParser):
    """A Python literal, or else the string as it is."""

    def parse(self, argument: str) -> Any:
        try:
            return ast.literal_eval(argument)
        except (SyntaxError, ValueError):
            return argument


def _support_optional_keys() -> None:
    """Keys that may be None hold any object; the last version for Python 3.9 refuses to set them."""
    tables = config_flags.config_flags
    tables._FIELD_TYPE_TO_PARSER.setdefault(object, _LiteralParser())
    if hasattr(tables, "_FIELD_TYPE_TO_SERIALIZER"):
        tables._FIELD_TYPE_TO_SERIALIZER.setdefault(object, flags.ArgumentSerializer())
