"""What the generate launcher does: files in, files out, with progress."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
import tokenize
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import tqdm
from absl import logging

from tfwavenet import files
from tfwavenet.audio import audio_files, wav_format
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.wav_writer import WavPipe, WavWriter
from tfwavenet.evaluation.speed import Speedometer
from tfwavenet.models import DiffWave
from tfwavenet.models.autoregressive import AutoregressiveModel

_LISTED_SPEAKERS = 20
STANDARD_OUTPUT = "-"


@dataclasses.dataclass(frozen=True)
class Job:
    """What to generate, checked, and where to write it.

    Attributes:
        paths: final names of the WAV files; "-" for standard output.
        mels: float32 [frames, n_mels] for each, or None for a model without features.
        samples: number of samples to generate for each.
        speaker: number of the speaker, or None.
        prompt: float32 [samples] that precede, as the network sees them, or None.
    """

    paths: tuple[str, ...]
    mels: Optional[tuple[np.ndarray, ...]]
    samples: tuple[int, ...]
    speaker: Optional[int] = None
    prompt: Optional[np.ndarray] = None

    @classmethod
    def create(
        cls,
        model: Any,
        *,
        output: files.PathLike,
        mel_paths: Sequence[str] = (),
        audio_paths: Sequence[str] = (),
        seconds: Optional[float] = None,
        count: int = 1,
        speaker: Optional[str] = None,
        speakers: Sequence[str] = (),
        prompt_path: Optional[str] = None,
    ) -> Job:
        """Reads and checks what the user asks for.

        Args:
            model: an `AudioModel` with a recipe.
            output: a name that ends in `.wav`, or "-" for standard output, for one utterance;
                otherwise a folder.
            mel_paths: .npy files with features. Only one of this, the next and `seconds`.
            audio_paths: recordings to compute features from.
            seconds: length to generate, for a model without features.
            count: how many of that length.
            speaker: name or number.
            speakers: names of the speakers, by number.
            prompt_path: a recording that precedes; with features, these cover it too.

        Raises:
            ValueError: if something does not fit the model or cannot be used; the message names
                the file or option.
            OSError: if a file cannot be read.
        """
        recipe = _recipe(model)
        _check_source(model, mel_paths, audio_paths, seconds)
        mels: Optional[tuple[np.ndarray, ...]] = None
        if model.upsampler is not None:
            mels = tuple(read_mel(path, recipe) for path in mel_paths)
            mels += tuple(analyze(path, recipe)[1] for path in audio_paths)
        prompt = None if prompt_path is None else read_prompt(prompt_path, model)
        names = [pathlib.Path(path).stem for path in [*mel_paths, *audio_paths]]
        names = names or [f"generated-{index}" for index in range(count)]
        paths = output_paths(output, names)
        given = [*mel_paths, *audio_paths, *([] if prompt_path is None else [prompt_path])]
        _check_nothing_given_is_replaced(paths, given)
        return cls(
            paths=paths,
            mels=mels,
            samples=_lengths(mels, recipe, seconds, count, prompt),
            speaker=speaker_number(model, speaker, speakers),
            prompt=prompt,
        )


def run(model: Any, job: Job, *, seed: int = 0, batch_size: int = 8, **sampling: Any) -> None:
    """Generates and writes every file of a job, with progress on stderr.

    Args:
        model: the one that the job was made for.
        job: what to generate.
        seed: of the first utterance; the i-th takes `seed + i`.
        batch_size: how many to generate at a time.
        **sampling: further arguments of the model's `generate`, such as `temperature`.

    Raises:
        ValueError: if an argument is out of its range.
        OSError: if a file cannot be written.
    """
    rate, speed, start = model.recipe.sample_rate, Speedometer(), time.monotonic()
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            tqdm.tqdm(total=sum(job.samples), unit=" samples", unit_scale=True, desc="generate")
        )
        writers: dict[int, Union[WavPipe, WavWriter]] = {}

        def on_chunk(audio: list[np.ndarray]) -> None:
            for index in (i for i, new in enumerate(audio) if len(new)):
                if index not in writers:
                    writers[index] = _writer(job.paths[index], rate, stack)
                writers[index].append(np.clip(audio[index], -1.0, 1.0))
                if writers[index].frames == job.samples[index]:
                    writers[index].close()
            bar.update(speed.add(audio))
            bar.set_postfix_str(speed.describe(rate))

        def on_step(done: int, of: int) -> None:
            speed.step(done, of)
            bar.set_postfix_str(f"step {done} of {of}")

        if isinstance(model, DiffWave):
            sampling["on_step"] = on_step
        if job.prompt is not None:
            sampling["prompt"] = job.prompt
        model.generate(
            None if job.mels is None else list(job.mels),
            samples=None if job.mels is not None else job.samples[0],
            speaker=job.speaker,
            seed=[seed + index for index in range(len(job.paths))],
            batch_size=batch_size,
            on_chunk=on_chunk,
            **sampling,
        )
    logging.info(
        "%.2f s of audio in %.2f s, of which %.2f s until it began; then %s",
        sum(job.samples) / rate,
        time.monotonic() - start,
        speed.waited_seconds,
        speed.describe(rate),
    )
    for path in job.paths:
        logging.info("wrote %s", path)


def _writer(path: str, sample_rate: int, stack: contextlib.ExitStack) -> Union[WavPipe, WavWriter]:
    if path == STANDARD_OUTPUT:
        return WavPipe(sys.stdout.buffer, sample_rate=sample_rate)
    return stack.enter_context(WavWriter(path, sample_rate=sample_rate))


def read_mel(path: files.PathLike, recipe: FeatureRecipe) -> np.ndarray:
    """Reads features from a NumPy file, and checks them against the recipe.

    Args:
        path: a .npy file with floats [frames, n_mels].
        recipe: of the model. Features far outside the range that it gives are warned about.

    Returns:
        float32 [frames, n_mels].

    Raises:
        ValueError: if the file does not hold that, or holds NaN or infinity; it is named.
        OSError: if there is no such file.
    """
    name = os.fspath(path)
    expected = f"mel file {name!r} is expected to hold floats of shape [frames, {recipe.n_mels}]"
    try:
        # Mapped, so that a header may not promise more than there is.
        mel = np.lib.format.open_memmap(name, mode="r")
    except (ValueError, tokenize.TokenError) as error:
        raise ValueError(f"{expected} in NumPy's .npy format. Received: {error}") from error
    if mel.ndim != 2 or mel.shape[1] != recipe.n_mels or not len(mel):
        hint = ", which looks transposed" if mel.ndim == 2 and len(mel) == recipe.n_mels else ""
        raise ValueError(f"{expected}. Received: shape={mel.shape}{hint}")
    if not np.issubdtype(mel.dtype, np.floating):
        raise ValueError(f"{expected}. Received: dtype={mel.dtype}")
    with np.errstate(over="ignore"):
        mel = mel.astype(np.float32)
    if not np.isfinite(mel).all():
        frame = int(np.argwhere(~np.isfinite(mel))[0, 0])
        raise ValueError(f"{expected}. Received: NaN or infinity in frame {frame}")
    _warn_of_other_recipe(name, mel, recipe)
    return mel


def _warn_of_other_recipe(name: str, mel: np.ndarray, recipe: FeatureRecipe) -> None:
    """Features made by another recipe are the commonest reason for noise or silence."""
    if recipe.normalization != "range":
        return
    low, high = recipe.output_range
    margin = 0.25 * (high - low)
    if mel.min() < low - margin or mel.max() > high + margin:
        logging.warning(
            "%s has values from %.3g to %.3g, but this model's features lie in %g to %g: was it "
            "made by another recipe?",
            name,
            mel.min(),
            mel.max(),
            low,
            high,
        )


def analyze(path: files.PathLike, recipe: FeatureRecipe) -> tuple[np.ndarray, np.ndarray]:
    """Signal and mel of a recording, see `FeatureRecipe.analyze`, at the recipe's sample rate.

    Args:
        path: an audio file.
        recipe: of the model.

    Raises:
        ValueError: if it is no audio file that can be used; it is named.
    """
    audio, _ = audio_files.read(path, sample_rate=recipe.sample_rate)
    try:
        return recipe.analyze(audio)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be used: {error}") from error


def read_prompt(path: files.PathLike, model: Any) -> np.ndarray:
    """A recording as the network sees it, cut to whole frames for a model with features.

    Args:
        path: an audio file.
        model: an `AudioModel` with a recipe.

    Returns:
        float32 [samples].

    Raises:
        ValueError: if it is no audio file that can be used, or shorter than a frame; it is named.
            If the model cannot continue a recording.
    """
    if not isinstance(model, AutoregressiveModel):
        raise ValueError(
            "prompt is for models that predict sample by sample. "
            f"Received: a model of class {type(model).__name__}"
        )
    recipe = model.recipe
    audio, _ = audio_files.read(path, sample_rate=recipe.sample_rate)
    try:
        signal = np.pad(recipe.condition_audio(audio), (recipe.signal_offset, 0))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be used: {error}") from error
    unit = 1 if model.upsampler is None else recipe.hop_samples
    whole = len(signal) // unit * unit
    if not whole:
        raise ValueError(
            f"prompt must last at least a frame of {unit} samples. "
            f"Received: samples={len(signal)} in {os.fspath(path)!r}"
        )
    return signal[:whole]


def speaker_number(model: Any, speaker: Optional[str], speakers: Sequence[str]) -> Optional[int]:
    """The number of a speaker given by name or number; the only one need not be given.

    Args:
        model: says with `speaker_channels` whether it knows speakers.
        speaker: what the user wrote, or None.
        speakers: names of the speakers, by number.

    Returns:
        The number, None for a model without speakers.

    Raises:
        ValueError: for an unknown speaker, naming those that are known; for none where one is
            needed; and for one where the model knows none.
    """
    if not model.speaker_channels:
        if speaker is not None:
            raise ValueError(f"this model knows no speakers. Received: speaker={speaker!r}")
        return None
    if speaker is None and len(speakers) == 1:
        return 0
    if speaker in speakers:
        return list(speakers).index(str(speaker))
    if speaker is not None and speaker.isdecimal() and int(speaker) < len(speakers):
        return int(speaker)
    shown = ", ".join(speakers[:_LISTED_SPEAKERS])
    more = len(speakers) - _LISTED_SPEAKERS
    rest = f" and {more} more" if more > 0 else ""
    raise ValueError(
        f"speaker must be one of {shown}{rest}, or a number from 0 to {len(speakers) - 1}. "
        f"Received: speaker={speaker!r}"
    )


def output_paths(output: files.PathLike, names: Sequence[str]) -> tuple[str, ...]:
    """Final names of the files: `output` itself if it ends in .wav, or files in that folder.

    Args:
        output: a .wav file or "-", for one name only, or a folder.
        names: of the utterances, without extension; equal ones get a number.

    Raises:
        ValueError: if one file is given for several utterances, or the folder is a file.
    """
    text = os.fspath(output)
    if text.lower().endswith(".wav") or text == STANDARD_OUTPUT:
        if len(names) != 1:
            raise ValueError(
                f"output must be a folder for {len(names)} utterances. Received: output={text!r}"
            )
        if os.path.isdir(text):
            raise ValueError(f"output must be a file or new. Received: the folder output={text!r}")
        return (text,)
    if os.path.exists(text) and not os.path.isdir(text):
        raise ValueError(
            f"output must be a folder or end in .wav. Received: the file output={text!r}"
        )
    return tuple(os.path.join(text, f"{name}.wav") for name in files.distinct(names))


def _check_nothing_given_is_replaced(paths: Sequence[str], given: Sequence[str]) -> None:
    for path in (path for path in paths if os.path.exists(path)):
        if any(os.path.samefile(path, source) for source in given):
            raise ValueError(
                "output must not replace what is generated from; choose another folder or name. "
                f"Received: output {path!r}"
            )


def _recipe(model: Any) -> FeatureRecipe:
    if model.recipe is None:
        raise ValueError("a model with a feature recipe is expected. Received: recipe=None")
    return model.recipe


def _check_source(
    model: Any, mel_paths: Sequence[str], audio_paths: Sequence[str], seconds: Optional[float]
) -> None:
    given = [
        name
        for name, value in (("mel", mel_paths), ("audio", audio_paths), ("seconds", seconds))
        if value not in (None, [], ())
    ]
    needed = ("seconds",) if model.upsampler is None else ("mel", "audio")
    if len(given) != 1 or given[0] not in needed:
        what = "without features" if model.upsampler is None else "with features"
        raise ValueError(
            f"a model {what} generates from one of {', '.join(f'--{name}' for name in needed)}. "
            f"Received: {', '.join(f'--{name}' for name in given) or 'none'}"
        )


def _lengths(
    mels: Optional[tuple[np.ndarray, ...]],
    recipe: FeatureRecipe,
    seconds: Optional[float],
    count: int,
    prompt: Optional[np.ndarray],
) -> tuple[int, ...]:
    """Samples to generate of each: what the features or `seconds` say, less what precedes."""
    if mels is None:
        wanted = (seconds or 0.0) * recipe.sample_rate
        if not 0.5 < wanted <= wav_format.MOST_FRAMES:
            raise ValueError(
                "seconds must be at least one sample, and no more than a WAV file holds, "
                f"{wav_format.MOST_FRAMES} samples. Received: seconds={seconds}"
            )
        return (round(wanted),) * count
    prompted = 0 if prompt is None else len(prompt)
    lengths = tuple(len(mel) * recipe.hop_samples - prompted for mel in mels)
    if min(lengths) <= 0:
        raise ValueError(
            "the features cover prompt too and must be longer. "
            f"Received: {prompted} samples of prompt, features for {min(lengths) + prompted}"
        )
    return lengths
