"""What a signature takes, and the checks that a request passes before anything is computed.

They are operations of the plain graph, outside of what XLA compiles, which would drop them. A
request that fails one gets INVALID_ARGUMENT with one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

import tensorflow as tf

Axis = Union[int, str]


class Range(NamedTuple):
    """The integers or numbers that are allowed, both ends included; None for no end.

    Attributes:
        low: the least.
        high: the largest.
    """

    low: Optional[float] = None
    high: Optional[float] = None

    def __str__(self) -> str:
        if self.high is None:
            return f"of at least {self.low}"
        return f"of at most {self.high}" if self.low is None else f"from {self.low} to {self.high}"


class Field(NamedTuple):
    """One named input of a signature.

    Attributes:
        name: of the input.
        dtype: of its values.
        axes: size of each dimension, or its name where requests choose it.
        values: what the values must be, besides finite.
    """

    name: str
    dtype: tf.DType
    axes: tuple[Axis, ...] = ()
    values: Range = Range()

    @property
    def shape(self) -> list[int | None]:
        """The static shape."""
        return [axis if isinstance(axis, int) else None for axis in self.axes]


def require(condition: tf.Tensor, sentence: str, *values: Any) -> tf.Operation:
    """An operation that refuses the request with `sentence` unless `condition` holds.

    Args:
        condition: bool [].
        sentence: what is expected and, with a `{}` for each of the values, what was received.
        *values: tensors.
    """
    return tf.debugging.Assert(condition, [tf.strings.format(sentence, values)])


def after(checks: Sequence[tf.Operation], tensors: Any) -> Any:
    """A nest of tensors that exist only when all checks have passed."""
    with tf.control_dependencies(checks):
        return tf.nest.map_structure(tf.identity, tensors)


def checked(
    inputs: Mapping[str, tf.Tensor], fields: Sequence[Field], sizes: Mapping[str, Range]
) -> dict[str, tf.Tensor]:
    """The inputs of a request, with their static shapes, once they have passed all checks.

    Args:
        inputs: tensors of unknown shapes.
        fields: what they must be.
        sizes: how large a dimension may be, by its name.
    """
    given = after([_shape_check(inputs[field.name], field) for field in fields], dict(inputs))
    given = after(list(_size_checks(given, fields, sizes)), given)
    given = {field.name: _shaped(given[field.name], field) for field in fields}
    return after([check for field in fields for check in _value_checks(given, field)], given)


def _shape_check(tensor: tf.Tensor, field: Field) -> tf.Operation:
    """Refuses another rank or another size than the field's."""
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
    """The tensor with the static shape of its field.

    As a reshape, behind which its shape begins anew: from `tf.ensure_shape`, and from any other
    operation that takes one rank only, the graph optimizer infers the shape of the input too, and
    then removes the check of it.
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
