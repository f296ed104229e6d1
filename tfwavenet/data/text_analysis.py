"""Turns one text file into records, or gives the reason why it cannot be used."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfwavenet.data import texts
from tfwavenet.data.records import Record
from tfwavenet.data.splits import Utterance
from tfwavenet.data.unusable import UnusableRecordingError
from tfwavenet.text import TextRecipe

# Part of the format: another value gives other files.
_MAX_CHARACTERS = 2**14


@dataclasses.dataclass(frozen=True)
class TextAnalysis:
    """Turns texts into records, as `Analysis` does for recordings.

    The signal of a record holds codes [characters], one per character. Longer texts are cut into
    the fewest nearly equal pieces.

    Attributes:
        recipe: the text recipe, with its vocabulary if that is fitted.
        max_characters: longest record, >= 1.
    """

    recipe: TextRecipe
    max_characters: int = _MAX_CHARACTERS

    def settings(self) -> dict[str, Any]:
        """Returns the settings that decide about the content of records, as JSON values."""
        return {
            "recipe": self.recipe.get_config(),
            "max_characters": self.max_characters,
            "with_mel": False,
        }

    @property
    def needs_statistics(self) -> bool:
        """Tells whether the vocabulary is still to be found in the training set."""
        return self.recipe.characters is None

    def statistics(self, utterances: Iterable[Utterance]) -> dict[str, int]:
        """Counts each character of some texts, without unusable texts."""
        counts: Counter[str] = Counter()
        for utterance in utterances:
            try:
                counts.update(self._text(utterance))
            except UnusableRecordingError:
                continue  # the pass that writes reports it
        return dict(counts)

    def fitted(self, results: Sequence[Mapping[str, int]]) -> TextAnalysis:
        """Returns an analysis with the vocabulary of `statistics`; unchanged without characters."""
        counts: Counter[str] = Counter()
        for result in results:
            counts.update(result)
        if not counts:
            return self
        return dataclasses.replace(self, recipe=self.recipe.with_counts(counts))

    def sample_rate(self, utterance: Utterance) -> int | None:
        """Returns None, as text has no sample rate."""
        return None

    def records(self, utterance: Utterance, speaker: int) -> list[Record]:
        """Reads and encodes a text.

        Args:
            utterance: the text, or a part of a text.
            speaker: index of its speaker.

        Returns:
            At least one record. A text that is cut gives `name-000`, `name-001`...

        Raises:
            UnusableRecordingError: if the file is missing, not UTF-8 text, or empty.
        """
        codes = self.recipe.encode(self._text(utterance))
        count = math.ceil(len(codes) / self.max_characters)
        edges = [len(codes) * number // count for number in range(count + 1)]
        names = [utterance.name]
        if count > 1:
            names = [f"{utterance.name}-{number:03d}" for number in range(count)]
        return [
            Record(name=name, speaker=speaker, signal=codes[low:high])
            for name, low, high in zip(names, edges, edges[1:])
        ]

    def _text(self, utterance: Utterance) -> str:
        """Returns the normalized text of an utterance, at least one character."""
        text = self.recipe.normalize(texts.read(utterance.path))
        first, last = (round(len(text) * share) for share in utterance.part)
        if first == last:
            raise UnusableRecordingError(
                f"too short: {utterance.path!r} is expected to have a stretch for each split. "
                f"Received: characters={len(text)}"
            )
        return text[first:last]
