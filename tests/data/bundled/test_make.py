"""The script that made the bundled speech still makes it."""

from __future__ import annotations

import shutil

import pytest

from tfwavenet import files
from tfwavenet.audio import audio_files
from tfwavenet.data.bundled import make
from tfwavenet.data.corpora import BUNDLED_ROOT

TOOLS = ("espeak-ng", "sox")


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {' and '.join(TOOLS)}")
def test_script_makes_what_is_in_the_package(tmp_path):
    metadata = make.make(str(tmp_path))
    assert metadata == files.read_json(BUNDLED_ROOT / "metadata.json")
    for row in metadata:
        made = audio_files.info(tmp_path / row["file"])
        packaged = audio_files.info(BUNDLED_ROOT / row["file"])
        assert (made.container, made.encoding) == ("FLAC", "PCM_16")
        # Another release of espeak-ng may pause or glide a little differently.
        assert made.seconds == pytest.approx(packaged.seconds, rel=0.1)


def test_speakers_read_different_sentences_but_the_same_test():
    texts = [text for speaker in make.VOICES for split, text in make.sentences(speaker)]
    held_out = [text for _ in make.VOICES for text in make.TEST]
    assert len(set(texts)) == len(texts) - len(held_out) + len(make.TEST)
