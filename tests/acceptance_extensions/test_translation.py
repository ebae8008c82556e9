"""stable-diffusion-webui-localization-zh_CN translates the page."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.acceptance_extensions.conftest import server_with
from tests.browser.conftest import Visit


def test_the_page_speaks_chinese(tmp_path: Path, visit: Callable[..., Visit]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"localization": "zh_CN"}), encoding="utf-8")
    with server_with(tmp_path, "stable-diffusion-webui-localization-zh_CN") as server:
        visit(server.url).page.wait_for_function("document.querySelector('#txt2img_generate').textContent.trim() === '生成'")


def test_the_page_speaks_two_languages_though_the_data_folder_is_elsewhere(tmp_path: Path, visit: Callable[..., Visit]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"bilingual_localization_file": "zh_CN"}), encoding="utf-8")
    with server_with(tmp_path, "sd-webui-bilingual-localization", "stable-diffusion-webui-localization-zh_CN") as server:
        page = visit(server.url).page
        page.wait_for_function("(() => { const text = document.querySelector('#txt2img_generate').textContent; return text.includes('生成') && text.includes('Generate'); })()")
        assert "extension sd-webui-bilingual-localization" not in server.log()
