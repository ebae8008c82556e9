"""A1111's folders and numbers, and the parameters inside every format."""
from __future__ import annotations

import errno
import io
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from modules.files import long_paths
from modules.files.storage import Storage, StorageError
from modules.imaging.filenames import NameFacts
from modules.imaging.grids import grid_rows, image_grid
from modules.imaging.metadata import encode, exif_bytes, png_bytes, read_infotext_from
from modules.imaging.save import NumberBook, SaveOptions, save_image
from modules.schema.errors import InvalidValue
from modules.schema.settings.saving import PICTURE_FORMATS

FACTS = NameFacts(prompt="a cat", seed=1234567890)
IMAGE = Image.new("RGB", (16, 16), "blue")
INFOTEXT = "a cat, \"日本\" 🐈\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 1"
GOLDEN = Path(__file__).parents[1] / "golden" / "sd15" / "images"


def test_the_stock_name(tmp_path: Path) -> None:
    numbers = NumberBook()
    first = save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers, infotext=INFOTEXT)
    day = FACTS.now.strftime("%Y-%m-%d")
    assert first == tmp_path / day / "00000-1234567890.png"
    assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers).name == "00001-1234567890.png"
    (tmp_path / day / "00041-7.png").write_bytes(b"someone else's")
    assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers).name == "00042-1234567890.png"
    assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(), NumberBook(), basename="grid", short_name=True).name == "grid-0000.png"
    assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers, basename="grid", short_name=True).name == "grid-0001.png"
    flat = SaveOptions(in_subfolders=False)
    assert save_image(IMAGE, tmp_path, FACTS, flat, numbers).name == "00000-1234567890-a cat.png"
    assert save_image(IMAGE, tmp_path, FACTS, flat, numbers, suffix="-mask").name == "00001-1234567890-a cat-mask.png"


def test_without_numbers_nothing_is_replaced(tmp_path: Path) -> None:
    options = SaveOptions(add_number=False, in_subfolders=False, pattern="[seed]", save_txt=True)
    (tmp_path / "1234567890.txt").write_text("mine")
    names = [save_image(IMAGE, tmp_path, FACTS, options, NumberBook(), infotext=INFOTEXT).name for _ in range(3)]
    assert names == ["1234567890.png", "1234567890-1.png", "1234567890-2.png"]
    assert (tmp_path / "1234567890.txt").read_text() == "mine"


def test_without_numbers_a_picture_makes_way_when_that_is_wanted(tmp_path: Path) -> None:
    options = SaveOptions(add_number=False, in_subfolders=False, pattern="[seed]", replace_existing=True)
    for colour in ("red", "blue"):
        path = save_image(Image.new("RGB", (8, 8), colour), tmp_path, FACTS, options, NumberBook(), infotext=colour)
    assert [each.name for each in tmp_path.iterdir()] == ["1234567890.png"]
    assert read_infotext_from(path)[0] == "blue"


def test_a_jobs_pictures_do_not_replace_each_other(tmp_path: Path) -> None:
    options = SaveOptions(add_number=False, in_subfolders=False, pattern="same", replace_existing=True)
    for _job in range(2):
        own: set[Path] = set()
        for _picture in range(3):
            own.add(save_image(IMAGE, tmp_path, FACTS, options, NumberBook(), kept=own))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["same-1.png", "same-2.png", "same.png"]


@pytest.mark.parametrize("file_format", ["png", "jpg", "webp", "avif", "gif", "tif", "tiff"])
def test_the_parameters_come_back_from_every_format(tmp_path: Path, file_format: str) -> None:
    path = save_image(IMAGE, tmp_path, FACTS, SaveOptions(file_format=file_format, save_txt=True), NumberBook(), infotext=INFOTEXT)
    assert path.suffix == "." + file_format
    assert read_infotext_from(path) == (INFOTEXT, {})
    assert path.with_suffix(".txt").read_text(encoding="utf-8") == INFOTEXT + "\n"
    bare = save_image(IMAGE, tmp_path, FACTS, SaveOptions(file_format=file_format, embed_infotext=False), NumberBook(), infotext=INFOTEXT)
    assert read_infotext_from(bare)[0] is None


