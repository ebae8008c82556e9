"""--share: a public address is told when there is one; without a network the reason is told and the page goes on."""

from __future__ import annotations

import logging

import pytest
from gradio import networking

from modules.gradio_ui.tunnels import open_tunnels
from modules.launching.serving import Address
from modules.schema.flags import parse_flags

HERE = Address(host="0.0.0.0", port=7860, url="http://0.0.0.0:7860/sd/")


def told(caplog: pytest.LogCaptureFixture, *flags: str) -> str:
    with caplog.at_level(logging.INFO):
        thread = open_tunnels(parse_flags(flags, {}).flags, HERE)
        if thread is not None:
            thread.join(10)
    return caplog.text


def test_the_public_address_is_told_with_the_subpath(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[object] = []

    def opened(*given: object) -> str:
        asked.extend(given)
        return "https://abc.gradio.live"

    monkeypatch.setattr(networking, "setup_tunnel", opened)
    assert "Running on public URL: https://abc.gradio.live/sd\n" in told(caplog, "--share")
    assert asked[:2] == ["127.0.0.1", 7860] and len(str(asked[2])) > 30


@pytest.mark.parametrize("error", [RuntimeError("Could not get share link from Gradio API Server."), OSError("no route"), ValueError("\n\nfrpc said\nmore"), KeyError()])
def test_without_a_network_the_reason_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    def failing(*given: object) -> str:
        raise error

    monkeypatch.setattr(networking, "setup_tunnel", failing)
    text = told(caplog, "--share")
    assert "no public address could be had" in text and "The page goes on at http://0.0.0.0:7860/sd" in text and "Traceback" not in text


@pytest.mark.parametrize(("flags", "words"), [(("--share", "--nowebui"), "--nowebui"), (("--share", "--tls-certfile", "c", "--tls-keyfile", "k"), "TLS"), (("--ngrok", "t"), "ngrok http 7860"), ((), "")])
def test_where_none_is_opened_that_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, flags: tuple[str, ...], words: str) -> None:
    def opened(*given: object) -> str:
        raise AssertionError("no tunnel was to be opened")

    monkeypatch.setattr(networking, "setup_tunnel", opened)
    text = told(caplog, *flags)
    assert words in text and "public URL" not in text and bool(text) == bool(words)
