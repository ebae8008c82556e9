"""Real extensions, unmodified. The environment variable WEBUI_EXTENSIONS names a folder that holds their repositories; without it these tests are skipped."""
from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.conftest import RealServer, chromium, started_server, visit

__all__ = ["chromium", "visit"]
VARIABLE = "WEBUI_EXTENSIONS"
With = Callable[..., RealServer]


def repository(name: str) -> Path:
    """The folder of that extension; the test is skipped where it is not there."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} does not name a folder of extensions")
    if not (Path(folder) / name).is_dir():
        pytest.skip(f"{name} is not in {folder}")
    return Path(folder) / name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.fspath)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@contextmanager
def server_with(folder: Path, *names: str, flags: tuple[str, ...] = ()) -> Iterator[RealServer]:
    """``webui.py`` with copies of these extensions in its data folder ``folder``."""
    for name in names:
        source = repository(name)
        shutil.copytree(source, folder / "extensions" / name, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
    with started_server(folder, *flags) as server:
        yield server