def test_a_bmp_has_its_parameters_beside_it(tmp_path: Path) -> None:
    path = save_image(IMAGE, tmp_path, FACTS, SaveOptions(file_format="bmp"), NumberBook(), infotext=INFOTEXT)
    with Image.open(path) as read:
        assert read.format == "BMP" and read.size == IMAGE.size
    assert path.with_suffix(".txt").read_text(encoding="utf-8") == INFOTEXT + "\n"
    bare = save_image(IMAGE, tmp_path, FACTS, SaveOptions(file_format="bmp", embed_infotext=False), NumberBook(), infotext=INFOTEXT)
    assert not bare.with_suffix(".txt").exists()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("file_format", PICTURE_FORMATS)
def test_every_format_takes_every_kind_of_picture(mode: str, file_format: str) -> None:
    with Image.open(io.BytesIO(encode(Image.new(mode, (9, 7)), INFOTEXT, file_format))) as read:
        assert read.size == (9, 7)


@pytest.mark.parametrize("text", ["x" * 100_000, "a\0b\ud800c", "\x1b[31m", "\r\n" * 50, "é" * 40_000])
def test_odd_texts_do_not_break_a_save(tmp_path: Path, text: str) -> None:
    for file_format in ("png", "jpg", "webp"):
        assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(file_format=file_format), NumberBook(), infotext=text).is_file()


def test_a1111_files_are_read(tmp_path: Path) -> None:
    infotext, items = read_infotext_from(GOLDEN / "prompt-plain-0.png")
    assert infotext and infotext.startswith("a cat\nSteps: 8, Sampler: Euler") and items == {}
    novel = PngImagePlugin.PngInfo()
    novel.add_text("Software", "NovelAI")
    novel.add_text("Description", "a cat")
    novel.add_text("Comment", '{"sampler": "k_euler", "uc": "dog", "steps": 28, "scale": 11, "seed": 5}')
    IMAGE.save(tmp_path / "n.png", pnginfo=novel)
    infotext, items = read_infotext_from(tmp_path / "n.png")
    assert infotext and "Sampler: Euler, CFG scale: 11, Seed: 5, Size: 16x16" in infotext and '"steps": 28' in items["Comment"]
    novel.add_text("Comment", '{"sampler": "k_dpmpp_2m_sde", "uc": "dog", "steps": 28, "scale": 11, "seed": 5}')
    IMAGE.save(tmp_path / "n.png", pnginfo=novel)
    assert "Sampler: DPM++ 2M SDE," in (read_infotext_from(tmp_path / "n.png")[0] or "")
    with pytest.raises(InvalidValue):
        read_infotext_from(b"not a picture")


def test_a_picture_of_another_program_tells_how_it_was_made(tmp_path: Path) -> None:
    invoke = '{"positive_prompt": "a cat", "negative_prompt": "a dog", "seed": 7, "steps": 20, "cfg_scale": 8.0, "scheduler": "euler_a", "width": 512, "height": 768}'
    (tmp_path / "a.png").write_bytes(encode(IMAGE, texts={"invokeai_metadata": invoke}))
    infotext, items = read_infotext_from(tmp_path / "a.png")
    assert infotext == "a cat\nNegative prompt: a dog\nSteps: 20, Sampler: Euler a, CFG scale: 8, Seed: 7, Size: 512x768"
    assert items == {"invokeai_metadata": invoke}


_GRAPH = (
    '{"1": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 20, "cfg": 8, "sampler_name": "euler", "positive": ["2", 0], "latent_image": ["3", 0]}},'
    ' "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat"}}}'
)


@pytest.mark.parametrize(("tag", "text"), [(0x9286, "a cat\nSteps: 20, Seed: 7"), (0x0110, f"prompt:{_GRAPH}"), (0x010F, f"Prompt:{_GRAPH}")])
@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_texts_in_a_picture_s_first_exif_block_are_read_as_fooocus_and_comfyui_write_them(tag: int, text: str, file_format: str) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[tag] = text
    IMAGE.save(out, file_format, exif=exif.tobytes())
    told = read_infotext_from(out.getvalue())[0] or ""
    assert told.startswith("a cat") and "Steps: 20" in told and "Seed: 7" in told


def test_long_chinese_prompts_in_little_endian_are_read() -> None:
    text, exif, out = "\u732b" * 300 + "\nSteps: 1", Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + ("\ufeff" + text).encode("utf-16-le")
    IMAGE.save(out, "JPEG", exif=exif.tobytes())
    assert read_infotext_from(out.getvalue())[0] == text


