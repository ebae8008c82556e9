"""Order of callbacks: as registered, moved by metadata.ini, the user's wishes first."""
from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from modules.extension_host.registry import OrderWish, Registry, Troubles, sentence_of


def registry(*names: str) -> Registry:
    made = Registry(Troubles())
    for name in names:
        made.add("ui", lambda: None, file=f"/x/{name}.py", owner=name)
    return made


def order(made: Registry, by_user: bool = True) -> list[str]:
    return [each.owner for each in made.ordered("ui", by_user=by_user)]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ([], "abc"),
        ([OrderWish(name="c/c.py/ui", before=("a/a.py/ui",))], "cab"),
        ([OrderWish(name="a/a.py/ui", after=("b/b.py/ui",))], "bac"),
        ([OrderWish(name="a/a.py/ui", after=("nobody",))], "abc"),
        ([OrderWish(name="a/a.py/ui", before=("b/b.py/ui",), after=("b/b.py/ui",))], "bac"),
    ],
)
def test_wishes_of_metadata(wishes: list[OrderWish], expected: str) -> None:
    made = registry(*"abc")
    made.order_by(wishes)
    assert "".join(order(made)) == expected


def test_the_user_comes_first() -> None:
    made = registry(*"abc")
    made.prefer(lambda category: ["c/c.py/ui", "gone"])
    assert order(made) == ["c", "a", "b"] and order(made, by_user=False) == ["a", "b", "c"]


def test_names_stay_apart_and_can_be_forgotten() -> None:
    made = registry("a", "a", "b")
    assert [each.name for each in made.ordered("ui")] == ["a/a.py/ui", "a/a.py/ui-1", "b/b.py/ui"]
    made.remove_file("/x/a.py")
    assert order(made) == ["b"]


def test_what_another_extension_should_bring_is_no_package() -> None:
    """``from scripts.sam import ...`` without segment-anything: nothing that pip has would help."""
    said = sentence_of(ModuleNotFoundError("No module named 'scripts.sam'", name="scripts.sam"))
    assert "'sam' of another extension" in said and "pip" not in said
    assert "pip install" in sentence_of(ModuleNotFoundError("No module named 'cv3'", name="cv3"))


def test_a_missing_module_is_named_for_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extension's own file, looked for in the wrong folder, and a part of a package of which we have another part: neither is "not installed"."""
    script = tmp_path / "extensions" / "faces" / "scripts" / "faces.py"
    script.parent.mkdir(parents=True)
    (script.parent / "faces_tools.py").touch()
    monkeypatch.setitem(sys.modules, "vision_package", SimpleNamespace(__version__="0.0.0"))  # type: ignore[arg-type]

    def said(line: str) -> str:
        script.write_text(line)
        with pytest.raises(ModuleNotFoundError) as failed:
            exec(compile(line, str(script), "exec"), {})
        return sentence_of(failed.value)

    assert "its own file scripts/faces_tools.py" in said("import faces_tools")
    assert "'vision_package' only a part is here" in sentence_of(ModuleNotFoundError("x", name="vision_package.models"))
    assert "'no_such_package', which is not installed" in said("import no_such_package.part")
    (script.parents[1] / "requirements.txt").write_text("requests\nno_such_package >= 1.5  # for codes\n")
    asked = said("import no_such_package.part")
    assert "requirements.txt asks for it" in asked and 'pip install "no_such_package >= 1.5"' in asked
    (script.parents[1] / "install.py").touch()
    assert "requirements.txt" not in said("import no_such_package.part"), "its installer was to bring it"
    for name, words in (("repositories.midas", "A1111 once had"), ("extensions.sd-webui-faces.scripts", "the extension 'sd-webui-faces' by their folder")):
        found = sentence_of(ModuleNotFoundError("x", name=name))
        assert words in found and "pip install" not in found
