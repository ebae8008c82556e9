"""What the page is made of, without a browser: ids, labels, starting values, what stands in its <head>."""
from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from modules.gradio_ui.checkpoint_choice import shown_title, start_size
from modules.gradio_ui.gradio_files import FRONTEND, FRONTEND_URL
from modules.gradio_ui.head import head_html
from modules.gradio_ui.mended_gradio import PLACES, mended
from modules.gradio_ui.page_state import awaited_ids
from modules.gradio_ui.static_files import BUNDLES, SCRIPTS, STATIC, STYLES, TREE, bundle
from modules.gradio_ui.ui_config import UiConfig
from modules.library.model_file import ModelFile
from modules.schema.settings.table import SETTINGS
from modules.schema.table import TXT2IMG
from tests.gradio_ui.conftest import BuiltPage


def test_every_field_has_words_and_can_be_used(page: BuiltPage) -> None:
    for field in page.form.fields:
        assert field.component.label, field.name
        assert field.component.interactive, field.name


def test_fields_bear_the_tables_ids_and_defaults(page: BuiltPage) -> None:
    for field in page.form.fields:
        if field.name in ("txt2img_enable-checkbox", "txt2img_subseed_show"):  # opens what stands in it and is part of no request
            continue
        entry = TXT2IMG.by_api_name(field.name)
        in_fold = f"{entry.elem_id('txt2img')}-checkbox"  # the box that opens a fold, as A1111 names it
        assert field.component.elem_id in (entry.elem_id("txt2img"), in_fold)
        if field.name not in ("width", "height", "styles", "refiner_checkpoint"):
            assert field.component.value == entry.page_default, field.name


def test_the_scripts_wait_for_everything_that_gradio_shows_at_once(page: BuiltPage) -> None:
    awaited = set(awaited_ids(page.blocks))
    assert {"txt2img_prompt", "txt2img_gallery", "settings_form", "footer"} <= awaited
    absent = {each for each, component in page.components.items() if component["props"].get("visible") is False}
    assert not absent & awaited


@pytest.mark.parametrize(
    ("native", "stored", "expected"),
    [
        ((128, 128), {}, (128, 128)),
        (None, {}, (512, 512)),
        ((1024, 1024), {"txt2img/Width/value": 768}, (768, 1024)),
        ((128, 128), {"txt2img/Width/value": 512, "txt2img/Height/value": 512}, (512, 512)),
        ((128, 128), {"txt2img/Width/value": "wide"}, (128, 128)),
    ],
)
def test_the_model_says_the_size_unless_the_user_did(native: object, stored: dict[str, object], expected: tuple[int, int]) -> None:
    model = SimpleNamespace(native_size=native)
    assert start_size(model, UiConfig(Path("ui-config.json"), stored)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("short", "expected"), [(False, "anime/good.safetensors [abababab00]"), (True, "good [abababab00]")])
def test_checkpoints_are_listed_without_folder_and_suffix_on_request(short: bool, expected: str) -> None:
    model = ModelFile(path=Path("models/anime/good.safetensors"), name="anime/good.safetensors", kind="checkpoint", size=1, sha256="abababab00ff")
    assert shown_title(SimpleNamespace(settings={"sd_checkpoint_dropdown_use_short": short}), model) == expected      # type: ignore[arg-type]


def test_without_a_checkpoint_the_page_says_where_to_put_one(page: BuiltPage) -> None:
    from modules.gradio_ui.page_state import page_state

    (notice,) = page_state(page.app, {}, ())["notices"]
    assert str(page.app.paths.checkpoints_dir) in notice and ".safetensors" in notice


def test_the_settings_that_scripts_read_are_declared_and_honoured() -> None:
    read = {name for script in SCRIPTS for name in re.findall(r"opts\.(\w+)", (STATIC / script).read_text(encoding="utf-8"))}
    assert "canvas_hotkey_zoom" in read
    assert all(SETTINGS.find(key).honoured for key in read)


def test_head_names_all_static_files_and_no_others() -> None:
    assert {path.name for path in STATIC.iterdir() if path.suffix in (".js", ".css")} == {*SCRIPTS, *STYLES, TREE}


@pytest.mark.group("S13")
def test_no_text_in_the_head_can_end_its_script() -> None:
    head = head_html({"options": {"x": "</script><script>alert(1)</script>\u2028"}}, theme=None)
    assert head.count("</script>") == 2
    found = re.search(r"window\.webui_boot = (.*);</script>", head)
    assert found and json.loads(found[1])["options"]["x"].startswith("</script>")


