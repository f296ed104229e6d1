"""Evaluating a network over text: bits per character, and how it continues what is held out."""

from __future__ import annotations

import bz2
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Optional

import numpy as np

from tfwavenet.evaluation import page, report, statistics
from tfwavenet.evaluation.clips import Clip
from tfwavenet.evaluation.loss import HeldOutLoss
from tfwavenet.text import UNKNOWN, TextRecipe, spelled_out_bits

_CONTINUATIONS = 6
_GIVEN_CHARACTERS = 200
_CHARACTERS = 400


def evaluate(
    model: Any,
    texts: Sequence[Clip],
    *,
    loss: HeldOutLoss,
    about: Mapping[str, Any],
    sampling: Mapping[str, Any],
    config: Optional[Mapping[str, Any]] = None,
) -> tuple[dict[str, Any], str]:
    """Report and page of a network over text.

    Args:
        model: over text.
        texts: what is held out.
        loss: of the texts, see `loss.held_out_loss`.
        about: what else is to be reported: model, settings, command.
        sampling: arguments of the model's `generate_text`, among them `seed`; the i-th
            continuation takes `seed + i`.
        config: of the experiment, shown on the page.

    Returns:
        The report, JSON values, whose `text` is that of `measure`; and the page, HTML.
    """
    result = {
        **report.heading(loss, about),
        "text": measure(model.recipe, texts, loss),
        "metrics": [],
        "systems": {},
        "continuations": continuations(model, texts, **sampling),
    }
    return result, _page(result, config)


def measure(recipe: TextRecipe, texts: Sequence[Clip], loss: HeldOutLoss) -> dict[str, Any]:
    """How many bits a character takes, and what that is to be compared with.

    Args:
        recipe: of the texts.
        texts: what is held out.
        loss: of the texts, in nats.

    Returns:
        `bits_per_character` and half of its 95 % confidence interval over the texts, `ci95` (None
        for one). An unknown character counts with the bits of code 0 and with those that tell
        which of the characters outside of the vocabulary it is, all equally likely. `codes_only`
        is without the latter. `unknown_share` is the share of unknown characters, `bz2` the bits
        per character of all texts compressed together, for comparison.
    """
    unknown = [int(np.sum(clip.signal == UNKNOWN)) for clip in texts]
    spelled_out = spelled_out_bits(recipe)
    codes = [total / math.log(2) for total in loss.totals]
    bits = [known + count * spelled_out for known, count in zip(codes, unknown)]
    characters = sum(loss.samples)
    together = "".join(recipe.decode(clip.signal) for clip in texts).encode("utf-8")
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
    model: Any, texts: Sequence[Clip], *, seed: int = 0, **sampling: Any
) -> list[dict[str, str]]:
    """Lets the model go on where some of the texts, spread evenly, break off.

    Args:
        model: over text.
        texts: at least one.
        seed: of the first.
        **sampling: further arguments of `generate_text`.

    Returns:
        `name`, `given` (the first 200 characters, or half of a shorter text), `generated` and
        `held_out`, how the text itself goes on, for each.
    """
    count = min(_CONTINUATIONS, len(texts))
    chosen = [texts[index * len(texts) // count] for index in range(count)]
    found = []
    for index, clip in enumerate(chosen):
        text = model.recipe.decode(clip.signal)
        given = text[: min(_GIVEN_CHARACTERS, len(text) // 2)]
        generated = model.generate_text(
            given, num_characters=_CHARACTERS, seed=seed + index, **sampling
        )
        held_out = text[len(given) : len(given) + _CHARACTERS]
        found.append(
            {"name": clip.name, "given": given, "generated": generated, "held_out": held_out}
        )
    return found


def _page(result: Mapping[str, Any], config: Optional[Mapping[str, Any]]) -> str:
    measured = result["text"]
    ci95 = "" if measured["ci95"] is None else f"± {page.number(measured['ci95'])}, "
    note = f"{ci95}bzip2 {page.number(measured['bz2'])}"
    unknown = f"of {measured['characters']}, not in the vocabulary"
    cards = [
        page.card("Held-out text", page.number(measured["bits_per_character"]), "bits/char", note),
        page.card("Unknown characters", str(measured["unknown_characters"]), "", unknown),
    ]
    model = result["model"]
    rows = [
        ("Receptive field", f"{model['receptive_field_samples']} characters"),
        ("Output", model["output"]),
        ("Text", f"recipe {model['recipe']}"),
    ]
    body = [
        f'<div class="cards">{"".join(cards)}</div>',
        f"<h2>Read</h2>{''.join(map(_continuation, result['continuations']))}",
        page.details(result, rows, config),
    ]
    return page.document(result, f"texts, {measured['characters']} characters", body)


def _continuation(item: Mapping[str, str]) -> str:
    versions = (("Generated", item["generated"]), ("Held out", item["held_out"]))
    shown = "".join(
        f'<div class="version"><div class="name">{label}</div>'
        f'<pre><span class="soft">{escape(item["given"])}</span>{escape(text)}</pre></div>'
        for label, text in versions
    )
    return (
        f'<section class="sample"><h3>{escape(item["name"])}</h3>'
        f'<div class="versions">{shown}</div></section>'
    )
