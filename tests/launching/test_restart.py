"""A server that is asked to begin anew does so with its own command line; a safe start is for once."""
from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from modules.launching import restart
from modules.launching.restart import RESTART_FILE, SAFE_FLAG, ask_for_restart, can_restart, is_safe_start, next_start, offer_restart


def test_nothing_is_started_again_unless_somebody_asked(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    file = offer_restart(environ, tmp_path / "made")
    assert can_restart(environ) and next_start(file, ["--api"], environ) is None


def test_an_outer_launcher_keeps_its_file(tmp_path: Path) -> None:
    environ = {RESTART_FILE: "tmp/restart"}
    assert offer_restart(environ, tmp_path) is None and environ == {RESTART_FILE: "tmp/restart"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The signals that the process would have got, at once."""
    signals: list[int] = []

    class AtOnce:
        daemon = False

        def __init__(self, seconds: float, act: Callable[[], None]) -> None:
            self.start = act

    monkeypatch.setattr(restart, "Timer", AtOnce)
    monkeypatch.setattr(restart.signal, "raise_signal", signals.append)
    return signals


def test_asking_ends_the_server_and_the_next_start_is_the_same(tmp_path: Path, told: list[int]) -> None:
    environ: dict[str, str] = {}
    file = offer_restart(environ, tmp_path)
    ask_for_restart(environ)
    assert told == [signal.SIGINT]
    assert next_start(file, ["--api", "--port", "1"], environ) == ("--api", "--port", "1")
    assert offer_restart(environ, tmp_path) == file and next_start(file, [], environ) is None


def test_a_safe_start_is_for_once(tmp_path: Path, told: list[int]) -> None:
    environ: dict[str, str] = {}
    file = offer_restart(environ, tmp_path)
    ask_for_restart(environ, safe=True)
    safe = next_start(file, ["--api"], environ)
    assert safe == ("--api", SAFE_FLAG) and is_safe_start(environ)
    ask_for_restart(environ)
    assert next_start(file, safe, environ) == ("--api",) and not is_safe_start(environ)


def test_a_user_who_wants_no_extensions_keeps_that(tmp_path: Path, told: list[int]) -> None:
    environ: dict[str, str] = {}
    file = offer_restart(environ, tmp_path)
    ask_for_restart(environ)
    assert next_start(file, ["--api", SAFE_FLAG], environ) == ("--api", SAFE_FLAG)
