"""A model that creates its weights as soon as Keras needs them."""

from __future__ import annotations

from typing import Any

from tfwavenet import keras_versions


class SelfBuilding(keras_versions.Model):
    """Is built before it is saved, loaded or shown, where Keras wants to see a batch first.

    The weights of these models do not depend on a batch.
    """

    def ensure_built(self) -> None:
        """Creates the weights of a model that has none yet."""
        if not self.built:
            self.build()

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """Saves the model as Keras does."""
        self.ensure_built()
        return super().save(*args, **kwargs)

    def save_weights(self, *args: Any, **kwargs: Any) -> Any:
        """Saves the weights as Keras does."""
        self.ensure_built()
        return super().save_weights(*args, **kwargs)

    def load_weights(self, *args: Any, **kwargs: Any) -> Any:
        """Loads weights as Keras does."""
        self.ensure_built()
        return super().load_weights(*args, **kwargs)

    def summary(self, *args: Any, **kwargs: Any) -> Any:
        """Prints the layers as Keras does."""
        self.ensure_built()
        return super().summary(*args, **kwargs)
