"""The evaluation as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Optional

import numpy as np

from tfwavenet.audio import wav_format
from tfwavenet.evaluation import spectrogram_images, style
from tfwavenet.evaluation.report import Segment
from tfwavenet.evaluation.synthesis import System

# The numbers at the top: those that rank vocoders sensibly.
_HEADLINES = ("pesq_nb", "pesq_wb", "f0_cents", "spectral_convergence", "estoi")
_SAMPLE_METRICS = ("pesq_nb", "pesq_wb", "estoi", "spectral_convergence", "f0_cents")


def render(
    report: Mapping[str, Any],
    found: Sequence[Segment],
    systems: Sequence[System],
    *,
    config: Optional[Mapping[str, Any]] = None,
) -> str:
    """The whole page, with audio and pictures inside, so that the file can be moved or mailed.

    Args:
        report: from `report.build`.
        found: the segments to listen to: the first of the report's, in its order.
        systems: in the order of the segments' `systems`.
        config: of the experiment; JSON values.

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


def document(report: Mapping[str, Any], amount: str, body: Sequence[str]) -> str:
    """The HTML document of a page.

    Args:
        report: gives title and subtitle.
        amount: what the report's number of utterances counts, and how much of it there is.
        body: HTML of its parts.
    """
    title = escape(str(report["title"]))
    head = [f"<h1>{title}</h1>", f'<div class="soft">{escape(_subtitle(report, amount))}</div>']
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: evaluation</title>\n<style>{style.CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in [*head, *body] if part)
        + f"\n</main>\n<script>{style.SCRIPT}</script>\n</body>\n</html>\n"
    )


def number(value: Optional[float]) -> str:
    """A value with three significant digits or so, for people; a dash for none."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}".replace("-", "−")


def best_system(report: Mapping[str, Any], metric: Mapping[str, Any]) -> Optional[str]:
    """Which of the comparable systems has the better mean; None for fewer than two, or a draw.

    Args:
        report: from `report.build`.
        metric: an item of its `metrics`.
    """
    means = {
        name: _summary(system, metric["name"]).get("mean")
        for name, system in report["systems"].items()
        if system["comparable"]
    }
    values = {name: mean for name, mean in means.items() if mean is not None}
    if len(set(values.values())) < 2:
        return None
    choose = min if metric["better"] == "lower" else max
    return choose(values, key=lambda name: values[name])


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


def _cards(report: Mapping[str, Any]) -> str:
    cards = [_loss_card(report["loss"])]
    by_name = {metric["name"]: metric for metric in report["metrics"]}
    cards += [_card(report, by_name[name]) for name in _HEADLINES if name in by_name]
    return f'<div class="cards">{"".join(cards)}</div>'


def _loss_card(loss: Mapping[str, Any]) -> str:
    label, value, unit = loss["name"].capitalize(), number(loss["per_sample"]), loss["unit"]
    note = "of a density, so it may be negative" if unit == "nats" else ""
    if loss["bits_per_sample"] is not None:
        note, value, unit = f"{value} nats", number(loss["bits_per_sample"]), "bits"
    return card(label, value, f"{unit} per sample", escape(note))


def _card(report: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    systems = report["systems"]
    ours = _summary(systems["model"], metric["name"]).get("mean")
    if ours is None or "griffin_lim" not in systems:
        return ""
    theirs = _summary(systems["griffin_lim"], metric["name"]).get("mean")
    note = f"{_verdict(report, metric)} Griffin-Lim {number(theirs)}"
    return card(metric["label"], number(ours), metric["unit"], note)


def _verdict(report: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Whether the model is better than Griffin-Lim beyond the 95 % interval of the difference."""
    difference = report["differences"].get(metric["name"], {})
    mean, ci95 = difference.get("mean"), difference.get("ci95")
    if mean is None:
        return ""
    if mean == 0 or (ci95 is not None and abs(mean) <= ci95):
        return '<span class="tag even">even with</span>'
    is_better = (mean < 0) == (metric["better"] == "lower")
    word = "better" if is_better else "worse"
    return f'<span class="tag {word}">{word} than</span>'


def card(label: str, value: str, unit: str, note: str) -> str:
    """The HTML of one number.

    Args:
        label: what it is.
        value: the number; HTML, as `note` is.
        unit: of the number.
        note: a line below it.
    """
    return (
        f'<div class="card"><div class="soft small">{escape(label)}</div>'
        f'<div class="number">{value} <span class="unit">{escape(unit)}</span></div>'
        f'<div class="soft small">{note}</div></div>'
    )


def _table(report: Mapping[str, Any]) -> str:
    systems = {name: item for name, item in report["systems"].items() if item["metrics"]}
    if not systems:
        return ""
    heads = "".join(f"<th>{escape(item['label'])}</th>" for item in systems.values())
    rows = "".join(_row(report, metric, systems) for metric in report["metrics"])
    return (
        "<h2>Against the recording</h2>"
        f'<div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{_notes(report, systems)}"
    )


