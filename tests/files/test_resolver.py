"""No spelling of a path leaves its root."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.files.resolver import PathRefused, allowed, safe_join

pytestmark = pytest.mark.group("S1", "S3")

HOSTILE = [
    "..", "../x", "a/../../x", "..\\x", "a\\..\\..\\x", "/etc/passwd", "\\\\server\\share", "//server/share", "C:\\x", "c:x", "C:/x",
    "a\x00b", "a\nb", "", "   ", "~/x", "~root/x", "a/..", ".../...", "a/b:stream", "x.", "x ", "a/ /b", "CON", "nul.txt", "a/COM1.png",
    "..%00/x\x00", "a/./../../x", "\r\n", "../" * 60 + "etc/passwd", "x" * 256, "é" * 128, "....//x.", "LPT9", "aux.json", "a/../b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_spellings_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PathRefused):
        safe_join(tmp_path, text)


@pytest.mark.parametrize("text", ["a", "a/b.png", "a\\b.png", "./a", "日本/画像.png", "%2e%2e/x", "a b/c,d;e.png", "console.png", "..a/b"])
def test_plain_names_stay(tmp_path: Path, text: str) -> None:
    assert allowed(safe_join(tmp_path, text), [tmp_path])


@pytest.mark.skipif(os.name == "nt", reason="who may make links there is the administrator's word")
def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("x")
    (root / "link").symlink_to(outside)
    (root / "inner").symlink_to(root)
    with pytest.raises(PathRefused):
        safe_join(root, "link/secret")
    assert safe_join(root, "inner/x") == root / "x"
    assert not allowed(root / "link" / "secret", [root])
    assert not allowed("/proc/self/environ", [root])
    assert not allowed(str(root) + "x/secret", [root])      # a neighbour whose name begins alike
    assert not allowed("", [root]) and not allowed("a\x00b", [root])


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused_or_stays_inside(text: str) -> None:
    root = Path(os.path.abspath("/nonexistent-root/here"))      # with a drive on Windows
    try:
        path = safe_join(root, text)
    except PathRefused:
        return
    assert path == root or root in path.parents
