"""What the pages for users and developers say is there, is there."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from modules.schema.flags import make_parser
from modules.schema.foreign_flags import translated

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "modules/README.md", "models/README.md")
NOT_OURS = {"--user-data-dir"}


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_that_is_named_exists(page: str) -> None:
    known = {option for action in make_parser()._actions for option in action.option_strings}
    for shipped in (ROOT / "extensions").glob("*/preload.py"):
        known |= set(re.findall(r"--[a-z][a-z-]+", shipped.read_text(encoding="utf-8")))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / page).read_text(encoding="utf-8"))) - NOT_OURS
    assert {flag for flag in named - known if translated([flag, "x"], known)[0] == [flag, "x"]} == set()    # Forge's that act here are flags too


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_every_room_is_on_the_map_and_every_file_it_names_exists() -> None:
    text = (ROOT / "modules" / "README.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "modules").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()
    for room, files in re.findall(r"^\| `(\w+)/` \|.*\| (.+) \|$", text, re.MULTILINE):
        for file in re.findall(r"`([\w.]+)`", files):
            assert (ROOT / "modules" / room / file).exists(), f"{room}/{file}"
    for file in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        assert (ROOT / "modules" / file).exists() or (ROOT / file).exists(), file
