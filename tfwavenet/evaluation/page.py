"""Renders the evaluation as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from tfwavenet.audio import wav_format
from tfwavenet.evaluation import spectrogram_images, statistics
from tfwavenet.evaluation.html_templates import Html, fill, fill_page, join
from tfwavenet.evaluation.report import Segment
from tfwavenet.evaluation.synthesis import System

# The numbers at the top of the page, which rank vocoders sensibly.
_HEADLINES = ("pesq_nb", "pesq_wb", "f0_cents", "spectral_convergence", "estoi")
_SAMPLE_METRICS = ("pesq_nb", "pesq_wb", "estoi", "spectral_convergence", "f0_cents")
_EMPTY = Html("")


def render(
    report: Mapping[str, Any],
    found: Sequence[Segment],
    systems: Sequence[System],
    *,
    config: Optional[Mapping[str, Any]] = None,
) -> str:
    """Renders the page, with audio and pictures inside, so that the file can be moved or mailed.

    Args:
        report: from `report.build`.
        found: the segments to listen to: the first segments of the report, in its order.
        systems: in the order of the segments' `systems`.
        config: config of the experiment; JSON values.

    Returns:
        HTML.
    """
    minutes, seconds = divmod(round(report["seconds"]), 60)
    body = [
        _cards(report),
        _table(report),
        _samples(report, found, systems),
        details(report, _rows(report), config),
    ]
    return document(report, f"utterances, {minutes}:{seconds:02d} min", body)


def document(report: Mapping[str, Any], amount: str, body: Sequence[Html]) -> str:
    """Renders the HTML document of a page.

    Args:
        report: gives title and subtitle.
        amount: the word for the utterances, and their total length.
        body: parts of the page, from top to bottom.
    """
    subtitle = _subtitle(report, amount)
    return fill_page(title=report["title"], subtitle=subtitle, body=join(body))


def number(value: Optional[float]) -> str:
    """Formats a value with about three significant digits; None is a dash."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}".replace("-", "−")


