"""The error for a file that gives no record."""

from __future__ import annotations


class UnusableRecordingError(ValueError):
    """Reports that a recording or text cannot be used; the message is the reason."""