def test_novelai_s_noise_schedule_is_told() -> None:
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    facts = '{"steps": 28, "scale": 5.0, "seed": 7, "noise_schedule": "karras", "sampler": "k_euler_ancestral", "uc": "a dog"}'
    for key, text in {"Software": "NovelAI", "Description": "a cat", "Comment": facts}.items():
        info.add_text(key, text)
    IMAGE.save(out, "PNG", pnginfo=info)
    assert "Sampler: Euler a, Schedule type: Karras, " in (read_infotext_from(out.getvalue())[0] or "")


def test_little_endian_comments_are_read() -> None:
    body = encode(IMAGE, "", "jpg")
    assert read_infotext_from(body)[0] is None
    swapped = exif_bytes("Steps: 1").replace("Steps: 1".encode("utf-16-be"), "Steps: 1".encode("utf-16-le"))
    import io

    out = io.BytesIO()
    IMAGE.save(out, "JPEG", exif=swapped)
    assert read_infotext_from(out.getvalue())[0] == "Steps: 1"


@pytest.mark.parametrize(("prompt", "folder"), [("~ a cat", "_~ a cat"), ("con", "_con"), ("aux.net", "_aux.net"), ("猫" * 120, "猫" * 85), ("..", "_"), ("a/~b", "a_~b")])
def test_no_prompt_makes_a_folder_that_cannot_be(tmp_path: Path, prompt: str, folder: str) -> None:
    facts = NameFacts(prompt=prompt, seed=1)
    for options in (SaveOptions(subfolder_pattern="[prompt_spaces]"), SaveOptions(in_subfolders=False, pattern="[prompt_spaces]/[seed]")):
        path = save_image(IMAGE, tmp_path, facts, options, NumberBook())
        assert path.is_file() and path.parent.name in (folder, folder.replace(" ", "_"), tmp_path.name)


def test_threads_share_a_folder(tmp_path: Path) -> None:
    numbers, paths = NumberBook(), []
    save = lambda: paths.append(save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers))
    threads = [threading.Thread(target=save) for _ in range(32)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({path.name for path in paths}) == 32
    assert min(int(path.name[:5]) for path in paths) == 0


def test_a_full_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = tmp_path / FACTS.now.strftime("%Y-%m-%d")
    day.mkdir()
    for n in range(5000):
        os.close(os.open(day / f"{n:05}-1.png", os.O_CREAT))
    numbers = NumberBook()
    assert save_image(IMAGE, tmp_path, FACTS, SaveOptions(), numbers).name.startswith("05000-")
    monkeypatch.setattr("modules.imaging.save.os.scandir", lambda folder: pytest.fail(f"{folder} is read again"))
    for _ in range(5):
        numbers.used(day, "", numbers.next(day, ""))


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    class Full(Storage):
        def before(self, step: str, path: Path) -> None:
            if step == "write":
                raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="disk is full"):
        save_image(IMAGE, tmp_path, FACTS, SaveOptions(), NumberBook(), storage=Full())
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a usable folder"):
        save_image(IMAGE, tmp_path / "file", FACTS, SaveOptions(in_subfolders=False), NumberBook())


@pytest.mark.skipif(os.name == "nt", reason="who may make links there is the administrator's word")
def test_a_folder_on_a_disk_that_is_not_there_is_a_sentence_and_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "outputs").symlink_to(tmp_path / "unmounted" / "pictures")
    for options in (SaveOptions(), SaveOptions(in_subfolders=False), SaveOptions(in_subfolders=False, pattern="[prompt]/[seed]")):
        with pytest.raises(StorageError, match=r"outputs is a link to .*pictures, which is not there"):
            save_image(IMAGE, tmp_path / "outputs" / "txt2img-images", FACTS, options, NumberBook())
    assert not (tmp_path / "unmounted").exists()


def test_large_pictures_get_a_jpeg_beside_them(tmp_path: Path) -> None:
    options = SaveOptions(copy_above_side=100)
    path = save_image(Image.new("RGB", (200, 50)), tmp_path, FACTS, options, NumberBook(), infotext=INFOTEXT)
    with Image.open(path.with_suffix(".jpg")) as copy:
        assert copy.size == (100, 25)
    assert not save_image(IMAGE, tmp_path, FACTS, options, NumberBook()).with_suffix(".jpg").exists()
    for none in (0, -1):     # no limit, and no reason to call the picture unsaved
        assert not save_image(IMAGE, tmp_path, FACTS, SaveOptions(copy_above_side=none), NumberBook()).with_suffix(".jpg").exists()
    assert save_image(Image.new("L", (17_000, 1)), tmp_path, replace(FACTS, seed=2), SaveOptions(file_format="webp"), NumberBook()).suffix == ".png"


