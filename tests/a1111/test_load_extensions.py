"""What extensions find when they are loaded."""
from __future__ import annotations

import os
from pathlib import Path

import PIL.Image
import pytest

from modules import shared
from modules.a1111.script_host import ScriptHost
from modules.a1111.script_reload import reload_script_bodies
from modules.application.app import App
from modules.gradio_ui.build import build_ui
from tests.a1111.test_wildcards import made, with_extensions
from tests.conftest import FakeEngine


def test_the_folders_that_a1111_always_has_are_there(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Extensions list them without asking, also in a data folder that was begun just now."""
    app: App = next(running := with_extensions(tmp_path))
    folders = [tmp_path / "models" / name for name in ("Stable-diffusion", "VAE", "ESRGAN")]
    assert all(each.is_dir() for each in [*folders, Path(app.flags.lora_dir), Path(app.flags.hypernetwork_dir), Path(app.flags.embeddings_dir)])
    assert not app.extensions.troubles.found
    running.close()


def test_before_the_page_is_built_an_extension_makes_the_tab_s_scripts_and_finds_another_s(tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacer makes them so, to put ControlNet's units on its own tab."""
    script = tmp_path / "extensions" / "a-tab" / "scripts" / "a_tab.py"
    script.parent.mkdir(parents=True)
    script.write_text(
        "from modules import script_callbacks, scripts, shared\n"
        "def look():\n"
        "    scripts.scripts_img2img.initialize_scripts(is_img2img=True)\n"
        "    shared.found_before_ui = [each.title() for each in scripts.scripts_img2img.alwayson_scripts]\n"
        "script_callbacks.on_before_ui(look)\n"
    )
    monkeypatch.setattr(shared, "found_before_ui", [], raising=False)
    next(running := with_extensions(tmp_path))
    assert "Wildcards" in shared.found_before_ui
    running.close()


def test_a_single_file_in_the_folder_scripts_is_a_script_of_the_list(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """It writes with A1111's font, and names its folder as pathlib does (Test my prompt, Prompt morph)."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "dropped.py").write_text(
        "from pathlib import Path\n"
        "from PIL import Image, ImageDraw, ImageFont\n"
        "from modules import processing, scripts\n"
        "from modules.paths_internal import roboto_ttf_file\n"
        "class Script(scripts.Script):\n"
        "    def title(self):\n"
        "        return 'Dropped'\n"
        "    def run(self, p):\n"
        "        p.outpath_samples = Path(p.outpath_samples) / 'mine'\n"
        "        done = processing.process_images(p)\n"
        "        ImageDraw.Draw(done.images[0]).text((0, 0), 'W', 'white', font=ImageFont.truetype(roboto_ttf_file, 20))\n"
        "        return done\n"
    )
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for app in with_extensions(tmp_path):
        outcome, _ = made(app, "a cat", script_name="dropped", save_images=True)
        assert len(outcome.images) == 1 and list((tmp_path / "outputs" / "txt2img-images" / "mine").rglob("*.png"))


def test_reload_ui_shows_a_script_that_was_put_into_the_folder_meanwhile(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Also the first one ever, and one that failed once it is mended; those that are there stay the objects that they are."""
    text = "from modules import scripts\nclass Script(scripts.Script):\n    def title(self):\n        return '{}'\n    def run(self, p):\n        return None\n"
    for app in with_extensions(tmp_path):
        host = app.scripts.host
        assert isinstance(host, ScriptHost)
        build_ui(app)
        before = list(host.txt2img.scripts)
        (tmp_path / "scripts").mkdir()
        (tmp_path / "scripts" / "late.py").write_text(text.format("Late"))
        (tmp_path / "scripts" / "broken.py").write_text("import nothing_like_it")
        page = build_ui(app)        # "Reload UI"
        assert host.txt2img.script("late") and host.img2img.script("late") and host.txt2img.scripts[: len(before)] == before
        [choice] = [each for each in page.blocks.values() if getattr(each, "elem_id", None) == "script_list" and host.txt2img.inputs[0] is each]
        assert [name for name, _ in choice.choices][-1] == "Late"  # type: ignore[attr-defined]
        folder = tmp_path / "models" / "Stable-diffusion"
        (folder / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
        app.catalogue.refresh()
        assert made(app, "a cat", script_name="Late")[0].images
        (tmp_path / "scripts" / "broken.py").write_text(text.format("Mended"))
        os.utime(tmp_path / "scripts" / "broken.py", (0, 9))
        build_ui(app)
        assert host.txt2img.script("mended") and [each.title() for each in host.txt2img.scripts].count("Late") == 1


_WORDY = '''
from modules import script_callbacks, scripts, shared
class Script(scripts.Script):
    def title(self):
        return "{word}"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def process_batch(self, p, **more):
        p.prompts[:] = ["{word}" for each in p.prompts]
        p.extra_generation_params["Word"] = "{word}"
xyz_grid = next(each.module for each in scripts.scripts_data if each.script_class.__module__ == "xyz_grid.py")
xyz_grid.axis_options.append(xyz_grid.AxisOption("[Wordy] axis", str, xyz_grid.do_nothing))
script_callbacks.on_before_ui(lambda: shared.words.append("begins {word}"))
script_callbacks.on_script_unloaded(lambda: shared.words.append("ends {word}"))
script_callbacks.on_ui_settings(lambda: shared.opts.add_option("reach_{word}", shared.OptionInfo(1, "{word}", section=("reach", "Reach"))))
'''


def test_reload_ui_reads_changed_scripts_again_and_ends_those_that_are_gone(tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in A1111: whoever edits a script, or takes a file away, sees it after Reload UI. What was not changed keeps its objects."""
    monkeypatch.setattr(shared, "words", words := [], raising=False)
    extension, single = tmp_path / "extensions" / "wordy" / "scripts", tmp_path / "scripts"
    for folder in (extension, single, tmp_path / "models" / "Stable-diffusion"):
        folder.mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (extension / "wordy.py").write_text(_WORDY.format(word="old"))
    (single / "single.py").write_text("from modules import scripts\nclass Script(scripts.Script):\n    def title(self):\n        return 'Single'\n")
    for app in with_extensions(tmp_path):
        host = app.scripts.host
        assert isinstance(host, ScriptHost)
        build_ui(app)
        before = [each for each in host.txt2img.scripts if each.title() not in ("old", "Single")]
        assert "Word: old" in made(app, "a cat")[0].images[0].infotext and words == ["begins old"]
        build_ui(app)       # nothing was changed
        assert words == ["begins old"]

        (extension / "wordy.py").write_text(_WORDY.format(word="body"))
        os.utime(extension / "wordy.py", (0, 8))
        assert not reload_script_bodies(app)[1] and "Word: body" in made(app, "a cat")[0].images[0].infotext
        words[:] = ["begins old"]
        before = [each for each in host.txt2img.scripts if each.title() not in ("body", "Single")]

        (extension / "wordy.py").write_text(_WORDY.format(word="new"))
        os.utime(extension / "wordy.py", (0, 9))
        (single / "single.py").unlink()
        build_ui(app)       # "Reload UI"
        assert words == ["begins old", "ends body", "begins new"] and "reach_new" in app.settings.table
        assert "Word: new" in made(app, "a cat")[0].images[0].infotext
        plot = host.txt2img.script("x/y/z plot")
        assert plot is not None and [each.label for each in plot.offered()].count("[Wordy] axis") == 1      # type: ignore[attr-defined]
        assert not {"old", "body", "Single"} & {each.title() for each in host.txt2img.scripts} and "Single" not in host.img2img.titles
        assert [each for each in host.txt2img.scripts if each.title() != "new"] == before and not app.extensions.troubles.found

        (extension / "wordy.py").write_text("this is no Python")
        os.utime(extension / "wordy.py", (0, 10))
        build_ui(app)
        assert words[3:] == ["ends new"] and [each.owner for each in app.extensions.troubles.found] == ["wordy"]
        assert "Word" not in made(app, "a cat")[0].images[0].infotext
        (extension / "wordy.py").write_text(_WORDY.format(word="mended"))
        os.utime(extension / "wordy.py", (0, 11))
        build_ui(app)
        assert "Word: mended" in made(app, "a cat")[0].images[0].infotext and not app.extensions.troubles.found
        (extension / "wordy.py").unlink()
        build_ui(app)
        assert words[-1] == "ends mended" and "[Wordy] axis" not in [each.label for each in plot.offered()]     # type: ignore[attr-defined]


def test_reload_ui_takes_up_an_extension_that_came_meanwhile_unless_it_needs_the_next_start(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """As in A1111 after a ``git clone`` beside the running server. An installer, and flags of its own, are for the start."""
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    (tmp_path / "models" / "Stable-diffusion" / "fake.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    for app in with_extensions(tmp_path):
        build_ui(app)
        for name, more in (("plain", "style.css"), ("waits", "install.py"), ("sd-webui-controlnet", "style.css"), ("wildcards-main", "style.css")):
            folder = tmp_path / "extensions" / name
            (folder / "scripts").mkdir(parents=True)
            (folder / more).write_text("")
            (folder / "scripts" / f"{name}.py").write_text(_WORDY.format(word=name).replace("shared.words.append", "str"))
        build_ui(app)       # "Reload UI"
        assert [each.name for each in app.extensions.enabled if not each.is_builtin] == ["plain"] and not app.extensions.troubles.found
        assert "Word: plain" in made(app, "a cat")[0].images[0].infotext


def test_who_installed_an_extension_that_encrypts_pictures_is_told_that_they_are_not(tmp_path: Path, fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It puts a class of its own in Pillow's place, and encrypts what is saved under a file's name (Encrypt image)."""
    monkeypatch.setattr(PIL.Image, "Image", PIL.Image.Image)        # put back afterwards
    script = tmp_path / "extensions" / "encrypts" / "scripts" / "encrypts.py"
    script.parent.mkdir(parents=True)
    script.write_text("from PIL import Image\nclass Mine(Image.Image):\n    def save(self, fp, format=None, **params):\n        super().save(fp, format, **params)\nImage.Image = Mine\n")
    for app in with_extensions(tmp_path):
        assert [(each.owner, "Pictures are saved as they are" in each.sentence) for each in app.extensions.troubles.found] == [("encrypts", True)]
