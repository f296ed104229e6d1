"""Generates audio as nv-wavenet's `nv_wavenet_test.py` does, from its own two files.

    python -m examples.nv_wavenet_test --model=model.pt --cond_input=cond_input.pt --output=audio.wav

`model.pt` is the dictionary that nv-wavenet's wrapper takes, `cond_input.pt` its conditioning, a tensor
[2R, batch, layers, samples]; both saved by PyTorch, which need not be installed. The conditioning may
be a .npy file too.
"""

from __future__ import annotations

import argparse

import numpy as np

from tfwavenet.audio import audio_files, mulaw
from tfwavenet.interop import Impl, NVWaveNet, torch_files


def main() -> None:
    """Writes the first utterance of the conditioning as a WAV file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--model", default="model.pt")
    parser.add_argument("--cond_input", default="cond_input.pt")
    parser.add_argument("--output", default="audio.wav")
    parser.add_argument("--sample_rate", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    weights = torch_files.read(options.model)
    engine = NVWaveNet(**weights)
    read = np.load if options.cond_input.endswith(".npy") else torch_files.read
    cond_input = np.asarray(read(options.cond_input))[:, :1]
    codes = engine.infer(cond_input, Impl.AUTO, seed=options.seed)[0]
    audio = mulaw.decode(codes, classes=len(weights["embedding_curr"])).numpy()
    audio_files.write(options.output, audio, options.sample_rate)
    print(f"wrote {options.output}: {len(audio) / options.sample_rate:.2f} s")


if __name__ == "__main__":
    main()