@pytest.mark.parametrize(("count", "options", "rows"), [
    (1, {}, 1), (4, {}, 2), (6, {}, 2), (7, {}, 3), (12, {"prevent_empty": True}, 3), (5, {"n_rows": 9}, 5), (8, {"n_rows": 0, "batch_size": 4}, 4)])
def test_grid_rows(count: int, options: dict[str, int], rows: int) -> None:
    assert grid_rows(count, **options) == rows      # type: ignore[arg-type]


def test_grid_places_row_by_row() -> None:
    colours = ["red", "green", "blue"]
    sheet = image_grid([Image.new("RGB", (10, 20), colour) for colour in colours], 2)
    assert sheet.size == (20, 40)
    assert [sheet.getpixel(at) for at in ((5, 5), (15, 5), (5, 25), (15, 35))] == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)]


def test_two_threads_may_encode_one_picture() -> None:
    large, wrong = Image.new("RGB", (300, 300), "red"), []

    def check(k: int) -> None:
        wrong.extend(k for _ in range(10) if read_infotext_from(encode(large, f"text {k}", "png" if k % 2 else "webp"))[0] != f"text {k}")

    threads = [threading.Thread(target=check, args=(k,)) for k in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "F"])
def test_pictures_of_every_mode_become_pngs(mode: str) -> None:
    """A photograph meant for printing is CMYK, which no PNG holds."""
    red = Image.new("RGB", (8, 8), (200, 0, 0)).convert("L" if mode == "F" else "RGB").convert(mode)
    again = Image.open(io.BytesIO(png_bytes(red)))
    assert again.convert("RGB").getpixel((4, 4)) == red.convert("RGB").getpixel((4, 4))


def test_png_round_trip_is_exact() -> None:
    assert read_infotext_from(png_bytes(IMAGE, INFOTEXT, {"postprocessing": "x"})) == (INFOTEXT, {"postprocessing": "x"})


def test_a_picture_without_a_name_is_numbered_all_the_same(tmp_path: Path) -> None:
    """Without numbers every grid was "grid.png": the next job's took its place."""
    options, numbers = SaveOptions(add_number=False, in_subfolders=False, replace_existing=True), NumberBook()
    names = [save_image(IMAGE, tmp_path, FACTS, options, numbers, basename="grid", short_name=True).name for _ in range(2)]
    assert names == ["grid-0000.png", "grid-0001.png"]


@pytest.mark.parametrize("words", ["a cat on a mat, " * 30, "日本の猫" * 60, "sub/" * 80])
def test_where_windows_limits_a_path_names_and_folders_are_cut_to_fit(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "o" / "p" / ("q" * max(1, 120 - len(str(tmp_path))))
    monkeypatch.setattr(long_paths, "longest_path", lambda: 259)
    facts = replace(FACTS, prompt=words, max_part_length=400)
    options = SaveOptions(subfolder_pattern="[prompt_spaces]", pattern="[seed]-[prompt]", save_txt=True)
    paths = [save_image(IMAGE, folder, facts, options, NumberBook(), infotext=INFOTEXT, suffix=suffix) for suffix in ("", "-mask")]
    paths.append(save_image(IMAGE, folder, facts, replace(options, pattern=words + "/[prompt]", in_subfolders=False), NumberBook()))
    temporary = len(".webui-tmp-01234567-1234567-0123456789ab")
    assert all(len(str(each)) <= 259 and len(str(each.parent)) + 1 + temporary <= 259 for each in paths)


@pytest.mark.parametrize("in_subfolders", [True, False])
def test_where_nothing_limits_a_path_each_folder_of_a_pattern_has_its_whole_name(in_subfolders: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_paths, "longest_path", lambda: None)
    folders = "/".join(["a" * 90, "b" * 90, "c" * 90])
    options = SaveOptions(in_subfolders=in_subfolders, **{"subfolder_pattern" if in_subfolders else "pattern": f"{folders}/d"})
    path = save_image(IMAGE, tmp_path, FACTS, options, NumberBook())
    assert path.relative_to(tmp_path).as_posix().startswith(f"{folders}/")
