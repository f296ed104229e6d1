"""A PyTorch WaveNet of r9y9's shapes, as the baseline of the training benchmark.

Written from the description of the network, for timing only. The network is the `mol` preset of
r9y9/wavenet_vocoder. It has 24 layers in 4 cycles, three taps, and 128 residual, 256 gate and 128
skip channels. It upsamples 80 mels 4 x 4 x 4 x 4, and predicts a mixture of 10 logistics over 65
536 levels. Training uses weight normalization by PyTorch's own hook, Adam, and the masked mean of
the loss. There is no gradient clipping.

With `--generate` the program draws samples one by one instead. Each layer keeps its past in a
buffer that is shifted by one sample per step. The normalization is folded into the weights, and
features are upsampled beforehand.

Runs alone, so that two frameworks never share the cores, and prints one JSON line:

    python -m benchmarks.peer_torch --batch 2 --samples 10240 --steps 5
    python -m benchmarks.peer_torch --generate --batch 8 --samples 512 --steps 3
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings

import torch
from torch import nn
from torch.nn import functional

LAYERS, CYCLES = 24, 4
RESIDUAL, GATE, SKIP = 128, 256, 128
TAPS, MELS, SCALES, CONTEXT_FRAMES = 3, 80, (4, 4, 4, 4), 2
COMPONENTS, LEVELS, LOG_SCALE_MIN = 10, 65536, -16.0


def normed(layer: nn.Module) -> nn.Module:
    """Adds weight normalization with the hook that r9y9/wavenet_vocoder trains with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


def pointwise(inputs: int, outputs: int, *, bias: bool = True) -> nn.Module:
    """Creates a weight-normalized 1x1 convolution."""
    return normed(nn.Conv1d(inputs, outputs, 1, bias=bias))


class Upsampler(nn.Module):
    """Upsamples mel frames [batch, mels, frames + 4] to [batch, mels, frames * 256]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(MELS, MELS, 2 * CONTEXT_FRAMES + 1, bias=False)
        self.smoothers = nn.ModuleList(
            normed(nn.Conv2d(1, 1, (1, 2 * scale + 1), padding=(0, scale), bias=False))
            for scale in SCALES
        )

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Repeats and smooths the frames, one scale after another."""
        image = self.conv_in(mel).unsqueeze(1)
        for scale, smoother in zip(SCALES, self.smoothers):
            image = smoother(functional.interpolate(image, scale_factor=(1, scale)))
        return image.squeeze(1)


class Block(nn.Module):
    """Maps [batch, 128, time] to the input of the next block and the skip, both of that shape."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        delay = (TAPS - 1) * dilation
        self.conv = normed(nn.Conv1d(RESIDUAL, GATE, TAPS, padding=delay, dilation=dilation))
        self.local = pointwise(MELS, GATE, bias=False)
        self.residual = pointwise(GATE // 2, RESIDUAL)
        self.skip = pointwise(GATE // 2, SKIP)

    def forward(self, x: torch.Tensor, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the block's output and its contribution to the head."""
        z = self.conv(x)[:, :, : x.shape[-1]] + self.local(mel)
        filtered, gate = z.chunk(2, dim=1)
        y = torch.tanh(filtered) * torch.sigmoid(gate)
        return (self.residual(y) + x) * math.sqrt(0.5), self.skip(y)


