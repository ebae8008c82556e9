"""The index follows the output folders, and finds pictures by what they say."""
from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from modules.application.picture_index import PictureIndex, Search
from modules.application.thumbnails import SIDE, thumbnail
from modules.files.trash import move_to_trash
from modules.imaging.metadata import png_bytes
from modules.schema.errors import InvalidValue


def put(folder: Path, name: str, prompt: str, model: str = "m1", when: float = 1000.0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"{prompt}\nNegative prompt: bad 100%\nSteps: 5, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 40x20, Model: {model}"
    path.write_bytes(png_bytes(Image.new("RGB", (40, 20)), text))
    os.utime(path, (when, when))
    return path


@pytest.fixture
def index(tmp_path: Path) -> PictureIndex:
    return PictureIndex(tmp_path / "cache" / "index.sqlite3", lambda: [tmp_path / "outputs", tmp_path / "outputs" / "txt2img"])


def names(index: PictureIndex, **asked: object) -> list[str]:
    index.refresh(wait=True)
    return [each.path.name for each in index.search(Search(**asked))[1]]    # type: ignore[arg-type]


def test_search_by_words_model_date_and_folder(index: PictureIndex, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    put(outputs, "txt2img/2024/a.png", "a red Cat", when=1000)
    put(outputs, "txt2img/b.png", "a red dog", model="m2", when=2000)
    put(outputs, "img2img/c.png", "100_ blue cats", when=3000)
    (outputs / "txt2img" / "notes.txt").write_text("no picture")
    (outputs / "txt2img" / "broken.png").write_bytes(b"no picture")
    os.utime(outputs / "txt2img" / "broken.png", (1, 1))
    assert names(index) == ["c.png", "b.png", "a.png", "broken.png"]
    assert names(index, words="cat") == ["c.png", "a.png"] and names(index, words="CAT red") == ["a.png"]
    assert names(index, words="100_") == ["c.png"] and names(index, words="'; DROP TABLE pictures; --") == []
    assert names(index, model="m2") == ["b.png"] and names(index, folder="img2img") == ["c.png"]
    assert names(index, since=1500.0, until=3000.0) == ["b.png"]
    assert index.values("model") == ["m1", "m2"] and set(index.values("folder")) == {"txt2img", "img2img"}
    total, page = index.search(Search(), offset=1, count=2)
    assert total == 4 and [each.path.name for each in page] == ["b.png", "a.png"]
    assert (page[0].prompt, page[0].seed, page[0].width, page[0].height) == ("a red dog", "42", 40, 20)


def test_the_index_follows_what_happens_in_the_folders(index: PictureIndex, tmp_path: Path) -> None:
    path = put(tmp_path / "outputs", "a.png", "before")
    assert names(index, words="before") == ["a.png"]
    put(tmp_path / "outputs", "a.png", "after", when=5000)
    assert names(index, words="before") == [] and names(index, words="after") == ["a.png"]
    path.unlink()
    assert names(index) == []


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    put(tmp_path / "outputs", "a.png", "still here")
    database = tmp_path / "index.sqlite3"
    database.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    index = PictureIndex(database, lambda: [tmp_path / "outputs"])
    assert names(index) == ["a.png"]
    index.close()
    with pytest.raises(sqlite3.Error):
        index.search(Search())


@pytest.mark.parametrize("there", [False, True])
def test_pictures_are_listed_where_the_index_cannot_be_written(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may only be read: the index of before cannot be opened there, nor be taken away."""
    put(tmp_path / "outputs", "a.png", "a cat")
    if there:
        with sqlite3.connect(tmp_path / "index.sqlite3") as before:
            before.execute("CREATE TABLE pictures (id)")
    else:
        (tmp_path / "cache").write_text("a file in the place of the folder")

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refused)
    index = PictureIndex(tmp_path / ("index.sqlite3" if there else "cache/index.sqlite3"), lambda: [tmp_path / "outputs"])
    assert names(index) == ["a.png"] and index.values("model") == ["m1"]
    index.close()


def test_deleting_a_picture_succeeds_while_the_index_is_locked(index: PictureIndex, tmp_path: Path) -> None:
    """The picture is in the trash by then; that another program (a backup) holds the index must not look like a failure."""
    put(tmp_path / "outputs", "a.png", "a cat")
    index.refresh(wait=True)
    index._open().execute("PRAGMA busy_timeout=20")
    total, found = index.search(Search())
    found[0].path.unlink()
    with sqlite3.connect(index._database, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        index.forget(found[0].id)
        other.execute("ROLLBACK")
    index.refresh(wait=True)
    assert index.search(Search())[0] == total - 1


def test_thumbnails_are_small_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (1000, 500)).save(path)
    data = thumbnail(path, tmp_path / "cache")
    kept = list((tmp_path / "cache").rglob("*.webp"))
    assert data[8:12] == b"WEBP" and len(kept) == 1 and Image.open(kept[0]).size == (SIDE, SIDE // 2)
    path.write_bytes(b"no picture")
    with pytest.raises(InvalidValue):
        thumbnail(path, tmp_path / "cache")


def test_the_trash_keeps_everything(tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        (tmp_path / "a.png").write_bytes(content)
        (tmp_path / "a.txt").write_bytes(content)
        move_to_trash(tmp_path / "a.png", tmp_path / "trash", beside=(".txt",))
    assert sorted((path.name, path.read_bytes()) for path in (tmp_path / "trash").rglob("*.*")) == [
        ("a-2.png", b"2"), ("a-2.txt", b"2"), ("a.png", b"1"), ("a.txt", b"1")]
    assert not (tmp_path / "a.png").exists() and not (tmp_path / "a.txt").exists()
