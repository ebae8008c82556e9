"""Every token of A1111's patterns, and no name that a file system or another folder would suffer from."""
from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modules.files.resolver import PathRefused
from modules.imaging.filenames import TOKEN_NAMES, NameFacts, apply_pattern, fit_name
from modules.imaging.save import NumberBook, SaveOptions, save_image

FACTS = NameFacts(
    prompt="a Red potion, on: a table", asked_prompt="a Red potion", negative_prompt="bad", prompt_without_styles="a Red potion", styles=("oil", "None"), seed=42,
    seeds=(41, 42, 43), steps=20, guidance_scale=7.0, sampler="DPM++ 2M", schedule="Karras", model_name="starter", model_hash="abcd",
    batch_size=3, batch_count=2, batch_index=1, iteration=1, clip_skip=2, user="ann",
    now=datetime(2026, 11, 22, 13, 4, 5, tzinfo=UTC), job_started=datetime(2026, 11, 22, 13, 0, 0, tzinfo=UTC))
IMAGE = Image.new("RGB", (64, 96), "red")


@pytest.mark.parametrize(("pattern", "name"), [
    ("[seed]", "42"), ("[seed]-[prompt_spaces]", "42-a Red potion, on_ a table"), ("[prompt]", "a_Red_potion,_on__a_table"),
    ("[prompt_words]", "a Red potion on a table"), ("[prompt_no_styles]", "a Red potion"), ("[styles]", "oil"), ("[CFG]x", "7.0x"),
    ("[sampler]", "DPM++ 2M"), ("[scheduler]", "Karras"), ("[sampler_scheduler]", "DPM++ 2M Karras"), ("[steps]", "20"),
    ("[width]x[height]", "64x96"), ("[model_name]-[model_hash]", "starter-abcd"), ("[vae_filename]", "NoneType"), ("[date]", "2026-11-22"),
    ("[datetime]", "20261122130405"), ("[datetime<%H-%M>]", "13-04"), ("[datetime<%H:%M><Asia/Tokyo>]", "22_04"),
    ("[datetime<%H><Nowhere/Land>]", "13"), ("[job_timestamp]", "20261122130000"), ("[batch_number]", "2"), ("[generation_number]", "5"),
    ("[seed_first]-[seed_last]", "41-43"), ("[batch_size]", "3"), ("[clip_skip]", "2"), ("[user]", "ann"), ("a[none]b", "ab"),
    ("a-[denoising]", ""), ("[basename]", "img"), ("[nonsense] [seed]", "[nonsense] 42"), ("[hasprompt<red|blue><cat|dog>]", "reddog"),
    ("[prompt_hash]", hashlib.sha256(FACTS.prompt.encode()).hexdigest()[:8]),
    ("[prompt_hash<12>]", hashlib.sha256(FACTS.prompt.encode()).hexdigest()[:12]),
    ("[full_prompt_hash]", hashlib.sha256(b"a Red potion bad").hexdigest()[:8]),
    ("[negative_prompt_hash<4>]", hashlib.sha256(b"bad").hexdigest()[:4]),
    ("[image_hash]", hashlib.sha256(IMAGE.tobytes()).hexdigest()), ("[image_hash<6>]", hashlib.sha256(IMAGE.tobytes()).hexdigest()[:6]),
])
def test_tokens(pattern: str, name: str) -> None:
    assert apply_pattern(pattern, FACTS, IMAGE) == name


def test_there_are_thirty_four_and_each_gives_something_for_a_batch() -> None:
    assert len(TOKEN_NAMES) == 34
    for name in TOKEN_NAMES:
        if name != "hasprompt":
            assert apply_pattern(f"[{name}]", FACTS, IMAGE) != f"[{name}]"


def test_a_single_picture_has_no_batch_numbers() -> None:
    single = NameFacts(seed=1, prompt="")
    assert apply_pattern("[seed]-[batch_number]-[generation_number]-[seed_last]", single) == "1"
    assert apply_pattern("[prompt_words]", single) == "empty"


@pytest.mark.parametrize(("pattern", "name"), [
    ("[prompt_words]", "1girl miku _ vocaloid_"), ("[scheduler]", "Sgm uniform"), ("[sampler_scheduler]", "Euler a Sgm uniform"), ("a-[denoising]", ""),
    ("[hasprompt<Miku|none>]", "miku"), ("[hasprompt<cat|dog|bird>]", "dog"), ("a[hasprompt]b", "ab"), ("[cfg]", "7"),
])
def test_tokens_give_what_they_gave_in_a1111_to_the_letter(pattern: str, name: str) -> None:
    """So that pictures go on into the folders that are there: its words keep the backslash of ``\\(``, its schedules only their first capital."""
    facts = NameFacts(prompt=r"1girl, miku \(vocaloid\)", sampler="Euler a", schedule="SGM Uniform", strength=0.0, guidance_scale=7)
    assert apply_pattern(pattern, facts) == name


@pytest.mark.parametrize("stem", ["", "...", "con", "NUL.x", "\x00", "日本" * 200, "a" * 300, " x ", "../..", ".hidden", "\ud800"])
@pytest.mark.group("S3")
def test_every_stem_becomes_a_name(stem: str) -> None:
    name = fit_name(stem, "png")
    assert len(name.encode()) <= 255 and name.endswith(".png") and not re.search(r'[\\/:*?"<>|\x00-\x1f]', name) and name[0] != "."


@settings(max_examples=300, deadline=None)
@given(pattern=st.lists(st.sampled_from([*"[]<>/\\.: %aé日\0", "[prompt]", "[seed]", "[datetime<", "..", "[styles]"]), max_size=30).map("".join),
       prompt=st.text(max_size=80), folder=st.booleans())
@pytest.mark.group("S3")
def test_whatever_is_typed_the_file_lands_below_its_folder(tmp_path_factory: pytest.TempPathFactory, pattern: str, prompt: str, folder: bool) -> None:
    root = tmp_path_factory.mktemp("out")
    facts = NameFacts(prompt=prompt, seed=1, styles=(prompt,), user=prompt, model_name=prompt)
    options = SaveOptions(pattern=pattern, subfolder_pattern=pattern if folder else "[date]", add_number=not folder)
    try:
        path = save_image(Image.new("RGB", (8, 8)), root, facts, options, NumberBook())
    except PathRefused:
        return
    assert path.is_file() and root in path.parents and len(path.name.encode()) <= 255
    assert [each for each in root.rglob("*") if each.is_file()] == [path]


@pytest.mark.group("S17")
def test_a_hostile_pattern_takes_no_time() -> None:
    import time

    start = time.process_time()
    apply_pattern("[" * 60_000, FACTS)
    apply_pattern("[a" + "<x>" * 20_000 + "]", FACTS)
    apply_pattern("[prompt_words]", NameFacts(prompt="word, " * 20_000))
    assert time.process_time() - start < 1.0


def test_the_path_type_is_plain(tmp_path: Path) -> None:
    assert isinstance(save_image(IMAGE, tmp_path, FACTS, SaveOptions(), NumberBook()), Path)