class WaveNet(nn.Module):
    """Maps samples [batch, 1, time] and mels [batch, 80, frames + 4] to [batch, 30, time]."""

    def __init__(self) -> None:
        super().__init__()
        self.upsampler = Upsampler()
        self.first = pointwise(1, RESIDUAL)
        self.blocks = nn.ModuleList(Block(2 ** (i % (LAYERS // CYCLES))) for i in range(LAYERS))
        self.head = nn.Sequential(
            nn.ReLU(), pointwise(SKIP, SKIP), nn.ReLU(), pointwise(SKIP, 3 * COMPONENTS)
        )

    def forward(self, x: torch.Tensor, mel: torch.Tensor) -> torch.Tensor:
        """Returns the parameters of the distribution of each next sample."""
        mel, x, total = self.upsampler(mel), self.first(x), 0.0
        for block in self.blocks:
            x, skip = block(x, mel)
            total = total + skip
        return self.head(total * math.sqrt(1.0 / LAYERS))


def negative_log_likelihood(params: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Computes the negative log-likelihood of a discretized mixture of logistics, in nats.

    Args:
        params: [batch, 30, time], parameters of the mixture.
        target: [batch, time], samples in [-1, 1].

    Returns:
        [batch, time].
    """
    logits, means, log_scales = params.chunk(3, dim=1)
    log_scales = log_scales.clamp(min=LOG_SCALE_MIN)
    value = target.unsqueeze(1).expand_as(means)
    centered, inverse = value - means, torch.exp(-log_scales)
    upper = inverse * (centered + 1.0 / (LEVELS - 1))
    lower = inverse * (centered - 1.0 / (LEVELS - 1))
    mass = torch.sigmoid(upper) - torch.sigmoid(lower)
    middle = inverse * centered
    density = middle - log_scales - 2.0 * functional.softplus(middle)
    inner = torch.where(
        mass > 1e-5, torch.log(mass.clamp(min=1e-12)), density - math.log((LEVELS - 1) / 2)
    )
    below = upper - functional.softplus(upper)
    above = -functional.softplus(lower)
    log_prob = torch.where(value < -0.999, below, torch.where(value > 0.999, above, inner))
    return -torch.logsumexp(log_prob + functional.log_softmax(logits, dim=1), dim=1)


class Taps:
    """Computes a convolution without normalization, one step [batch, channels] at a time."""

    def __init__(self, conv: nn.Conv1d, batch: int) -> None:
        self.dilation, self.bias = conv.dilation[0], conv.bias
        self.weight = conv.weight.permute(0, 2, 1).reshape(conv.out_channels, -1).contiguous()
        reach = (conv.kernel_size[0] - 1) * self.dilation + 1
        self.buffer = torch.zeros(batch, reach, conv.in_channels)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        """Maps the present input [batch, channels] to the output [batch, filters]."""
        if self.buffer.shape[1] > 1:
            self.buffer[:, :-1] = self.buffer[:, 1:].clone()
        self.buffer[:, -1] = x
        met = self.buffer[:, :: self.dilation].reshape(len(x), -1)
        return functional.linear(met, self.weight, self.bias)


def draw(params: torch.Tensor) -> torch.Tensor:
    """Draws samples [batch, 1] from mixtures of logistics with parameters [batch, 30]."""
    logits, means, log_scales = params.chunk(3, dim=1)
    gumbel = -torch.log(-torch.log(torch.empty_like(logits).uniform_(1e-5, 1 - 1e-5)))
    chosen = (logits + gumbel).argmax(dim=1, keepdim=True)
    uniform = torch.empty(len(params), 1).uniform_(1e-5, 1 - 1e-5)
    noise = torch.log(uniform) - torch.log1p(-uniform)
    value = means.gather(1, chosen) + torch.exp(log_scales.gather(1, chosen)) * noise
    return value.clamp(-1, 1)


def generate(model: WaveNet, mel: torch.Tensor, samples: int) -> torch.Tensor:
    """Generates samples [batch, samples], one after another."""
    batch = len(mel)
    local = model.upsampler(mel).transpose(1, 2)
    layers = [
        [Taps(conv, batch) for conv in (block.conv, block.local, block.residual, block.skip)]
        for block in model.blocks
    ]
    first, *head = (Taps(conv, batch) for conv in (model.first, model.head[1], model.head[3]))
    value, made = torch.zeros(batch, 1), []
    for t in range(samples):
        x, total = first.step(value), 0.0
        for conv, project, residual, skip in layers:
            z = conv.step(x) + project.step(local[:, t])
            filtered, gate = z.chunk(2, dim=1)
            y = torch.tanh(filtered) * torch.sigmoid(gate)
            total = total + skip.step(y)
            x = (residual.step(y) + x) * math.sqrt(0.5)
        y = total * math.sqrt(1.0 / LAYERS)
        for conv in head:
            y = conv.step(torch.relu(y))
        value = draw(y)
        made.append(value)
    return torch.cat(made, dim=1)


@torch.inference_mode()
def timed_generation(batch: int, samples: int, repetitions: int) -> list[float]:
    """Returns the seconds of each repetition of generation, without a first warmup call."""
    torch.manual_seed(0)
    model = WaveNet()
    for module in model.modules():
        if hasattr(module, "weight_g"):
            nn.utils.remove_weight_norm(module)
    mel = torch.rand(batch, MELS, -(-samples // math.prod(SCALES)) + 2 * CONTEXT_FRAMES)
    seconds = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        generate(model, mel, samples)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def timed_steps(batch: int, samples: int, steps: int) -> list[float]:
    """Returns the seconds of each training step, without a first warmup step."""
    torch.manual_seed(0)
    model = WaveNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-8)
    audio = torch.rand(batch, samples) * 0.2 - 0.1
    mel = torch.rand(batch, MELS, samples // math.prod(SCALES) + 2 * CONTEXT_FRAMES)
    mask = torch.ones(batch, samples - 1)
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        losses = negative_log_likelihood(model(audio.unsqueeze(1), mel)[:, :, :-1], audio[:, 1:])
        ((losses * mask).sum() / mask.sum()).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main() -> None:
    """Times training steps or generation, and prints the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--samples", type=int, default=10240)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--generate", action="store_true", help="generate samples instead, repeated --steps times"
    )
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    timed = timed_generation if flags.generate else timed_steps
    seconds = timed(flags.batch, flags.samples, flags.steps)
    parameters = sum(p.numel() for p in WaveNet().parameters())
    print(json.dumps({"seconds": seconds, "version": torch.__version__, "parameters": parameters}))


if __name__ == "__main__":
    main()