def best_system(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Optional[str]:
    """Returns the comparable system that is clearly better than every other one.

    Args:
        report: from `report.build`.
        metric: an item of its `metrics`.

    Returns:
        The name of the system. If there are fewer than two systems, or the best one is not clearly
        better than another one (see `statistics.is_clear`), None.
    """
    found = {
        name: _summary(system, metric["name"]).get("mean")
        for name, system in report["systems"].items()
        if system["comparable"]
    }
    means = {name: float(mean) for name, mean in found.items() if mean is not None}
    if len(means) < 2:
        return None
    choose = min if metric["better"] == "lower" else max
    best = choose(means, key=lambda name: means[name])
    values = {
        name: [row["scores"][name][metric["name"]] for row in report["segments"]] for name in means
    }
    differences = [
        statistics.paired_difference(values[best], values[other])
        for other in means
        if other != best
    ]
    return best if all(map(statistics.is_clear, differences)) else None


def _summary(system: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    return system["metrics"].get(metric, {})


def _subtitle(report: Mapping[str, Any], amount: str) -> str:
    settings = report["settings"]
    parts = [
        f"{report['utterances']} held-out {amount}",
        *(f"{name} {settings[name]}" for name in ("split", "weights", "step") if name in settings),
        report["created"].replace("T", " ").replace("+00:00", " UTC"),
    ]
    return " · ".join(parts)


def _cards(report: Mapping[str, Any]) -> Html:
    by_name = {metric["name"]: metric for metric in report["metrics"]}
    cards = [_card(report, by_name[name]) for name in _HEADLINES if name in by_name]
    return fill("cards", cards=join([_loss_card(report["loss"]), *cards]))


def _loss_card(loss: Mapping[str, Any]) -> Html:
    if loss["per_sample"] is None:
        return _EMPTY
    label, value, unit = loss["name"].capitalize(), number(loss["per_sample"]), loss["unit"]
    note = "of a density, so it may be negative" if unit == "nats" else ""
    if loss["bits_per_sample"] is not None:
        note, value, unit = f"{value} nats", number(loss["bits_per_sample"]), "bits"
    return fill("card", label=label, value=value, unit=f"{unit} per sample", note=note)


def _card(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Html:
    """Renders the model's mean beside that of Griffin-Lim."""
    systems = report["systems"]
    ours = _summary(systems["model"], metric["name"]).get("mean")
    if ours is None or "griffin_lim" not in systems:
        return _EMPTY
    theirs = _summary(systems["griffin_lim"], metric["name"]).get("mean")
    note = _with_verdict(report, metric, f"Griffin-Lim {number(theirs)}")
    return fill("card", label=metric["label"], value=number(ours), unit=metric["unit"], note=note)


def _with_verdict(report: Mapping[str, Any], metric: Mapping[str, Any], text: str) -> str:
    """Puts before a text whether the model is better than Griffin-Lim, if that can be told."""
    difference = report["differences"].get(metric["name"], {})
    if difference.get("count", 0) < statistics.FEWEST_PAIRS:
        return text
    if not statistics.is_clear(difference):
        return fill("verdict", kind="even", words="even with", rest=text)
    is_better = (difference["mean"] < 0) == (metric["better"] == "lower")
    word = "better" if is_better else "worse"
    return fill("verdict", kind=word, words=f"{word} than", rest=text)


def _table(report: Mapping[str, Any]) -> Html:
    systems = {name: item for name, item in report["systems"].items() if item["metrics"]}
    if not systems:
        return _EMPTY
    heads = join([fill("head", label=item["label"]) for item in systems.values()])
    rows = join([_row(report, metric, systems) for metric in report["metrics"]])
    return fill("table", heads=heads, rows=rows, notes=_notes(report, systems))


def _row(
    report: Mapping[str, Any], metric: Mapping[str, Any], systems: Mapping[str, Mapping[str, Any]]
) -> Html:
    best = best_system(report, metric)
    cells = []
    for name, system in systems.items():
        summary = _summary(system, metric["name"])
        kind = "best" if name == best else "" if system["comparable"] else "aside"
        ci95 = summary.get("ci95")
        interval = _EMPTY if ci95 is None else fill("interval", ci95=number(ci95))
        cells.append(fill("cell", kind=kind, mean=number(summary.get("mean")), interval=interval))
    return fill(
        "row",
        label=metric["label"],
        arrow="↑" if metric["better"] == "higher" else "↓",
        unit=f", {metric['unit']}" if metric["unit"] else "",
        about=metric["about"],
        cells=join(cells),
    )


def _notes(report: Mapping[str, Any], systems: Mapping[str, Mapping[str, Any]]) -> str:
    """Says what the table rests on, and why values are missing."""
    count = len(report["segments"])
    joined = count < report["utterances"]
    what = f"{count} segments of joined utterances" if joined else f"{count} utterances"
    verdict = (
        f"the interval of the difference over at least {statistics.FEWEST_PAIRS} excludes zero"
    )
    interval = "± half of the 95 % confidence interval"
    notes = [f"Means over {what}, {interval}; ✓ marks the better system, if {verdict}."]
    notes += [f"{item['label']}: {item['about']}." for item in systems.values() if item["metrics"]]
    reasons = {
        f"{metric['label']} has no value for {summary['missing']} of {count}: {summary['reason']}."
        for metric in report["metrics"]
        for summary in (_summary(item, metric["name"]) for item in systems.values())
        if "missing" in summary
    }
    partly = ["A mean leaves out what lacks a value in another column."] if reasons else []
    return " ".join([*notes, *sorted(reasons), *partly])


def _samples(
    report: Mapping[str, Any], found: Sequence[Segment], systems: Sequence[System]
) -> Html:
    labels = {metric["name"]: metric for metric in report["metrics"]}
    blocks = [
        _sample(segment, row, systems, labels, report["sample_rate"])
        for segment, row in zip(found, report["segments"])
    ]
    return fill("section", title="Listen", body=join(blocks)) if blocks else _EMPTY


def _sample(
    segment: Segment,
    row: Mapping[str, Any],
    systems: Sequence[System],
    labels: Mapping[str, Mapping[str, Any]],
    rate: int,
) -> Html:
    top_db = float(spectrogram_images.levels_db(segment.recording, sample_rate=rate).max())
    versions = [_audible("Recording", "", segment.recording, rate, top_db)]
    for system, audio in zip(systems, segment.systems):
        notes = _score_line(row["scores"][system.name], labels)
        versions.append(_audible(system.label, notes, audio, rate, top_db))
    return fill(
        "sample",
        name=segment.name,
        speaker=fill("speaker", speaker=segment.speaker) if segment.speaker else _EMPTY,
        text=fill("text", text=segment.text) if segment.text else _EMPTY,
        versions=join(versions),
    )


def _score_line(scores: Mapping[str, Any], labels: Mapping[str, Mapping[str, Any]]) -> str:
    chosen = [name for name in _SAMPLE_METRICS if scores.get(name) is not None]
    parts = [
        f"{labels[name]['label']} {number(scores[name])} {labels[name]['unit']}".strip()
        for name in chosen
    ]
    return " · ".join(parts)


def _audible(label: str, notes: str, audio: np.ndarray, rate: int, top_db: float) -> Html:
    picture = spectrogram_images.spectrogram_jpeg(audio, sample_rate=rate, top_db=top_db)
    return fill(
        "audible",
        label=label,
        notes=notes,
        audio=_data_url(_wav(audio, rate), "audio/wav"),
        picture=_data_url(picture, "image/jpeg"),
        band=f"0 to {rate / 2000:g} kHz",
        duration=f"{len(audio) / rate:.2f} s",
    )


def _wav(audio: np.ndarray, rate: int) -> bytes:
    samples = wav_format.to_pcm(audio)
    head = wav_format.header(frames=len(samples), sample_rate=rate, channels=1)
    return bytes(head) + samples.tobytes()


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    model, made = report["model"], report["systems"]["model"]
    speed = f"{made['seconds']:.0f} s with compilation"
    if made["samples_per_second"] is not None:
        factor = number(made["real_time_factor"])
        speed += f"; then {made['samples_per_second']:.0f} samples/s, real-time factor {factor}"
    return [
        ("Receptive field", _duration(model["receptive_field_samples"], report["sample_rate"])),
        ("Output", model["output"]),
        ("Audio", f"{report['sample_rate']} Hz, feature recipe {model['recipe']}"),
        ("Generation", speed),
    ]


def details(
    report: Mapping[str, Any], about: Sequence[tuple[str, str]], config: Optional[Mapping[str, Any]]
) -> Html:
    """Renders the facts about model and evaluation.

    Args:
        report: from `report.build`.
        about: labels and values of what only some models have.
        config: config of the experiment; JSON values.
    """
    model = report["model"]
    rows = [
        ("Model", f"{model['class']}, {model['parameters']:_} parameters".replace("_", " ")),
        *about,
        ("Settings", ", ".join(f"{key} {value}" for key, value in report["settings"].items())),
        ("Package", report["package"]),
    ]
    items = join([fill("item", key=key, value=value) for key, value in rows])
    return fill("details", items=items, command=report["command"], config=_config(config))


def _duration(samples: int, rate: int) -> str:
    return f"{samples} samples, {samples / rate * 1000:.0f} ms"


def _config(config: Optional[Mapping[str, Any]]) -> Html:
    if not config:
        return _EMPTY
    text = json.dumps(config, indent=2, ensure_ascii=False, default=str)
    return fill("config", config=text)
