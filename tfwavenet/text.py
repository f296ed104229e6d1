"""The text recipe: how text becomes integer codes for a network, and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tfwavenet.checks import nearest_name, whole_number

UNKNOWN = 0
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Codes are stored as int16.
_MOST_CLASSES = 2**15


@dataclasses.dataclass(frozen=True)
class TextRecipe:
    """Turns text into codes for the network, and back.

    The recipe is a value, as `FeatureRecipe` is, and travels with the model. Its symbols are
    characters (Unicode code points), so the text of any drawn codes is valid. The i-th of
    `characters` has the code `i + 1`. Code 0 stands for every other character and becomes U+FFFD
    in text. Code 0 also precedes the first character.

    Text is normalized before it is encoded: line ends become LF, and characters their composed
    form (Unicode's NFC). So a letter with its accent is one symbol.

    Shapes: codes are int32 [characters].

    Args:
        classes: int, 2 to 32768, number of codes, as in the network's `Categorical`.
        characters: the vocabulary in the order of its codes, up to `classes - 1` different
            characters. If None, it is not fitted yet (see `with_counts`; `prepare` fits it).

    Raises:
        ValueError: if a field is out of its range; the message names it.

    Examples:
        >>> recipe = TextRecipe(characters="abn")
        >>> recipe.encode("banana!").tolist()
        [2, 1, 3, 1, 3, 1, 0]
        >>> recipe.decode([2, 1, 3])
        'ban'
    """

    classes: int = 256
    characters: str | None = None

    kind: ClassVar[str] = "text"
    hop_samples: ClassVar[int] = 1
    n_mels: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        classes = whole_number("classes", self.classes, 2, _MOST_CLASSES)
        object.__setattr__(self, "classes", classes)
        if self.characters is not None:
            self._check_characters(self.characters)

    def _check_characters(self, characters: object) -> None:
        if not isinstance(characters, str) or not 0 < len(characters) < self.classes:
            raise ValueError(
                f"characters of a text recipe must be a string of 1 to {self.classes - 1}. "
                f"Received: characters={characters!r}"
            )
        if len(set(characters)) < len(characters):
            raise ValueError(
                f"characters of a text recipe must differ. Received: characters={characters!r}"
            )
        if REPLACEMENT in characters or not is_unicode(characters):
            raise ValueError(
                "characters of a text recipe must be valid Unicode and not U+FFFD, which stands "
                f"for unknown ones. Received: characters={characters!r}"
            )

    def get_config(self) -> dict[str, Any]:
        """Returns every field, and the kind of the recipe, as plain JSON values."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TextRecipe:
        """Builds a recipe from the mapping that `get_config` gave.

        Args:
            config: fields of the recipe; absent fields take their default.

        Raises:
            ValueError: if a key is unknown (the message names the nearest), or a value is out of
                range.
        """
        names = ["kind", *(field.name for field in dataclasses.fields(cls))]
        for key in config:
            if key not in names:
                raise ValueError(
                    f"a text recipe has no field {key!r}{nearest_name(key, names)}. "
                    f"Received: {key}={config[key]!r}"
                )
        return cls(**{key: value for key, value in config.items() if key != "kind"})

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that two recipes share exactly when they are equal."""
        text = json.dumps(self.get_config(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def with_counts(self, counts: Mapping[str, int]) -> TextRecipe:
        """Returns this recipe with the most frequent characters of the training set.

        Args:
            counts: count of each character. Equally frequent characters are sorted by their code
                points.

        Raises:
            ValueError: if there is no character.
        """
        known = [character for character in counts if character != REPLACEMENT]
        ordered = sorted(known, key=lambda character: (-counts[character], character))
        return dataclasses.replace(self, characters="".join(ordered[: self.classes - 1]))

    def normalize(self, text: str) -> str:
        """Turns line ends into LF and characters into their composed form."""
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        return unicodedata.normalize("NFC", lines)

    def encode(self, text: str) -> np.ndarray:
        """Normalizes text and returns its codes, int32 [characters].

        Raises:
            ValueError: if the recipe has no vocabulary yet.
        """
        vocabulary = _code_points(self._vocabulary)
        order = np.argsort(vocabulary)
        points = _code_points(self.normalize(text))
        found = np.searchsorted(vocabulary, points, sorter=order).clip(max=len(order) - 1)
        code = order[found]
        return np.where(vocabulary[code] == points, code + 1, UNKNOWN).astype(np.int32)

    def decode(self, codes: ArrayLike) -> str:
        """Turns codes, int [characters], into text; codes without a character become U+FFFD.

        Raises:
            ValueError: if the codes have another rank, or the recipe has no vocabulary yet.
        """
        codes = np.asarray(codes)
        if codes.ndim != 1:
            raise ValueError(f"codes must have shape [characters]. Received: shape={codes.shape}")
        table = _code_points(REPLACEMENT + self._vocabulary)
        is_known = (codes >= 0) & (codes < len(table))
        points = table[np.where(is_known, codes, UNKNOWN).astype(np.int64)]
        return points.astype("<u4").tobytes().decode("utf-32-le")

    def is_drawn(self) -> np.ndarray:
        """Tells which codes may be generated, as they stand for characters: bool [classes]."""
        codes = np.arange(self.classes)
        return (codes != UNKNOWN) & (codes <= len(self._vocabulary))

    def to_audio(self, signal: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
        """Returns generated codes [..., characters] unchanged, as text needs no de-emphasis."""
        return signal, state

    @property
    def _vocabulary(self) -> str:
        if self.characters is None:
            raise ValueError(
                "this text recipe is expected to have a vocabulary, which `prepare` finds in the "
                "training text. Received: characters=None"
            )
        return self.characters


def spelled_out_bits(recipe: TextRecipe) -> float:
    """Returns the bits that spell out an unknown character, one outside of the vocabulary.

    Args:
        recipe: text recipe with a vocabulary.
    """
    surrogates = 0xE000 - 0xD800
    return float(np.log2(sys.maxunicode + 1 - surrogates - np.sum(recipe.is_drawn())))


def is_unicode(text: str) -> bool:
    """Tells whether text can be written as UTF-8: it holds no halves of surrogate pairs."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _code_points(text: str) -> np.ndarray:
    """Returns the code points of text, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")
