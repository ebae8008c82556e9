"""File names under load, clocks that go back, folders with many files, and paths that no ASCII holds."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from unicodedata import normalize

import pytest
from PIL import Image

from modules.application.build import build_app
from modules.engine.styles import read_styles
from modules.imaging.filenames import NameFacts
from modules.imaging.metadata import read_infotext_from
from modules.imaging.save import NumberBook, SaveOptions, save_image
from modules.schema.flags import parse_flags
from tests.conftest import FakeEngine, serve

ROOT = Path(__file__).parents[2]
PICTURE = Image.new("RGB", (8, 8))


@pytest.mark.group("R15")
@pytest.mark.parametrize("options", [{}, {"add_number": False, "pattern": "same"}, {"pattern": "[seed]", "save_txt": True}, {"add_number": False, "replace_existing": False, "pattern": "[date]"}])
def test_sixty_four_threads_save_one_pattern(options: dict[str, object], tmp_path: Path) -> None:
    numbers, paths = NumberBook(), []

    def save(number: int) -> None:
        paths.append(save_image(PICTURE, tmp_path, NameFacts(seed=1), SaveOptions(**options), numbers, infotext=f"picture {number}"))  # type: ignore[arg-type]

    threads = [threading.Thread(target=save, args=(number,)) for number in range(64)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(paths)) == 64
    assert {read_infotext_from(path.read_bytes())[0] for path in paths} == {f"picture {number}" for number in range(64)}


@pytest.mark.group("R15")
def test_a_clock_that_goes_back_replaces_nothing(tmp_path: Path) -> None:
    now, kept = datetime.now(), {}
    for hours in (0, 1, -1, 0, -24, 0):
        facts = NameFacts(seed=1, now=now + timedelta(hours=hours))
        for options in (SaveOptions(pattern="[datetime]", add_number=False), SaveOptions(pattern="[datetime]")):
            path = save_image(PICTURE, tmp_path, facts, options, NumberBook(), infotext=str(len(kept)))
            assert path not in kept
            kept[path] = path.read_bytes()
    assert all(path.read_bytes() == content for path, content in kept.items())


OTHER = """
import sys
from pathlib import Path
from unicodedata import normalize
from PIL import Image
from modules.imaging.filenames import NameFacts
from modules.imaging.save import NumberBook, SaveOptions, save_image
numbers = NumberBook()
sys.stdin.readline()
for n in range(150):
    save_image(Image.new("RGB", (8, 8)), Path(sys.argv[1]), NameFacts(seed=1), SaveOptions(), numbers, infotext=f"{sys.argv[2]} {n}")
"""


@pytest.mark.group("R15")
def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, "-c", OTHER, str(tmp_path), name], cwd=ROOT, stdin=subprocess.PIPE) for name in ("one", "two")]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(b"\n")
        each.stdin.flush()
    assert [each.wait(60) for each in both] == [0, 0]
    texts = [read_infotext_from(path.read_bytes())[0] for path in tmp_path.rglob("*.png")]
    assert sorted(texts) == sorted(f"{name} {n}" for name in ("one", "two") for n in range(150))


STYLES_AND_SETTINGS = """
import sys
from pathlib import Path
from unicodedata import normalize
from modules.application.settings_store import SettingsStore
from modules.engine.styles import Style, change_style
from modules.schema.settings.table import SETTINGS
folder, keys = Path(sys.argv[1]), sys.argv[3:]
store = SettingsStore(folder / "config.json", SETTINGS)
sys.stdin.readline()
for n in range(30):
    change_style(folder / "styles.csv", f"{sys.argv[2]} {n}", Style(name=f"{sys.argv[2]} {n}", prompt="x", negative_prompt=""))
    store.set(keys[n % len(keys)], n + 1)
    store.save()
