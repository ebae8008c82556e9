"""Extensions are programs: they come from plain addresses only, into their folder, where no stranger can ask; and no request changes what decides over that."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from modules.extension_host import install
from modules.extension_host.install import SCHEMES, install_from_path, install_from_url, refusal, way_from_elsewhere
from modules.schema.errors import InvalidValue
from modules.schema.flags import parse_flags
from tests.security.conftest import Attacked

ADDRESSES = (
    "ext::sh -c touch% /tmp/x", "ext::sh", "file:///etc", "file://host/x", "/etc", "../x", "-cprotocol.ext.allow=always", "--upload-pack=touch /tmp/x", "-u touch", "ssh://-oProxyCommand=touch/x", "ssh://-o@host/x",
    "ssh://user@-oProxyCommand=x/y", "git@host:x.git", "https://host/x\n--upload-pack=y", "https://host/ x", "https://host/\x00", "https://", "http:///x", "https://host/..", "https://host/../..",
    "https://host/.git", "https://host/", "fd::17/foo", "transport::https://host/x", "ftp://host/x", "HTTPS", "javascript:x", "data:x", "https://[", "https://-x/y", "gcrypt::rsync://x", "s3://bucket/x", "\thttps://host/x y",
    "https://host/%2e%2e%2fevil", "https://host/-x",
)  # fmt: skip
STARTS: tuple[tuple[list[str], bool], ...] = (
    (["--listen"], True), (["--share"], True), (["--server-name", "0.0.0.0"], True), (["--server-name", "::"], True), (["--server-name", "my.host"], True), (["--ngrok", "x"], True), (["--listen", "--subpath", "x"], True),
    (["--server-name", "127.0.0.1.evil"], True), ([], False), (["--server-name", "127.0.0.2"], False), (["--server-name", "localhost"], False),
)  # fmt: skip


@pytest.mark.group("S7")
@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_that_are_more_than_that(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(install.subprocess, "run", lambda command, **_: ran.append(command))
    with pytest.raises(InvalidValue):
        install_from_url(address, tmp_path)
    assert ran == []


@pytest.mark.group("S7")
def test_git_hears_of_plain_ways_only_and_options_end_before_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        seen.update(command=command, **more)
        Path(command[-1]).mkdir()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(install.subprocess, "run", run)
    assert install_from_url("https://host.test/x.git", tmp_path, branch="main") == tmp_path / "x"
    assert seen["command"][-3:-1] == ["--", "https://host.test/x.git"] and "shell" not in seen
    assert seen["env"]["GIT_ALLOW_PROTOCOL"] == ":".join(SCHEMES) and seen["env"]["GIT_TERMINAL_PROMPT"] == "0"


@pytest.mark.group("S7")
@pytest.mark.parametrize(("arguments", "refused"), STARTS)
def test_where_strangers_could_ask_nothing_is_installed(arguments: list[str], refused: bool) -> None:
    flags = parse_flags(arguments, {}).flags
    assert bool(refusal(flags, has_password=False)) is refused and not refusal(flags, has_password=True)


@pytest.mark.group("S7")
@pytest.mark.parametrize(("headers", "refused"), [
    ({"host": "localhost:7860", "origin": "http://localhost:7860", "referer": "http://127.0.0.1:7860/?x"}, False), ({"host": "[::1]:7860"}, False), ({}, False),
    ({"host": "127.0.0.1:7860", "x-forwarded-for": "203.0.113.5"}, True), ({"host": "127.0.0.1", "forwarded": "for=203.0.113.5"}, True), ({"host": "127.0.0.1", "x-real-ip": "127.0.0.1"}, True),
    ({"host": "127.0.0.1", "via": "1.1 nginx"}, True), ({"host": "my.host"}, True), ({"host": "127.0.0.1:7860", "origin": "https://my.host"}, True), ({"host": "127.0.0.1", "origin": "null"}, True),
    ({"host": "127.0.0.1", "referer": "https://my.host/sd/"}, True), ({"host": "127.0.0.1.evil"}, True), ({"host": "[", "origin": "http://["}, True),
])  # fmt: skip
def test_behind_a_proxy_on_this_machine_strangers_could_ask(headers: dict[str, str], refused: bool) -> None:
    flags = parse_flags([], {}).flags
    assert bool(refusal(flags, has_password=False, through=way_from_elsewhere(headers))) is refused and not refusal(flags, has_password=True, through=way_from_elsewhere(headers))


@pytest.mark.group("S7")
def test_a_link_in_a_folder_leads_nowhere_new(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "way").symlink_to("/etc")
    made = install_from_path(tmp_path / "mine", tmp_path / "extensions")
    assert (made / "way").is_symlink()      # a link stays a link: nothing of what it leads to is copied


def functions(attacked: Attacked) -> dict[str, list[int]]:
    """Numbers of the page's functions by the elem_id of what they answer into."""
    config = json.loads(attacked.wire.send("GET", "/config").body)
    names = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
    found: dict[str, list[int]] = {}
    for each in config["dependencies"]:
        for number in each["outputs"]:
            found.setdefault(str(names.get(number)), []).append(each["id"])
    return found


@pytest.mark.group("S8")
def test_no_request_changes_what_decides_over_installing(attacked: Attacked) -> None:
    app = attacked.app
    before = app.flags, app.settings.as_dict(), sorted(path.name for path in (attacked.folder / "extensions").iterdir())
    for key in ("enable_insecure_extension_access", "listen", "share", "gradio_auth", "disable_extra_extensions", "api_server_stop"):
        for value in (True, False, "x\nlisten=True", "x\r\n--listen", [True]):
            assert attacked.wire.json("POST", "/sdapi/v1/options", {key: value}).status in (404, 422), key
            body = {"steps": 1, "width": 64, "height": 64, "override_settings": {key: value}, "override_settings_restore_afterwards": False}
            assert attacked.wire.json("POST", "/sdapi/v1/txt2img", body).status in (404, 422), key
    for path in ("/file=config.json", "/file=ui-config.json", "/sdapi/v1/cmd-flags", "/sdapi/v1/extensions", "/internal/settings"):
        for method in ("PUT", "POST", "PATCH", "DELETE"):
            assert attacked.wire.send(method, path, body=b"{}").status in (404, 405), (method, path)
    assert (app.flags, app.settings.as_dict(), sorted(path.name for path in (attacked.folder / "extensions").iterdir())) == before


@pytest.mark.group("S8")
def test_a_text_of_a_setting_stays_one_text(attacked: Attacked) -> None:
    """CR and LF in a value that is stored bring no second key into config.json."""
    hostile = 'x",\n"disable_all_extensions": "none", "a": "\r\n[section]\nenable=1'
    assert attacked.wire.json("POST", "/sdapi/v1/options", {"api_useragent": hostile}).status == 422
    assert attacked.wire.json("POST", "/sdapi/v1/options", {"samples_filename_pattern": "[seed]\n[x]"}).status in (200, 422)
    stored = json.loads(attacked.app.paths.config_file.read_text(encoding="utf-8"))
    assert set(stored) <= {*attacked.app.settings.as_dict(), *attacked.app.settings.unknown()}
    attacked.app.settings.set("samples_filename_pattern", "")
