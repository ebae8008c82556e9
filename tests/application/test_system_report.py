"""The system report tells a maintainer what counts, and nobody a secret."""
from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from modules.application.app import App
from modules.application.system_report import HIDDEN, report_is_unchanged, report_text, system_report, without_secrets

pytestmark = pytest.mark.group("S11")


def test_a_report_holds_no_secret(make_app: Callable[..., App]) -> None:
    app = make_app("--gradio-auth", "anna:geheim1", "--api-auth", "bot:geheim2", "--ngrok", "geheim3")
    app.settings.set("api_useragent", "https://me:geheim4@proxy.example/")
    app.settings.set("jpeg_quality", 71)
    text = report_text(system_report(app))
    assert "geheim" not in text
    report = json.loads(text)
    assert report["Flags"]["gradio_auth"] == HIDDEN and report["Config"]["jpeg_quality"] == 71
    assert any(each.startswith("torch==") for each in report["Packages"])


@pytest.mark.parametrize("key", ["civitai_api_key", "ch_civiai_api_key", "openai_token", "my_password", "client_secret"])
def test_extensions_keys_are_hidden(key: str) -> None:
    assert without_secrets({key: "abc", "token_merging_ratio": 0.5, "samples_format": "png"}) == {key: HIDDEN, "token_merging_ratio": 0.5, "samples_format": "png"}


def test_a_changed_report_is_told(make_app: Callable[..., App]) -> None:
    text = report_text(system_report(make_app()))
    assert report_is_unchanged(text)
    assert not report_is_unchanged(text.replace('"Version": "', '"Version": "9'))
    assert not any(report_is_unchanged(each) for each in ("", "[]", "{}", "no json", '{"checksum": 5}'))


def test_programs_find_what_a1111_reports_where_and_as_it_does(make_app: Callable[..., App]) -> None:
    """They skip the program's name among the words of the command line, and list the extensions that are on."""
    report = system_report(make_app("--port", "7999", "--no-half", "--cors-allow-origins", "https://a.example"))
    words = report["Commandline"][1:]
    assert "--no-half" in words and words[words.index("--port") + 1] == "7999" and words[words.index("--cors-allow-origins") + 1] == "https://a.example"
    assert report["RAM"]["total"].endswith("GB") and report["CPU"]["count logical"] > 0
    assert all(set(each) == {"name", "path"} for each in [*report["Extensions"], *report["Inactive extensions"]])
