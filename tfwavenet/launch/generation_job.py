"""Reads what the generate launcher is given, generates, and writes files with progress."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import tqdm
from absl import logging

from tfwavenet import files
from tfwavenet.audio import audio_files, wav_format
from tfwavenet.audio.encoded_writer import ENCODINGS, EncodedWriter
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.audio.wav_writer import WavPipe, WavWriter
from tfwavenet.data import given_features
from tfwavenet.evaluation.speed import Speedometer
from tfwavenet.evaluation.synthesis import batch_size_for
from tfwavenet.generation.request import prompt_values
from tfwavenet.models import DiffWave, WaveNet
from tfwavenet.models.audio_model import AudioModel
from tfwavenet.run import speaker_number

STANDARD_OUTPUT = "-"
FILE_EXTENSIONS = (".wav", *ENCODINGS)
# Extensions of formats that are not written; such an output is no folder.
_OTHER_FORMATS = ("aac", "aif", "aifc", "aiff", "au", "caf", "m4a", "oga", "opus", "w64", "wma")
_Writer = Union[EncodedWriter, WavPipe, WavWriter]


@dataclasses.dataclass(frozen=True)
class Job:
    """A checked description of what to generate, and of the files to write.

    Attributes:
        paths: final names of the files, whose extensions choose the format; "-" for WAV on standard
            output.
        mels: float32 [frames, n_mels] for each file. If the model has no features, None.
        samples: number of samples to generate for each file.
        speaker: number of the speaker, or int32 [files], or None.
        prompt: recording that the model continues, float32 [samples] at its rate, or None.
    """

    paths: tuple[str, ...]
    mels: Optional[tuple[np.ndarray, ...]]
    samples: tuple[int, ...]
    speaker: Union[int, np.ndarray, None] = None
    prompt: Optional[np.ndarray] = None

    @classmethod
    def create(
        cls,
        model: AudioModel,
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
            model: a model with a recipe.
            output: for one utterance a name that ends in `.wav`, `.flac`, `.ogg` or `.mp3`, or
                "-" for standard output; otherwise a folder.
            mel_paths: .npy files with features. Only one of `mel_paths`, `audio_paths` and
                `seconds` may be given.
            audio_paths: recordings to compute features from.
            seconds: length to generate, for a model without features.
            count: number of utterances of that length.
            speaker: name or number of the speaker or label.
            speakers: names of the speakers, by number.
            prompt_path: a recording that the model continues; features cover it too.

        Raises:
            ValueError: If something does not fit the model or cannot be used; names the file or
                option.
            OSError: If a file cannot be read.
        """
        recipe = _recipe(model)
        _check_source(model, mel_paths, audio_paths, seconds)
        mels: Optional[tuple[np.ndarray, ...]] = None
        if model.upsampler is not None:
            mels = tuple(read_mel(path, recipe) for path in mel_paths)
            mels += tuple(analyze(path, recipe)[1] for path in audio_paths)
        prompt, given_samples = None, 0
        if prompt_path is not None:
            prompt, given_samples = read_prompt(prompt_path, model)
        names = [pathlib.Path(path).stem for path in [*mel_paths, *audio_paths]]
        names = names or [f"generated-{index}" for index in range(count)]
        paths = output_paths(output, names)
        given = [*mel_paths, *audio_paths, *([] if prompt_path is None else [prompt_path])]
        _check_nothing_given_is_replaced(paths, given)
        return cls(
            paths=paths,
            mels=mels,
            samples=_lengths(mels, recipe, seconds, count, given_samples),
            speaker=speaker_number(model, speaker, speakers),
            prompt=prompt,
        )


def run(
    model: AudioModel,
    job: Job,
    *,
    seeds: Optional[Sequence[int]] = None,
    batch_size: Optional[int] = None,
    **sampling: Any,
) -> None:
    """Generates and writes every file of a job, with progress on stderr.

    Args:
        model: the model that the job was made for.
        job: the job.
        seeds: seed of each utterance. If None, 0 for the first and one more for each further.
        batch_size: number of utterances generated together, see `synthesis.batch_size_for`.
        **sampling: further arguments of the model's `generate`, such as `temperature`.

    Raises:
        ValueError: If an argument is out of its range.
        OSError: If a file cannot be written.
    """
    rate, speed, start = model.recipe.sample_rate, Speedometer(), time.monotonic()
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            tqdm.tqdm(
                total=sum(job.samples),
                unit=" samples",
                unit_scale=True,
                desc="generate",
                disable=None,
            )
        )
        writers: dict[int, _Writer] = {}

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
            seed=list(range(len(job.paths)) if seeds is None else seeds),
            batch_size=batch_size_for(model, batch_size),
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


def _writer(path: str, sample_rate: int, stack: contextlib.ExitStack) -> _Writer:
    if path == STANDARD_OUTPUT:
        return WavPipe(sys.stdout.buffer, sample_rate=sample_rate)
    if os.path.splitext(path)[1].lower() in ENCODINGS:
        return stack.enter_context(EncodedWriter(path, sample_rate=sample_rate))
    return stack.enter_context(WavWriter(path, sample_rate=sample_rate))


