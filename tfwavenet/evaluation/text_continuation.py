"""Evaluates a model over text: bits per character, and continuations of held-out texts."""

from __future__ import annotations

import bz2
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from tfwavenet.evaluation import page, report, statistics
from tfwavenet.evaluation.html_templates import Html, fill, join
from tfwavenet.evaluation.loss import HeldOutLoss
from tfwavenet.evaluation.utterances import Utterance
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.text import UNKNOWN, TextRecipe, spelled_out_bits

_CONTINUATIONS = 6
_GIVEN_CHARACTERS = 200
_CHARACTERS = 400


def evaluate(
    model: AudioModel,
    texts: Sequence[Utterance],
    *,
    loss: HeldOutLoss,
    about: Mapping[str, Any],
    sampling: Mapping[str, Any],
    config: Optional[Mapping[str, Any]] = None,
) -> tuple[dict[str, Any], str]:
    """Computes report and page of a model over text.

    Args:
        model: a model over text.
        texts: held-out texts.
        loss: loss of the texts, see `loss.held_out_loss`.
        about: further items of the report: model, settings, command.
        sampling: arguments of the model's `generate_text`, among them `seed`; the i-th
            continuation takes `seed + i`.
        config: config of the experiment, shown on the page.

    Returns:
        The report, JSON values, whose `text` is from `measure`; and the page, HTML.
    """
    result = {
        **report.heading(loss, about),
        "text": measure(model.recipe, texts, loss),
        "metrics": [],
        "systems": {},
        "continuations": continuations(model, texts, **sampling),
    }
    return result, _page(result, config)


def measure(recipe: TextRecipe, texts: Sequence[Utterance], loss: HeldOutLoss) -> dict[str, Any]:
    """Computes the bits per character, and the bits of a compressor for comparison.

    An unknown character costs the bits of code 0, and the bits that tell which character outside
    of the vocabulary it is. All of these are equally likely.

    Args:
        recipe: recipe of the texts.
        texts: held-out texts.
        loss: loss of the texts, in nats.

    Returns:
        `bits_per_character`, and `ci95`, half of its 95 % confidence interval over the texts. If
        there is only one text, `ci95` is None. `codes_only` leaves out the bits that tell unknown
        characters apart.
        `unknown_share` is the share of unknown characters. `bz2` is the number of bits per
        character of all texts compressed together.
    """
    unknown = [int(np.sum(text.signal == UNKNOWN)) for text in texts]
    spelled_out = spelled_out_bits(recipe)
    codes = [total / math.log(2) for total in loss.totals]
    bits = [known + count * spelled_out for known, count in zip(codes, unknown)]
    characters = sum(loss.samples)
    together = "".join(recipe.decode(text.signal) for text in texts).encode("utf-8")
    return {
        "bits_per_character": math.fsum(bits) / characters,
        "ci95": statistics.ratio_ci95(bits, loss.samples),
        "codes_only": math.fsum(codes) / characters,
        "characters": characters,
        "unknown_characters": sum(unknown),
        "unknown_share": sum(unknown) / characters,
        "bz2": 8 * len(bz2.compress(together)) / characters,
    }


def continuations(
    model: AudioModel, texts: Sequence[Utterance], *, seed: int = 0, **sampling: Any
) -> list[dict[str, str]]:
    """Lets the model continue the beginnings of some texts, which are spread evenly.

    Args:
        model: a model over text.
        texts: at least one text.
        seed: seed of the first continuation; the i-th takes `seed + i`.
        **sampling: further arguments of `generate_text`.

    Returns:
        For each text `name`, `given` (the first 200 characters, or half of a shorter text),
        `generated`, and `held_out`, the continuation in the text itself.
    """
    count = min(_CONTINUATIONS, len(texts))
    chosen = [texts[index * len(texts) // count] for index in range(count)]
    found = []
    for index, item in enumerate(chosen):
        text = model.recipe.decode(item.signal)
        given = text[: min(_GIVEN_CHARACTERS, len(text) // 2)]
        generated = model.generate_text(
            given, num_characters=_CHARACTERS, seed=seed + index, **sampling
        )
        held_out = text[len(given) : len(given) + _CHARACTERS]
        found.append(
            {"name": item.name, "given": given, "generated": generated, "held_out": held_out}
        )
    return found


def _page(result: Mapping[str, Any], config: Optional[Mapping[str, Any]]) -> str:
    measured = result["text"]
    ci95 = "" if measured["ci95"] is None else f"± {page.number(measured['ci95'])}, "
    note = f"{ci95}bzip2 {page.number(measured['bz2'])}"
    unknown = f"of {measured['characters']}, not in the vocabulary"
    cards = [
        fill(
            "card",
            label="Held-out text",
            value=page.number(measured["bits_per_character"]),
            unit="bits/char",
            note=note,
        ),
        fill(
            "card",
            label="Unknown characters",
            value=measured["unknown_characters"],
            unit="",
            note=unknown,
        ),
    ]
    model = result["model"]
    rows = [
        ("Receptive field", f"{model['receptive_field_samples']} characters"),
        ("Output", model["output"]),
        ("Text", f"recipe {model['recipe']}"),
    ]
    body = [
        fill("cards", cards=join(cards)),
        fill("section", title="Read", body=join(map(_continuation, result["continuations"]))),
        page.details(result, rows, config),
    ]
    return page.document(result, f"texts, {measured['characters']} characters", body)


def _continuation(item: Mapping[str, str]) -> Html:
    versions = (("Generated", item["generated"]), ("Held out", item["held_out"]))
    shown = [
        fill("written", label=label, given=item["given"], text=text) for label, text in versions
    ]
    return fill("sample", name=item["name"], speaker="", text="", versions=join(shown))
