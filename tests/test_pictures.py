"""The folder of pictures holds what the tests compare with, and nothing else."""

from __future__ import annotations

import pytest

from tests.snapshot_support import SNAPSHOTS


def test_every_picture_has_its_test(request: pytest.FixtureRequest) -> None:
    """Syrupy looks for pictures that are left over, but not where workers share the tests."""
    options = request.config.option
    if options.keyword or options.markexpr or any("::" in one for one in request.config.args):
        pytest.skip("only a part of the tests is here")
    compared = {
        (item.path.stem, item.name)
        for item in request.session.items
        if isinstance(item, pytest.Function) and "snap_compare" in item.fixturenames
    }
    albums = {
        (item.path.stem, item.originalname)
        for item in request.session.items
        if isinstance(item, pytest.Function) and "album" in item.fixturenames
    }
    modules = {item.path.stem for item in request.session.items}
    kept = {
        (picture.parent.name, picture.stem)
        for picture in SNAPSHOTS.rglob("*")
        if picture.is_file()
        and picture.parent.name in modules
        and (picture.parent.name, picture.stem.partition("[")[0]) not in albums
    }

    assert kept == compared