def read_mel(path: files.PathLike, recipe: FeatureRecipe) -> np.ndarray:
    """Reads features from a NumPy file.

    Args:
        path: a .npy file, or a .npz file with one array, with floats [frames, n_mels]. Features of
            another kind than mels are as they were prepared from; the recipe normalizes them.
        recipe: recipe of the model.

    Returns:
        float32 [frames, n_mels].

    Raises:
        ValueError: If the file holds something else, or NaN or infinity; names the file.
        OSError: If there is no such file.
    """
    mel = given_features.read(path, width=recipe.n_mels)
    return recipe.normalize(mel).numpy() if recipe.features == "given" else mel


def analyze(path: files.PathLike, recipe: FeatureRecipe) -> tuple[np.ndarray, np.ndarray]:
    """Computes signal and mel of a recording, see `FeatureRecipe.analyze`.

    Args:
        path: an audio file; it is resampled to the recipe's sample rate.
        recipe: recipe of the model.

    Raises:
        ValueError: If it is no audio file that can be used; names the file.
    """
    audio, _ = audio_files.read(path, sample_rate=recipe.sample_rate)
    try:
        return recipe.analyze(audio)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be used: {error}") from error


def read_prompt(path: files.PathLike, model: AudioModel) -> tuple[np.ndarray, int]:
    """Reads a recording that a model continues.

    Args:
        path: an audio file.
        model: a model with a recipe.

    Returns:
        float32 [samples] at the model's sample rate, and the number of samples that it takes up
        of what is generated.

    Raises:
        ValueError: If the model cannot continue a recording, or the file is no audio file that can
            be used, or is shorter than a frame; names the file.
    """
    if not isinstance(model, WaveNet):
        raise ValueError(
            "prompt is for models that predict sample by sample. "
            f"Received: a model of class {type(model).__name__}"
        )
    audio, _ = audio_files.read(path, sample_rate=_recipe(model).sample_rate)
    try:
        return audio, prompt_values(model, audio).shape[1]
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be used: {error}") from error


def output_paths(output: files.PathLike, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the final names of the files.

    Args:
        output: a file with one of `FILE_EXTENSIONS`, or "-", for one name only, or a folder.
        names: names of the utterances, without extension; equal names get a number.

    Raises:
        ValueError: If one file is given for several utterances, the folder is a file, or the file
            has a format that is not written.
    """
    text = os.fspath(output)
    if is_one_file(text):
        if len(names) != 1:
            raise ValueError(
                f"output must be a folder for {len(names)} utterances. Received: output={text!r}"
            )
        if os.path.isdir(text):
            raise ValueError(f"output must be a file or new. Received: the folder output={text!r}")
        return (text,)
    require_folder(text)
    return tuple(os.path.join(text, f"{name}.wav") for name in files.distinct(names))


def is_one_file(output: str) -> bool:
    """Tells whether an output is a file, or standard output, and no folder."""
    return output.lower().endswith(FILE_EXTENSIONS) or output == STANDARD_OUTPUT


def require_folder(output: str) -> None:
    """Raises ValueError for an output that is no folder and cannot become one."""
    suffix = os.path.splitext(output)[1].lstrip(".").lower()
    is_file = os.path.exists(output) and not os.path.isdir(output)
    if is_file or (suffix in _OTHER_FORMATS and not os.path.isdir(output)):
        formats = ", ".join(FILE_EXTENSIONS)
        kind = "the file " if is_file else ""
        raise ValueError(
            f"output must be a folder, or a file that ends in {formats}. "
            f"Received: {kind}output={output!r}"
        )


def _check_nothing_given_is_replaced(paths: Sequence[str], given: Sequence[str]) -> None:
    for path in (path for path in paths if os.path.exists(path)):
        if any(os.path.samefile(path, source) for source in given):
            raise ValueError(
                "output must not replace what is generated from; choose another folder or name. "
                f"Received: output {path!r}"
            )


def _recipe(model: AudioModel) -> FeatureRecipe:
    if model.recipe is None:
        raise ValueError("a model with a feature recipe is expected. Received: recipe=None")
    return model.recipe


def _check_source(
    model: AudioModel,
    mel_paths: Sequence[str],
    audio_paths: Sequence[str],
    seconds: Optional[float],
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
    given_samples: int,
) -> tuple[int, ...]:
    """Returns the number of samples to generate of each utterance, without the prompt."""
    if mels is None:
        wanted = (seconds or 0.0) * recipe.sample_rate
        if not 0.5 < wanted <= wav_format.MOST_FRAMES:
            raise ValueError(
                "seconds must be at least one sample, and no more than a WAV file holds, "
                f"{wav_format.MOST_FRAMES} samples. Received: seconds={seconds}"
            )
        return (round(wanted),) * count
    lengths = tuple(len(mel) * recipe.hop_samples - given_samples for mel in mels)
    if min(lengths) <= 0:
        raise ValueError(
            "the features cover prompt too and must be longer. Received: "
            f"{given_samples} samples of prompt, features for {min(lengths) + given_samples}"
        )
    return lengths
