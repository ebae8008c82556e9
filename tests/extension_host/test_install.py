"""Extensions are cloned whole or not at all, and not for everybody."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from modules.extension_host import install
from modules.extension_host.install import install_from_url, refusal
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.flags import parse_flags


@pytest.mark.parametrize(
    ("arguments", "password", "refused"),
    [
        ([], False, False),
        (["--listen"], False, True),
        (["--share"], False, True),
        (["--server-name", "0.0.0.0"], False, True),
        (["--server-name", "127.0.0.1"], False, False),
        (["--listen"], True, False),
        (["--listen", "--enable-insecure-extension-access"], False, False),
        (["--disable-extra-extensions"], True, True),
    ],
)
def test_who_may_install(arguments: list[str], password: bool, refused: bool) -> None:
    assert bool(refusal(parse_flags(arguments, {}).flags, has_password=password)) is refused


@pytest.mark.parametrize("url", ["", "file:///etc", "/etc", "--upload-pack=x", "https://", "https://a b/c", "https://host/..", "ext::sh -c x"])
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidValue):
        install_from_url(url, tmp_path)


@pytest.mark.parametrize("more", [{"name": "../out"}, {"name": "a/b"}, {"branch": "--evil"}])
def test_names_that_lead_elsewhere(tmp_path: Path, more: dict[str, str]) -> None:
    with pytest.raises(InvalidValue):
        install_from_url("https://host.test/x.git", tmp_path, **more)


def test_a_clone_arrives_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[-1]).mkdir()
        (Path(command[-1]) / "half").touch()
        return subprocess.CompletedProcess(command, 0 if "good" in command[-2] else 128, "", "fatal: no such repository")

    monkeypatch.setattr(install.subprocess, "run", fake)
    with pytest.raises(WebuiError, match="no such repository"):
        install_from_url("https://host.test/bad.git", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert install_from_url("https://host.test/good.git", tmp_path) == tmp_path / "good"
    assert [each.name for each in tmp_path.iterdir()] == ["good"]
    with pytest.raises(InvalidValue, match="already"):
        install_from_url("https://host.test/good.git", tmp_path)
