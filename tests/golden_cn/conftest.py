"""A server with the tiny control networks; and a folder for the preprocessors' files."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden_cn import stored


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with stored.server(tmp_path_factory.mktemp("data")) as app:
        yield app


@pytest.fixture
def weights_folder(app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The preprocessors' files lie here meanwhile."""
    from internal_controlnet import preprocessors  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(preprocessors, "weight_folders", lambda: [tmp_path])
    return tmp_path
