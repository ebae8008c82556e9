"""Whatever text becomes the name of a file, the file lies below its folder, under a name that every system takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.extension_host.install import install_from_url
from modules.extension_host.states import save_state, saved_states
from modules.files.resolver import PathRefused, safe_join
from modules.files.storage import StorageError
from modules.imaging.filenames import fit_name
from modules.schema.errors import WebuiError

pytestmark = pytest.mark.group("S3")
REFUSED = (WebuiError, StorageError, PathRefused)
RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
PIECES = ("..", "/", "\\", "C:", "~", "\0", "\n", ".", " ", "con", "NUL", "é", "日本語", "🐱", "a", "-", "%2e", ":", "*", "?", '"', "<", "|", "\u202e", "\ud800", "x" * 100, ".py", ".safetensors", "$(id)", ";", "--upload-pack=x")
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), st.text(max_size=80))


def is_plain(name: str) -> bool:
    """Every system takes it, and no other file is meant by it."""
    stem = name.split(".")[0].rstrip(" ").lower()
    return len(name.encode("utf-8", "replace")) <= 255 and not re.search(r'[\\/:*?"<>|\x00-\x1f\x7f]', name) and name == name.rstrip(". ") and stem not in RESERVED and name not in ("", ".", "..")


def below(root: Path, made: set[Path]) -> bool:
    return all(path.resolve().is_relative_to(root.resolve()) for path in made)


def merged(folder: Path, app: Any, text: str) -> None:
    from modules.application.merging import MergeRequest, goal_of

    if not text.strip():
        return                          # named after the models
    asked = MergeRequest(primary_model_name="a", custom_name=text)
    goal = goal_of(app, asked, None, "")  # type: ignore[arg-type]  # the recipe is asked for a name only where none is given
    assert goal.resolve().is_relative_to(app.paths.checkpoints_dir.resolve()) and is_plain(goal.name), text


def downloaded(folder: Path, app: Any, text: str) -> None:
    final = app.downloads._place(text, "checkpoint")
    assert final.resolve().is_relative_to(app.paths.checkpoints_dir.resolve()) and is_plain(final.name), text


def installed(folder: Path, app: Any, text: str) -> None:
    before = set(folder.rglob("*"))
    with pytest.raises(WebuiError):                 # no such host; what counts is where it would have gone
        install_from_url("https://host.invalid/x.git", folder / "extensions", name=text or "x")
    assert {path.name for path in set(folder.rglob("*")) - before} <= {"extensions"}


def stated(folder: Path, app: Any, text: str) -> None:
    path = save_state(folder / "config_states", text, (), disabled=(), program={})
    assert path.parent == folder / "config_states" and is_plain(path.name), text
    assert text.strip() in ("", saved_states(folder / "config_states")[0].name)
    path.unlink()


def joined(folder: Path, app: Any, text: str) -> None:
    path = safe_join(folder, text)
    assert path.is_relative_to(folder.resolve()) and all(is_plain(part) or set(part) & set('*?"<>|') for part in path.relative_to(folder.resolve()).parts), text


def fitted(folder: Path, app: Any, text: str) -> None:
    name = fit_name(text, "png")
    assert is_plain(name) and name.endswith(".png") and not name.startswith("."), text
    assert fit_name(name.removesuffix(".png"), "png") == name       # it stays what it is


WAYS: dict[str, Callable[[Path, Any, str], None]] = {"picture": fitted, "merge": merged, "download": downloaded, "config state": stated, "resolver": joined}


def attack(folder: Path, app: Any, text: str) -> None:
    for name, way in WAYS.items():
        try:
            way(folder, app, text)
        except REFUSED as error:
            assert len(str(error)) < 3000, name


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_any_text(make_app_once: Any, text: str) -> None:
    attack(make_app_once.paths.data_dir, make_app_once, text)


@pytest.mark.parametrize("text", [".. ..", ". _", " . . ", "...a..", ".con.", ". . " + "x" * 300])
def test_dots_and_spaces_at_the_ends(tmp_path: Path, text: str) -> None:
    fitted(tmp_path, None, text)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, derandomize=False, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_two_thousand_texts(make_app_once: Any, text: str) -> None:
    attack(make_app_once.paths.data_dir, make_app_once, text)


@pytest.mark.parametrize("text", ["..", "../x", "a/b", "/etc", "-x", "--upload-pack=x", ".git", "x\n", "con/..", "~", "C:\\x", "x" * 200, " ", "\0"])
def test_folders_of_extensions(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT", "/bin/false")
    installed(tmp_path, None, text)


@pytest.fixture(scope="module")
def make_app_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from modules.application.build import build_app
    from modules.schema.flags import parse_flags

    app = build_app(parse_flags(["--data-dir", str(tmp_path_factory.mktemp("names"))], {}).flags, start=False)
    yield app
    app.close()
