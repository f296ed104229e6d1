"""Inputs of signatures, and the checks that a request passes before anything is computed.

The checks are operations of the plain graph, outside of XLA programs, since XLA drops checks. A
request that fails a check gets INVALID_ARGUMENT with one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

import tensorflow as tf

Axis = Union[int, str]


class Range(NamedTuple):
    """Holds the smallest and the largest allowed number, both included.

    Attributes:
        low: the smallest allowed number. If None, there is no lower limit.
        high: the largest allowed number. If None, there is no upper limit.
    """

    low: Optional[float] = None
    high: Optional[float] = None

    def __str__(self) -> str:
        if self.high is None:
            return f"of at least {self.low}"
        return f"of at most {self.high}" if self.low is None else f"from {self.low} to {self.high}"


class Field(NamedTuple):
    """Describes one named input of a signature.

    Attributes:
        name: name of the input.
        dtype: dtype of the input's values.
        axes: for each dimension of the shape its size, or its name if requests choose the size.
        values: range of the values. Floats must also be finite.
    """

    name: str
    dtype: tf.DType
    axes: tuple[Axis, ...] = ()
    values: Range = Range()

    @property
    def shape(self) -> list[int | None]:
        """Static shape, with None for each size that requests choose."""
        return [axis if isinstance(axis, int) else None for axis in self.axes]


def require(condition: tf.Tensor, sentence: str, *values: Any) -> tf.Operation:
    """Creates an operation that refuses the request with `sentence` unless `condition` holds.

    Args:
        condition: bool [].
        sentence: text that says what is expected and what was received, with a `{}` for each value.
        *values: tensors that are written into the sentence.

    Returns:
        The operation. It must be a control dependency of the outputs, see `after`.
    """
    return tf.debugging.Assert(condition, [tf.strings.format(sentence, values)])


def after(checks: Sequence[tf.Operation], tensors: Any) -> Any:
    """Returns a nest of equal tensors, which are computed only after all checks have passed."""
    with tf.control_dependencies(checks):
        return tf.nest.map_structure(tf.identity, tensors)


def checked(
    inputs: Mapping[str, tf.Tensor], fields: Sequence[Field], sizes: Mapping[str, Range]
) -> dict[str, tf.Tensor]:
    """Returns the inputs of a request, which are computed only after they have passed all checks.

    Args:
        inputs: tensors of unknown shapes, by name.
        fields: descriptions of the inputs.
        sizes: allowed sizes of dimensions, by the name of the dimension.

    Returns:
        The tensors by name, with the static shapes of their fields.
    """
    given = after([_shape_check(inputs[field.name], field) for field in fields], dict(inputs))
    given = after(list(_size_checks(given, fields, sizes)), given)
    given = {field.name: _shaped(given[field.name], field) for field in fields}
    return after([check for field in fields for check in _value_checks(given, field)], given)


def _shape_check(tensor: tf.Tensor, field: Field) -> tf.Operation:
    """Refuses a tensor whose rank or fixed sizes differ from the field's."""
    rank = len(field.axes)
    actual = tf.concat([tf.shape(tensor), tf.fill([rank], -1)], axis=0)[:rank]
    wanted = [-1 if size is None else size for size in field.shape]
    fits = tf.reduce_all((tf.constant(wanted, tf.int32) == -1) | (actual == wanted))
    axes = ", ".join(map(str, field.axes))
    return require(
        (tf.rank(tensor) == rank) & fits,
        f"Expected {field.name} of shape [{axes}]. Received: shape={{}}",
        tf.shape(tensor),
    )


def _shaped(tensor: tf.Tensor, field: Field) -> tf.Tensor:
    """Returns the tensor with the static shape of its field.

    The shape is set by a reshape, since shape inference does not pass through a reshape. From
    `tf.ensure_shape`, or another operation that takes one rank only, the graph optimizer infers the
    shape of the input too. It then removes the check of that shape.
    """
    sizes = [tf.shape(tensor)[n] if size is None else size for n, size in enumerate(field.shape)]
    return tf.reshape(tensor, sizes)


def _size_checks(
    given: Mapping[str, tf.Tensor], fields: Sequence[Field], sizes: Mapping[str, Range]
) -> Any:
    """Refuses dimensions that are too small, too large, or differ between the inputs."""
    first: dict[str, tuple[str, tf.Tensor]] = {}
    for field in fields:
        for number, axis in enumerate(field.axes):
            if isinstance(axis, int):
                continue
            size = tf.shape(given[field.name])[number]
            name, other = first.setdefault(axis, (field.name, size))
            if name != field.name:
                message = (
                    f"Expected {axis} of {field.name} as of {name}, {{}}. Received: {axis}={{}}"
                )
                yield require(size == other, message, other, size)
            elif axis in sizes:
                message = f"Expected {axis} of {name} {sizes[axis]}. Received: {axis}={{}}"
                yield require(_is_within(size, sizes[axis]), message, size)


def _value_checks(given: Mapping[str, tf.Tensor], field: Field) -> Any:
    """Refuses values that are not finite or out of range."""
    values = given[field.name]
    if field.dtype.is_floating:
        finite = tf.reduce_all(tf.math.is_finite(values))
        yield require(finite, f"Expected finite {field.name}. Received: NaN or infinity")
    if field.values != Range():
        message = f"Expected {field.name} {field.values}. Received: {field.name}={{}}"
        yield require(tf.reduce_all(_is_within(values, field.values)), message, values)


def _is_within(values: tf.Tensor, allowed: Range) -> tf.Tensor:
    least = tf.cast(values.dtype.min if allowed.low is None else allowed.low, values.dtype)
    most = tf.cast(values.dtype.max if allowed.high is None else allowed.high, values.dtype)
    return (values >= least) & (values <= most)
