"""Exported directories of the small networks, each made once."""

from __future__ import annotations

import pytest

from tests.support import served
from tfwavenet.export import export_saved_model


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A function that gives the folder of a version of a network, in either form."""
    made = {}

    def export(kind, form="portable"):
        if (kind, form) not in made:
            made[kind, form] = export_saved_model(
                served.network(kind),
                tmp_path_factory.mktemp("served") / kind,
                form=form,
                chunk_samples=served.CHUNK,
                max_samples=served.LIMITS.samples,
                max_batch=served.LIMITS.batch,
            )
        return made[kind, form]

    return export
