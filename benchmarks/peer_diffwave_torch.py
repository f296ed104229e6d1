"""A PyTorch DiffWave of lmnt's base size, as the baseline of the diffusion benchmark.

Written from the description of the network, for timing only. The network has 30 layers in 3 cycles,
64 channels, three taps, 80 mels upsampled 16 x 16, and a step embedding of 512 channels. The tasks
are six sampling steps, with or without autocast, and a training step of the L1 loss with Adam.

Runs alone, so that two frameworks never share the cores, and prints one JSON line:

    python -m benchmarks.peer_diffwave_torch --task=sample --frames=86
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time

import torch
from torch import nn
from torch.nn import functional

LAYERS, CYCLE, CHANNELS, MELS, STEP, HOP = 30, 10, 64, 80, 512, 256
FAST = (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)


class Block(nn.Module):
    """Maps [batch, 64, time] to the input of the next block and the skip, both of that shape."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.step = nn.Linear(STEP, CHANNELS)
        self.conv = nn.Conv1d(CHANNELS, 2 * CHANNELS, 3, padding=dilation, dilation=dilation)
        self.local = nn.Conv1d(MELS, 2 * CHANNELS, 1)
        self.output = nn.Conv1d(CHANNELS, 2 * CHANNELS, 1)

    def forward(
        self, x: torch.Tensor, step: torch.Tensor, mel: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the block's output and skip."""
        y = self.conv(x + self.step(step).unsqueeze(-1)) + self.local(mel)
        gate, filtered = y.chunk(2, dim=1)
        residual, skip = self.output(torch.sigmoid(gate) * torch.tanh(filtered)).chunk(2, dim=1)
        return (x + residual) / math.sqrt(2.0), skip


class DiffWave(nn.Module):
    """Predicts the noise [batch, time] in noisy audio.

    The inputs are audio [batch, time], step embeddings [batch, 128], and mels [batch, 80, frames].
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, CHANNELS, 1)
        self.step = nn.Sequential(nn.Linear(128, STEP), nn.SiLU(), nn.Linear(STEP, STEP), nn.SiLU())
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(1, 1, (3, 32), stride=(1, 16), padding=(1, 8)) for _ in range(2)
        )
        self.blocks = nn.ModuleList(Block(2 ** (i % CYCLE)) for i in range(LAYERS))
        self.skip = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.output = nn.Conv1d(CHANNELS, 1, 1)

    def forward(
        self, audio: torch.Tensor, embedding: torch.Tensor, mel: torch.Tensor
    ) -> torch.Tensor:
        """Predicts the noise."""
        image = mel.unsqueeze(1)
        for layer in self.upsample:
            image = functional.leaky_relu(layer(image), 0.4)
        x, step, total = functional.relu(self.first(audio.unsqueeze(1))), self.step(embedding), 0.0
        for block in self.blocks:
            x, skip = block(x, step, image.squeeze(1))
            total = total + skip
        return self.output(functional.relu(self.skip(total / math.sqrt(LAYERS)))).squeeze(1)


def sample(model: DiffWave, frames: int, autocast: bool) -> None:
    """Runs six reverse steps, with factors that are not exact but do not affect the time."""
    context = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
    mel, x = torch.rand(1, MELS, frames), torch.randn(1, frames * HOP)
    with torch.no_grad(), context:
        for beta in reversed(FAST):
            noise = model(x, torch.randn(1, 128), mel)
            x = torch.clamp(
                (x - beta * noise) / (1 - beta) ** 0.5 + 0.1 * torch.randn_like(x), -1, 1
            )


def train(model: DiffWave, optimizer: torch.optim.Optimizer, batch: int, frames: int) -> None:
    """Runs one training step on random data."""
    mel, audio = torch.rand(batch, MELS, frames), torch.rand(batch, frames * HOP) - 0.5
    noise = torch.randn_like(audio)
    optimizer.zero_grad()
    predicted = model(0.7 * audio + 0.7 * noise, torch.randn(batch, 128), mel)
    functional.l1_loss(predicted, noise).backward()
    optimizer.step()


def main() -> None:
    """Times a task and prints the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=["sample", "train"], required=True)
    parser.add_argument("--frames", type=int, default=62)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--autocast", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    torch.manual_seed(0)
    model = DiffWave()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    seconds = []
    for _ in range(flags.repetitions + 1):
        start = time.perf_counter()
        if flags.task == "sample":
            sample(model, flags.frames, flags.autocast)
        else:
            train(model, optimizer, flags.batch, flags.frames)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:]}))


if __name__ == "__main__":
    main()