"""


@pytest.mark.group("R15")
def test_two_processes_write_styles_and_settings_at_once_and_none_is_lost(tmp_path: Path) -> None:
    keys = {"one": ["jpeg_quality", "target_side_length"], "two": ["notification_volume"]}
    both = [subprocess.Popen([sys.executable, "-c", STYLES_AND_SETTINGS, str(tmp_path), name, *keys[name]], cwd=ROOT, stdin=subprocess.PIPE) for name in keys]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(b"\n")
        each.stdin.flush()
    assert [each.wait(60) for each in both] == [0, 0]
    assert sorted(read_styles([tmp_path / "styles.csv"])) == sorted(f"{name} {n}" for name in keys for n in range(30))
    kept = json.loads((tmp_path / "config.json").read_text())
    assert [kept[key] for key in ("jpeg_quality", "target_side_length", "notification_volume")] == [29, 30, 30]
    assert not [each.name for each in tmp_path.iterdir() if each.suffix not in (".csv", ".json", ".bak")]


def seconds_to_save(folder: Path, numbers: NumberBook, times: int = 9) -> float:
    """The median."""
    taken = []
    for _ in range(times):
        began = time.thread_time()
        save_image(PICTURE, folder, NameFacts(seed=1), SaveOptions(in_subfolders=False), numbers)
        taken.append(time.thread_time() - began)
    return sorted(taken)[times // 2]


def many_files(folder: Path, count: int) -> None:
    folder.mkdir()
    for n in range(count):
        os.close(os.open(folder / f"{n:05}-1.png", os.O_CREAT))


@pytest.mark.group("R16")
@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_picture_more_among_many(count: int, tmp_path: Path) -> None:
    many_files(tmp_path / "full", count)
    (tmp_path / "empty").mkdir()
    numbers = NumberBook()
    save_image(PICTURE, tmp_path / "full", NameFacts(seed=1), SaveOptions(in_subfolders=False), numbers)    # the folder is read once
    assert seconds_to_save(tmp_path / "full", numbers) - seconds_to_save(tmp_path / "empty", NumberBook()) < 0.005


@pytest.mark.long
@pytest.mark.group("R16")
def test_many_pictures_do_not_make_the_start_longer(make_app: Callable[..., object], tmp_path: Path) -> None:
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        make_app().close()  # type: ignore[attr-defined]
        taken.append(time.perf_counter() - began)
        if len(taken) == 1:
            (tmp_path / "outputs").mkdir()
            many_files(tmp_path / "outputs" / "txt2img-images", 100_000)
    assert taken[1] < taken[0] + 0.5


NAMES = {"spaces": "my data folder", "emoji": "\U0001f680 données", "rtl": "\u0645\u0644\u0641\u0627\u062a \u05e9\u05dc\u05d5\u05dd", "newline": "a\nb", "255 bytes": "\u30c7" * 85,
         "a percent and a hash": "50% #1 [x]&y=1'\"", "not normalised": "e\u0301", "not UTF-8": os.fsdecode(b"caf\xe9")}  # fmt: skip


@pytest.mark.group("R17")
@pytest.mark.parametrize("name", NAMES)
def test_a_data_folder_of_any_name(name: str, fake_engine: FakeEngine, tmp_path: Path) -> None:
    """Settings, a checkpoint, a styles file, pictures named by their prompts, the history and the queue, below such a folder."""
    word = NAMES[name]
    data = tmp_path / word
    models = data / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    stem = "model" if name == "not UTF-8" else word if len(os.fsencode(word)) < 200 else word[:60]      # a model of such a name is left out and named
    (models / f"{stem}.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (data / "styles.csv").write_text("name,prompt,negative_prompt\nmine,a style,\n", encoding="utf-8")
    prompt = "".join(each for each in word if each.isprintable() and each != "#") * 3 + " the end"
    for number in range(2):                         # the second time over what the first has left
        app = build_app(parse_flags(["--data-dir", str(data), "--api"], {}).flags)
        for server in serve(app):
            client = server.client
            assert [each["model_name"] for each in client.get("/sdapi/v1/sd-models").json()] == [normalize("NFC", stem.encode("utf-8", "replace").decode())]     # as people type it
            assert client.post("/sdapi/v1/options", json={"samples_filename_pattern": "[prompt_spaces]", "jpeg_quality": 61}).status_code == 200
            answer = client.post("/sdapi/v1/txt2img", json={"prompt": prompt, "steps": 1, "width": 64, "height": 64, "save_images": True, "styles": ["mine"]})
            assert answer.status_code == 200, answer.text
            text = Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).info["parameters"]
            assert text.startswith(f"{prompt.encode('utf-8', 'replace').decode()}, a style")
            job = client.get("/sdapi/v1/jobs").json()["finished"][0]
            assert job["state"] == "done" and job["error"] is None
        saved = list((data / "outputs").rglob("*.png"))
        assert len(saved) == number + 1 and all(len(os.fsencode(each.name)) <= 255 for each in saved)
        assert not list(data.glob("*.corrupt-*"))