def _row(
    report: Mapping[str, Any], metric: Mapping[str, Any], systems: Mapping[str, Mapping[str, Any]]
) -> str:
    best = best_system(report, metric)
    arrow = "↑" if metric["better"] == "higher" else "↓"
    unit = f", {escape(metric['unit'])}" if metric["unit"] else ""
    head = (
        f'<th scope="row">{escape(metric["label"])}&nbsp;{arrow}'
        f'<span class="soft">{unit}</span>'
        f'<div class="about soft small">{escape(metric["about"])}</div></th>'
    )
    cells = []
    for name, system in systems.items():
        summary = _summary(system, metric["name"])
        kind = "best" if name == best else "" if system["comparable"] else "aside"
        ci95 = summary.get("ci95")
        interval = "" if ci95 is None else f' <span class="ci">± {number(ci95)}</span>'
        cells.append(f'<td class="{kind}">{number(summary.get("mean"))}{interval}</td>')
    return f"<tr>{head}{''.join(cells)}</tr>"


def _notes(report: Mapping[str, Any], systems: Mapping[str, Mapping[str, Any]]) -> str:
    """What the table rests on, and why values are missing."""
    count = len(report["segments"])
    joined = count < report["utterances"]
    what = f"{count} segments of joined utterances" if joined else f"{count} utterances"
    notes = [f"Means over {what}, ± half of the 95 % confidence interval; ✓ marks the better."]
    notes += [f"{item['label']}: {item['about']}." for item in systems.values() if item["metrics"]]
    reasons = {
        f"{metric['label']} has no value for {summary['missing']} of {count}: {summary['reason']}."
        for metric in report["metrics"]
        for summary in (_summary(item, metric["name"]) for item in systems.values())
        if "missing" in summary
    }
    text = " ".join(escape(note) for note in [*notes, *sorted(reasons)])
    return f'<p class="soft small">{text}</p>'


def _samples(report: Mapping[str, Any], found: Sequence[Segment], systems: Sequence[System]) -> str:
    rate = report["sample_rate"]
    labels = {metric["name"]: metric for metric in report["metrics"]}
    blocks = [
        _sample(segment, row, systems, labels, rate)
        for segment, row in zip(found, report["segments"])
    ]
    return f"<h2>Listen</h2>{''.join(blocks)}" if blocks else ""


def _sample(
    segment: Segment,
    row: Mapping[str, Any],
    systems: Sequence[System],
    labels: Mapping[str, Mapping[str, Any]],
    rate: int,
) -> str:
    top_db = float(spectrogram_images.levels_db(segment.recording, sample_rate=rate).max())
    versions = [_version("Recording", "", segment.recording, rate, top_db)]
    for system, audio in zip(systems, segment.systems):
        notes = _score_line(row["scores"][system.name], labels)
        versions.append(_version(system.label, notes, audio, rate, top_db))
    speaker = f' <span class="soft">{escape(segment.speaker)}</span>' if segment.speaker else ""
    return (
        f'<section class="sample"><h3>{escape(segment.name)}{speaker}</h3>'
        f'<div class="versions">{"".join(versions)}</div></section>'
    )


def _score_line(scores: Mapping[str, Any], labels: Mapping[str, Mapping[str, Any]]) -> str:
    chosen = [name for name in _SAMPLE_METRICS if scores.get(name) is not None]
    parts = [
        f"{labels[name]['label']} {number(scores[name])} {labels[name]['unit']}".strip()
        for name in chosen
    ]
    return " · ".join(parts)


def _version(label: str, notes: str, audio: np.ndarray, rate: int, top_db: float) -> str:
    picture = spectrogram_images.spectrogram_jpeg(audio, sample_rate=rate, top_db=top_db)
    caption = f"0 to {rate / 2000:g} kHz"
    return (
        f'<div class="version"><div class="name">{escape(label)}</div>'
        f'<audio controls preload="metadata" src="{_data_url(_wav(audio, rate), "audio/wav")}">'
        "</audio>"
        f'<figure><img alt="Spectrogram, {escape(label)}" src="{_data_url(picture, "image/jpeg")}">'
        f"<figcaption><span>{caption}</span><span>{len(audio) / rate:.2f} s</span></figcaption>"
        f'</figure><div class="soft small">{escape(notes)}</div></div>'
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
) -> str:
    """The HTML of what there is to know about model and evaluation.

    Args:
        report: from `report.build`.
        about: labels and values of what only some models have.
        config: of the experiment; JSON values.
    """
    model = report["model"]
    rows = [
        ("Model", f"{model['class']}, {model['parameters']:_} parameters".replace("_", " ")),
        *about,
        ("Settings", ", ".join(f"{key} {value}" for key, value in report["settings"].items())),
        ("Package", report["package"]),
    ]
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows)
    command = f"<dt>Command</dt><dd><code>{escape(report['command'])}</code></dd>"
    return f"<h2>Model and settings</h2><dl>{items}{command}</dl>{_config(config)}"


def _duration(samples: int, rate: int) -> str:
    return f"{samples} samples, {samples / rate * 1000:.0f} ms"


def _config(config: Optional[Mapping[str, Any]]) -> str:
    if not config:
        return ""
    text = json.dumps(config, indent=2, ensure_ascii=False, default=str)
    return f"<details><summary>Configuration</summary><pre>{escape(text)}</pre></details>"
