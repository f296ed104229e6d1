"""A text whose characters say where they are, and a small network over text."""

from __future__ import annotations

import keras

from tests.support.tiny_models import stir
from tfwavenet.distributions import Categorical
from tfwavenet.models import WaveNet
from tfwavenet.text import TextRecipe

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def numbered_text(lines=300):
    """A text in which every line differs and letters beyond ASCII occur."""
    return "".join(
        f"{number}: {ALPHABET[number % 26 :]} Größe {number * 7919 % 1000} €\n"
        for number in range(lines)
    )


def text_network(characters=" abcdefghijklmnopqrstuvwxyz\n", **options):
    """A built WaveNet over these characters, with a receptive field of 12."""
    keras.utils.set_random_seed(1)
    sizes = {"num_layers": 4, "dilation_cycle": 3, "residual_channels": 6, "gate_channels": 8}
    recipe = TextRecipe(classes=32, characters=characters)
    options = {**sizes, "skip_channels": 7, "recipe": recipe, **options}
    model = WaveNet(**{"distribution": Categorical(32), **options})
    model.build()
    stir(model, 0.3)
    return model