def test_the_theme_of_the_command_line_reaches_the_page() -> None:
    assert 'let theme = "dark"' in head_html({}, theme="dark")


def test_the_pages_html_names_no_other_host(page: BuiltPage) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules.gradio_ui.build import mount

    client = TestClient(mount(FastAPI(), page.blocks, page.app))
    html = client.get("/").text
    assert "window.webui_boot" in html
    for tag in re.findall(r"<(?:script|link|img|meta|iframe)\b[^>]*>", html):
        assert not re.search(r'(?:src|href|content)="(?:https?:)?//', tag), tag
    assert client.get("/webui-static/script.js").status_code == 200 and client.get("/webui-static/none.js").status_code == 404


def test_scripts_and_styles_are_one_file_each_that_browsers_keep(page: BuiltPage) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules.gradio_ui.build import mount

    client = TestClient(mount(FastAPI(), page.blocks, page.app))
    html = client.get("/").text
    for name, parts in BUNDLES.items():
        (address,) = re.findall(rf'"(webui-static/{name}\?\w+)"', html)
        answer = client.get(f"/{address}", headers={"Accept-Encoding": "gzip"})
        assert answer.content == bundle(name) and answer.headers["Content-Encoding"] == "gzip" and "immutable" in answer.headers["Cache-Control"]
        places = [answer.text.index((STATIC / part).read_text(encoding="utf-8")) for part in parts]
        assert places == sorted(places)
    preloaded = re.findall(r'<link rel="modulepreload"[^>]*href="\./(assets/[^"]+)"', html)
    assert len(preloaded) > 30 and len(set(preloaded)) == len(preloaded)
    kept = client.get(f"/{preloaded[0]}", headers={"Accept-Encoding": "identity"})
    assert kept.status_code == 200 and "immutable" in kept.headers["Cache-Control"] and "Content-Encoding" not in kept.headers


def test_what_the_browser_has_already_is_not_sent_again(page: BuiltPage) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules.gradio_ui.build import mount

    client = TestClient(mount(FastAPI(), page.blocks, page.app))
    script = next(path.name for path in FRONTEND.glob("*.js") if mended(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8"))
    for address in ("/", "/webui-static/script.js", f"/{FRONTEND_URL}/{script}"):
        first = client.get(address)
        assert first.status_code == 200 and first.headers["Cache-Control"] == "no-cache"
        again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(address, headers={"If-None-Match": '"other"', "Accept-Encoding": "identity"}).text == first.text
    tag = client.get("/").headers["ETag"]
    page.app.settings.set("jpeg_quality", 41)
    changed = client.get("/", headers={"If-None-Match": tag})
    assert changed.status_code == 200 and '"jpeg_quality": 41' in changed.text


def test_each_place_of_gradios_scripts_that_is_written_otherwise_is_there(page: BuiltPage) -> None:
    scripts = [path.read_text(encoding="utf-8") for path in FRONTEND.glob("*.js")]
    for pattern, written in PLACES:
        found = [match for text in scripts if (match := pattern.search(text))]
        assert found, f"this Gradio has no {pattern.pattern[:60]}: its page works, but is slower; see mended_gradio.py"
        assert all(written(match) != match[0] for match in found)


def test_the_html_is_kept_but_its_head_is_of_this_moment_and_its_addresses_are_the_visitors(page: BuiltPage) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from modules.gradio_ui.build import mount

    client = TestClient(mount(FastAPI(), page.blocks, page.app))
    first = client.get("/?__theme=dark").text
    assert 'data-place="settings_form"' in first and 'id="setting_samples_format"' in first
    page.app.settings.set("jpeg_quality", 37)
    assert '"jpeg_quality": 37' in client.get("/").text
    elsewhere = client.get("/", headers={"Host": "other.example"}).text
    assert "http://other.example" in elsewhere and "http://other.example" not in first and "http://testserver" not in elsewhere


def test_gradio_can_make_each_field_of_ours_once_more(page: BuiltPage) -> None:
    """It does so for every update of a field, also for one that leaves it as it is."""
    ours = [each for each in page.blocks.blocks.values() if type(each).__module__.startswith("modules.") and hasattr(each, "constructor_args")]
    assert len({type(each) for each in ours}) > 1
    for each in ours:
        arguments = {name: value for name, value in each.constructor_args.items() if name != "value"}
        assert type(each)(**arguments, render=False).elem_id == each.elem_id
