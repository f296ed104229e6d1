"""A disk that is full: writing a file beyond some size fails as it would there."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Lets no file of this process and of the ones it starts grow beyond `limit_bytes`.

    The system then refuses the write ("File too large"), after having written a part.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
