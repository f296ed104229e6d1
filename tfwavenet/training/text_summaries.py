"""Writes the summaries of a model over text for TensorBoard: continuations of held-out texts."""

from __future__ import annotations

import pathlib
import textwrap
from typing import Any

import tensorflow as tf

from tfwavenet import files
from tfwavenet.training.summaries import Example, SampleSummaries


class TextSummaries(SampleSummaries):
    """Continues held-out texts every few epochs.

    The first half of each example is given, the other half is generated. Writes
    `<samples>/<step>/<text>.txt`, `<samples>/recording/<text>.txt` with the held-out text itself,
    and both for TensorBoard.

    The arguments are described in `SampleSummaries`. The signals of the examples are codes, and
    `recipe` is a `TextRecipe`.
    """

    def _made(self) -> list[Any]:
        return [
            self._continued(self._recipe.decode(example.signal), self._seed + index)
            for index, example in enumerate(self._examples)
        ]

    def _continued(self, text: str, seed: int) -> str:
        given = text[: len(text) // 2]
        return given + self.model.generate_text(
            given, num_characters=len(text) - len(given), seed=seed
        )

    def _write(self, example: Example, made: Any, folder: pathlib.Path) -> None:
        name, held_out = f"{self._stems[example.name]}.txt", self._recipe.decode(example.signal)
        recording = self._samples / "recording" / name
        if not recording.exists():
            _write_text(recording, held_out)
        _write_text(folder / name, made)
        for title, text in (("generated", made), ("recording", held_out)):
            # Markdown shows what is indented as it is.
            indented = textwrap.indent(text, "    ", lambda line: True)
            tf.summary.text(f"{files.printable(example.name)}/{title}", indented)


def _write_text(path: pathlib.Path, text: str) -> None:
    with files.atomic_write(path) as file:
        file.write(text.encode("utf-8"))
