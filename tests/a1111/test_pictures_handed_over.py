"""Pictures as extensions hand them to A1111's functions."""
from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from modules.a1111.infotext_names import image_from_url_text
from modules.application.app import App
from modules.schema.errors import InvalidValue


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_bare_base64_is_a_picture(kind: str) -> None:
    """images-browser's "Move to favorites" saves so, and then deletes the original: the picture was lost."""
    data = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(data, kind)
    found = image_from_url_text([base64.b64encode(data.getvalue()).decode()])
    assert found is not None and found.size == (4, 3)


def test_a_picture_that_cannot_be_saved_is_an_error(a1111: App) -> None:
    """Passed over without a word it would be gone: a mover deletes the original next."""
    from modules.gradio_ui.foreign_output import save_files

    with pytest.raises(InvalidValue, match="Picture 1 cannot be read"):
        save_files("{}", [{"name": "gone.png"}], False, 0)


def test_an_extension_s_save_button_means_all_pictures_while_the_sheet_is_chosen(a1111: App) -> None:
    from modules.gradio_ui.foreign_output import save_files

    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("white", "red", "blue")]
    data = json.dumps({"index_of_first_image": 1, "all_seeds": [5, 6], "infotexts": ["a", "b", "c"], "prompt": "p"})
    saved = [save_files(data, pictures, False, index)[0]["value"] for index in (0, -1, 2)]
    assert [len(each) for each in saved] == [3, 3, 1] and Path(saved[2][0]).name.endswith("-6.png")


def test_the_folder_of_an_extension_s_button_opens(a1111: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules.gradio_ui.foreign_output import open_folder

    shown: list[Path] = []
    monkeypatch.setattr("modules.a1111.shared_values.show_folder", shown.append)
    open_folder(str(tmp_path))
    open_folder(str(tmp_path / "not yet"))
    assert shown == [tmp_path.resolve()]


def test_pictures_saved_as_a1111_s_extras_do_have_their_own_names(a1111: App, tmp_path: Path) -> None:
    """Extensions copy that call: every picture went into "image.png", over the one before."""
    from modules import images

    picture = Image.new("RGB", (16, 8), "red")
    for name in ("first", "second"):
        path, _ = images.save_image(picture, "outputs/mine", "base", short_filename=True, no_prompt=True, forced_filename=name, suffix="-x", info="a cat", pnginfo_section_name="extras")
        assert Path(path).name == f"{name}.png" and Path(path).parent.name == "mine"
        with Image.open(path) as saved:
            assert saved.info["extras"] == "a cat"
    named, _ = images.save_image(picture, "outputs/mine", "", seed=1, prompt="cat", forced_filename="third")
    assert Path(named).name == "third.png" and Path(named).parent.parent.name == "mine"       # below the day, as other pictures with words


def test_an_extension_renames_what_another_saves(a1111: App) -> None:
    from modules import images, script_callbacks

    heard: list[str] = []

    def rename(params: script_callbacks.ImageSaveParams) -> None:
        heard.append(params.filename)
        assert Path(params.filename).parent.is_dir()            # others (DAAM) put pictures of their own there
        params.filename = params.filename.replace("00000", "mine")

    script_callbacks.on_before_image_saved(rename)
    path, _ = images.save_image(Image.new("RGB", (16, 8)), "outputs/mine", "", seed=5, prompt="cat", save_to_dirs=False)
    assert [Path(each).name for each in heard] == ["00000-5-cat.png"] and Path(path).name == "mine-5-cat.png"
