"""Extensions are cloned whole or not at all, and not for everybody."""
from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from modules.extension_host import install
from modules.extension_host.install import (
    clear_abandoned,
    install_from_path,
    install_from_repository,
    install_from_url,
    local_path,
    refusal,
)
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.flags import parse_flags
from tests.repositories import git

pytestmark = pytest.mark.group("S7")


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


def test_what_a_killed_installation_left_goes_with_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "extensions"
    for name, age in (("killed", 90_000), ("under-way", 60)):
        (folder / f".installing-{name}" / "thing").mkdir(parents=True)
        os.utime(folder / f".installing-{name}", (time.time() - age, time.time() - age))
    install_from_path(zipped(tmp_path / "thing.zip", {"scripts/a.py": ""}), folder)
    assert sorted(each.name for each in folder.iterdir()) == [".installing-under-way", "thing"]


def test_what_a_server_killed_at_the_install_left_goes_at_the_next_start(tmp_path: Path) -> None:
    """At once, and what another server is at work in stays."""
    folder, source = tmp_path / "extensions", tmp_path / "big"
    (source / "scripts").mkdir(parents=True)
    program = f"from pathlib import Path; from modules.extension_host.install import install_from_path; install_from_path(Path({str(source)!r}), Path({str(folder)!r}))"
    patched = "import shutil, os, time; shutil.copytree = lambda source, made, **_: (os.mkdir(made), print(made, flush=True), time.sleep(60)); " + program
    server = subprocess.Popen([sys.executable, "-c", patched], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        half = Path(server.stdout.readline().strip())
        clear_abandoned(folder)
        assert half.is_dir()
    finally:
        server.kill()
        server.wait(10)
    assert half.is_dir()
    clear_abandoned(folder)
    assert list(folder.iterdir()) == []


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("inside", ["", "thing-main/"])
def test_a_zip_file_is_unpacked_with_or_without_a_folder_around_it(tmp_path: Path, inside: str) -> None:
    archive = zipped(tmp_path / "thing.zip", {f"{inside}scripts/a.py": "A = 1", f"{inside}install.py": ""})
    assert install_from_path(archive, tmp_path / "extensions") == tmp_path / "extensions" / "thing"
    assert (tmp_path / "extensions" / "thing" / "scripts" / "a.py").read_text() == "A = 1"


def test_a_zip_file_of_scripts_alone_keeps_their_folder(tmp_path: Path) -> None:
    install_from_path(zipped(tmp_path / "thing.zip", {"scripts/a.py": ""}), tmp_path / "extensions")
    assert (tmp_path / "extensions" / "thing" / "scripts" / "a.py").is_file()


def test_a_folder_is_copied_once(tmp_path: Path) -> None:
    (tmp_path / "mine" / "scripts").mkdir(parents=True)
    (tmp_path / "mine" / "scripts" / "a.py").touch()
    assert (install_from_path(tmp_path / "mine", tmp_path / "extensions", name="other") / "scripts" / "a.py").is_file()
    assert (tmp_path / "mine" / "scripts" / "a.py").is_file()
    with pytest.raises(InvalidValue, match="already"):
        install_from_path(tmp_path / "mine", tmp_path / "extensions", name="other")


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "..\\out.py"])
def test_a_zip_file_writes_nowhere_else_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue, match="outside"):
        install_from_path(zipped(tmp_path / "bad.zip", {"a.py": "", name: ""}), tmp_path / "extensions")
    assert list((tmp_path / "extensions").iterdir()) == []


def test_what_is_no_extension_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    for source in (tmp_path / "text.zip", tmp_path / "absent", tmp_path):
        with pytest.raises(InvalidValue):
            install_from_path(source, tmp_path / "extensions", name="x")
    monkeypatch.setattr(install, "MOST_UNPACKED", 3)
    with pytest.raises(InvalidValue, match="unpack"):
        install_from_path(zipped(tmp_path / "large.zip", {"a": "12345"}), tmp_path / "extensions")


def repository(folder: Path, *steps: list[str]) -> Path:
    """A git repository with one script and one commit; then ``steps`` of git."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "a.py").touch()
    for words in (["init", "-q", "-b", "main"], *steps, ["add", "."], ["commit", "-qm", "one"]):
        git(folder, *words)
    return folder


def test_a_repository_of_this_machine_is_cloned_by_its_file_address_with_what_it_includes(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner")
    outer = repository(tmp_path / "my näme.git", ["submodule", "add", str(inner), "third"])
    path = local_path(outer.as_uri())
    assert path is not None and path == outer
    made = install_from_repository(path, tmp_path / "extensions")
    assert made.name == "my näme" and (made / "third" / "scripts" / "a.py").is_file()
    with pytest.raises(InvalidValue, match="no git repository"):
        install_from_repository(tmp_path, tmp_path / "extensions", name="x")


def test_a_branch_of_a_folder_is_what_was_asked_for(tmp_path: Path) -> None:
    mine = repository(tmp_path / "mine")
    git(mine, "branch", "other")
    (mine / "unfinished.py").touch()
    made = install_from_path(mine, tmp_path / "extensions", branch="other")
    assert (made / ".git" / "HEAD").read_text().strip() == "ref: refs/heads/other" and not (made / "unfinished.py").exists()


def test_an_extension_is_not_installed_twice_under_two_names(tmp_path: Path) -> None:
    mine = repository(tmp_path / "mine.git")
    install_from_repository(mine, tmp_path / "extensions", name="first")
    with pytest.raises(InvalidValue, match="in the folder first"):
        install_from_repository(mine, tmp_path / "extensions", name="second")
    assert [each.name for each in (tmp_path / "extensions").iterdir()] == ["first"]


def test_a_full_disk_is_named_whoever_meets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git, whose last line speaks of something else, and our own copying. Nothing is left."""
    said = "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output"
    monkeypatch.setattr(install.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 128, "", said))
    with pytest.raises(WebuiError, match=r"The disk is full.* Free some space"):
        install_from_url("https://host.test/x.git", tmp_path / "extensions")
    (source := tmp_path / "source").mkdir()
    (source / "a.py").touch()
    if Path("/dev/full").exists():                  # what is written to it meets a full disk
        monkeypatch.setattr(install.shutil, "copytree", lambda *_, **_more: Path("/dev/full").write_text("x"))
        with pytest.raises(WebuiError, match=r"The disk is full.* Free some space"):
            install_from_path(source, tmp_path / "extensions")
    assert list((tmp_path / "extensions").iterdir()) == []


def test_a_folder_that_takes_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source := tmp_path / "source").mkdir()
    (tmp_path / "taken").touch()                    # a file where the folder should be
    with pytest.raises(WebuiError, match="takes no extensions"):
        install_from_path(source, tmp_path / "taken" / "extensions")

    def read_only(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(install.tempfile, "TemporaryDirectory", read_only)
    with pytest.raises(WebuiError, match="takes no extensions: Read-only file system"):
        install_from_path(source, tmp_path / "extensions")
