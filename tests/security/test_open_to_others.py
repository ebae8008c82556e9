"""A server that others can reach asks for a password, one of its own where none was set; the usual one is reached by this machine alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from modules.launching.own_password import USER, needs_own_password, with_own_password
from modules.launching.serving import listen
from modules.rest_api.credentials import credentials_from_flags
from modules.schema.errors import InvalidValue
from modules.schema.flags import Flags, parse_flags
from tests.security.wire import basic

pytestmark = pytest.mark.group("S9")


def flags_of(*arguments: str) -> Flags:
    return parse_flags(list(arguments), {}).flags


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ((), False), (("--api",), False), (("--server-name", "127.0.0.1"), False), (("--server-name", "localhost"), False), (("--server-name", "127.8.8.8"), False), (("--server-name", "::1"), False),
        (("--listen",), True), (("--share",), True), (("--ngrok", "x"), True), (("--server-name", "0.0.0.0"), True), (("--server-name", "::"), True), (("--server-name", "192.168.1.5"), True),
        (("--server-name", "127.0.0.1.evil.example"), True), (("--listen", "--api", "--api-auth", "a:b"), True), (("--listen", "--nowebui"), True), (("--listen", "--nowebui", "--api-auth", "a:b"), False),
        (("--listen", "--gradio-auth", "a:b"), False), (("--listen", "--gradio-auth-path", "x"), False), (("--listen", "--listen-without-password"), False), (("--share", "--subpath", "x"), True),
    ],
)  # fmt: skip
def test_who_gets_a_password(arguments: tuple[str, ...], needed: bool) -> None:
    assert needs_own_password(flags_of(*arguments)) is needed


def test_it_is_told_kept_for_the_next_start_and_opens(tmp_path: Path) -> None:
    flags, told = with_own_password(flags_of("--listen", "--data-dir", str(tmp_path)))
    password = (flags.gradio_auth or "").removeprefix(f"{USER}:")
    assert len(password) >= 12 and f"{USER} / {password}" in told
    known = credentials_from_flags(flags)
    assert known.needed(is_api=False) and known.needed(is_api=True)
    assert known.user_of({"authorization": basic(f"{USER}:{password}")}, is_api=True) == USER and known.user_of({"authorization": basic(f"{USER}:x")}, is_api=True) is None
    kept = tmp_path / "cache" / "password.txt"
    assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == 0
    assert with_own_password(flags_of("--share", "--data-dir", str(tmp_path)))[0].gradio_auth == flags.gradio_auth
    kept.write_text("a:b,c:d\n")                        # whoever can write there cannot add users of his own
    again = with_own_password(flags_of("--listen", "--data-dir", str(tmp_path)))[0].gradio_auth or ""
    assert again != flags.gradio_auth and "a:b" not in again


def test_passwords_differ_and_a_folder_that_cannot_be_written_is_no_way_in(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the folder's place")
    made = {with_own_password(flags_of("--listen", "--data-dir", str(tmp_path)))[0].gradio_auth for _ in range(4)}
    assert len(made) == 4


def test_nothing_changes_where_none_is_needed(tmp_path: Path) -> None:
    flags = flags_of("--data-dir", str(tmp_path))
    assert with_own_password(flags) == (flags, "") and list(tmp_path.iterdir()) == []


def test_the_usual_server_is_reached_by_this_machine_alone() -> None:
    bound, address = listen(flags_of("--port", "0"))
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1" and not address.is_open_to_others


@pytest.mark.parametrize("content", ["", "\n \n", ",", "\ufeff\n"])
def test_a_file_of_passwords_without_any_does_not_open_the_server(content: str, tmp_path: Path) -> None:
    """It counts as a password where installing is allowed: the start ends instead."""
    file = tmp_path / "pairs.txt"
    file.write_text(content, encoding="utf-8")
    for arguments in (["--gradio-auth-path", str(file)], ["--gradio-auth", " "], ["--api-auth", ","]):
        with pytest.raises(InvalidValue, match="names no user:password"):
            credentials_from_flags(parse_flags(arguments, {}).flags)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_passwords_may_come_from_any_editor(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes("ann:gehéim\r\nbob:b,\r\n".encode(encoding))
    known = credentials_from_flags(parse_flags(["--gradio-auth-path", str(tmp_path / "pairs.txt")], {}).flags)
    assert known.user_named("ann", "gehéim", is_api=False) == "ann" and known.user_named("bob", "b", is_api=False) == "bob"
