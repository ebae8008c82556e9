"""Extensions' files are loaded as A1111 loads them, and what one of them does stays its own."""
from __future__ import annotations

import gc
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modules.extension_host import assets, limits
from modules.extension_host.assets import scripts as page_scripts
from modules.extension_host.crashes import LIMIT, StartDiary
from modules.extension_host.discover import Switches, find_extensions
from modules.extension_host.host import ExtensionHost
from modules.extension_host.load_scripts import list_scripts, load_scripts
from modules.extension_host.start import host_for
from modules.files.slate import Slate
from modules.files.storage import Storage
from modules.launching.stop_signals import NUMBERS, StopSignals
from modules.schema.flags import parse_flags


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def host_of(folder: Path) -> ExtensionHost:
    host = ExtensionHost()
    host.take(find_extensions(folder, Switches()))
    return host


def loaded(host: ExtensionHost, seconds: float = 20) -> list[str]:
    taken: list[str] = []
    load_scripts(host, list_scripts(host, "scripts", ".py"), lambda file, module: taken.append(module.__name__), seconds=seconds)
    return taken


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, ["a1.py", "a2.py", "b.py", "c.py"]),
        ({"a": "[scripts]\nAfter = b"}, ["b.py", "a1.py", "a2.py", "c.py"]),
        ({"c": "[scripts/c.py]\nBefore = a/a2.py"}, ["a1.py", "c.py", "a2.py", "b.py"]),
        ({"b": "[Extension]\nRequires = a"}, ["a1.py", "a2.py", "b.py", "c.py"]),
        ({"c": "[scripts/c.py]\nBefore = absent|a/a2.py"}, ["a1.py", "c.py", "a2.py", "b.py"]),
    ],
)
def test_the_order_is_metadatas(tmp_path: Path, metadata: dict[str, str], expected: list[str]) -> None:
    write(tmp_path, {f"{name[0]}/scripts/{name}": "" for name in ("a2.py", "a1.py", "c.py", "b.py")})
    write(tmp_path, {f"{name}/metadata.ini": text for name, text in metadata.items()})
    assert loaded(host_of(tmp_path)) == expected


def test_metadata_orders_the_scripts_of_the_page_too(tmp_path: Path) -> None:
    write(tmp_path, {f"{name}/javascript/{name}{suffix}": "" for name in "ab" for suffix in (".js", ".mjs")} | {"c/javascript/c.js": ""})
    write(tmp_path, {"a/metadata.ini": "[javascript]\nAfter = b\n[scripts]\nBefore = b\n", "c/metadata.ini": "[JavaScript/c.js]\nBefore = b/b.js\n"})
    host = host_of(tmp_path)
    assert [path.name for path, _ in assets.scripts(host)] == ["c.js", "b.js", "a.js", "b.mjs", "a.mjs"]
    assert not host.troubles.found


@pytest.mark.parametrize(("metadata", "noted"), [
    ("[Extension]\nRequires = absent", ["it needs the extension absent, which is not here or switched off"]),
    ("[Extension]\nRequires = absent|gone, a", ["it needs the extension absent or gone, which is not here or switched off"]),
    ("[scripts/b.py]\nRequires = absent, gone|a/a.py", ["it needs absent, which is not here"]),
    ("[Extension]\nRequires = absent|A\n[scripts]\nRequires = Lora, xyz_grid.py", []),
])
def test_what_is_missing_is_told_and_the_extension_loaded_all_the_same(tmp_path: Path, metadata: str, noted: list[str]) -> None:
    """As the manual of A1111 says: the loader warns. One of several, with | between them, is enough."""
    host = host_of(write(tmp_path, {"a/scripts/a.py": "", "b/scripts/b.py": "", "b/metadata.ini": metadata}))
    assert loaded(host) == ["a.py", "b.py"]
    assert [each.sentence for each in host.troubles.found] == noted


def test_single_files_in_the_folder_scripts_are_loaded_before_extensions(tmp_path: Path) -> None:
    """As A1111's users drop them there; where the data folder was A1111's its own scripts lie there too, and the program has its own of each."""
    write(tmp_path, {"extensions/a/scripts/a.py": "", "scripts/z_dropped.py": "import beside_scripts", "scripts/xyz_grid.py": "", "beside_scripts.py": "", "scripts/bad.py": "1/0"})
    host = host_for(parse_flags(["--data-dir", str(tmp_path), "--disable-all-extensions"], {}).flags)
    assert loaded(host) == ["z_dropped.py"] and host.has_code
    assert [(each.owner, each.place) for each in host.troubles.found] == [("scripts", "scripts/bad.py")]
    assert host.owner_of(tmp_path / "scripts" / "bad.py") == "scripts"
    host = host_for(parse_flags(["--data-dir", str(tmp_path)], {}).flags)
    assert [name for name in loaded(host) if name in ("z_dropped.py", "a.py")] == ["z_dropped.py", "a.py"]


def test_single_files_in_the_folder_javascript_run_on_the_page(tmp_path: Path) -> None:
    """A1111's users drop them there too; its own, which a data folder that was A1111's brings along, would do the page's work twice."""
    write(tmp_path, {"javascript/mine.js": "", "javascript/ui.js": "", "javascript/progressbar.js": "", "javascript/new.mjs": "", "javascript/notes.txt": "", "config.json": "{}"})
    flags = parse_flags(["--data-dir", str(tmp_path), "--disable-all-extensions"], {}).flags
    host = host_for(flags)
    found = [(path.name, is_module) for path, is_module in page_scripts(host) if tmp_path in path.parents]
    assert found == [("mine.js", False), ("new.mjs", True)] and host.owner_of(tmp_path / "javascript" / "mine.js") == "javascript" and not host.has_code
    (tmp_path / "config.json").write_text('{"disabled_extensions": ["javascript"]}')
    assert not [path for path, _ in page_scripts(host_for(flags)) if tmp_path in path.parents]


@pytest.mark.parametrize("name", ["sd-webui-controlnet", "sd-webui-controlnet-main", "sd-webui-controlnet-1.1.455"])
def test_controlnet_of_an_a1111_folder_gives_way_to_the_programs_own(tmp_path: Path, name: str) -> None:
    """The extension most users bring along reaches into code that is not here: taken instead of ours, there was no ControlNet at all."""
    theirs = write(tmp_path / "extensions" / name, {"scripts/controlnet.py": "1/0"})
    other = write(tmp_path / "extensions" / "sd-webui-controlnet-marigold", {"scripts/marigold.py": ""})
    flags = parse_flags(["--data-dir", str(tmp_path)], {}).flags
    host = host_for(flags)
    [ours] = [each for each in host.extensions if each.name == "sd-webui-controlnet"]
    assert ours.is_builtin and ours.path != theirs
    assert host.facts_of(ours.canonical_name).notes == [f"{theirs} is left out: the program has an extension of this name, which does its work."]
    assert theirs not in [each.path for each in host.with_newcomers(tmp_path / "extensions")]
    assert other in [each.path for each in host.extensions]


def test_contradicting_wishes_lose_no_script(tmp_path: Path) -> None:
    write(tmp_path, {"a/scripts/a.py": "", "b/scripts/b.py": "", "a/metadata.ini": "[scripts]\nBefore = b\nAfter = b"})
    assert sorted(loaded(host_of(tmp_path))) == ["a.py", "b.py"]


def test_paths_and_folder_are_right_while_a_file_is_loaded(tmp_path: Path) -> None:
    source = "import sys\nimport beside_of_{0}\nfrom scripts import second_of_{0}\nPATH = sys.path[0]\n"
    for name in ("a", "b"):
        write(tmp_path / name, {f"beside_of_{name}.py": "", f"scripts/second_of_{name}.py": "", "scripts/main.py": source.format(name)})
    host, before = host_of(tmp_path), list(sys.path)
    found: dict[str, str] = {}
    load_scripts(host, list_scripts(host, "scripts", ".py"), lambda file, module: found.update({str(file.path): getattr(module, "PATH", "")}))
    assert found[str(tmp_path / "b" / "scripts" / "main.py")] == str(tmp_path / "b")
    assert sys.path == before and host.base_folder is None and not host.troubles.found


@pytest.mark.parametrize(
    ("source", "word"),
    [("raise RuntimeError('on purpose')", "on purpose"), ("import sys; sys.exit(3)", "sys.exit"), ("def broken(:", "SyntaxError"),
     ("import a_package_that_nobody_has", "a_package_that_nobody_has"), ("raise KeyError", "KeyError"), ("\0", "null bytes")],
)  # fmt: skip
@pytest.mark.group("R14")
def test_a_bad_file_is_named_and_the_rest_loads(tmp_path: Path, source: str, word: str) -> None:
    write(tmp_path, {"bad/scripts/bad.py": source, "bad/scripts/good.py": "", "other/scripts/other.py": ""})
    host = host_of(tmp_path)
    assert loaded(host) == ["good.py", "other.py"]
    (trouble,) = host.troubles.found
    assert trouble.owner == "bad" and trouble.place == "scripts/bad.py" and word in trouble.sentence


@pytest.mark.group("R14")
def test_a_file_that_never_ends_is_left_behind(tmp_path: Path) -> None:
    write(tmp_path, {"bad/scripts/hangs.py": "import time\nwhile True:\n    time.sleep(0.01)", "other/scripts/other.py": ""})
    host, began = host_of(tmp_path), time.monotonic()
    assert loaded(host, seconds=0.5) == ["other.py"]
    assert time.monotonic() - began < 5 and "0 s" in host.troubles.found[0].sentence


def test_an_extension_handles_ctrl_c_and_goes_on_with_ours(tmp_path: Path) -> None:
    """As "distributed" and "cli interruption" do when they are read; Python takes handlers on the main thread alone."""
    script = "import signal\nold = signal.getsignal(signal.SIGINT)\ndef own(*given):\n    heard.append('theirs')\n    old(*given)\nheard = []\n"
    write(tmp_path, {"one/scripts/ctrl_c.py": script + "assert signal.signal(signal.SIGINT, own) is old and signal.signal(signal.SIGINT, own) is own\n"})
    stops, before, host = StopSignals(), [signal.getsignal(each) for each in NUMBERS], host_of(tmp_path)
    try:
        stops.install()
        assert loaded(host) == ["ctrl_c.py"] and not host.troubles.found
        heard = sys.modules["ctrl_c.py"].heard
        with pytest.raises(KeyboardInterrupt):      # there is no server yet
            signal.raise_signal(signal.SIGINT)
        stops.stop = lambda *_: heard.append("ours")
        for each in NUMBERS:
            signal.raise_signal(each)
        assert heard == ["theirs", "theirs", "ours", *["ours"] * (len(NUMBERS) - 1)]
    finally:
        for each, handler in zip(NUMBERS, before, strict=True):
            signal.signal(each, handler)


def test_no_garbage_is_collected_while_threads_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11.7 stands still for ever where it is: the more threads, the surer."""
    found: list[bool] = []
    monkeypatch.setattr(limits.sys, "_current_frames", lambda: found.append(gc.isenabled()) or {})
    with pytest.raises(limits.TookTooLong):
        limits.limited(lambda: time.sleep(0.3), what="a test", seconds=0.05)
    assert found and not any(found) and gc.isenabled()


def test_a_package_that_takes_long_is_imported_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off half-way it would be missing for the whole program."""
    monkeypatch.setattr(limits, "_SHARED", (str(tmp_path / "site"),))
    monkeypatch.setattr(limits, "SECONDS_UNTIL_SAID", 0.05)
    package = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end:\n    time.sleep(0.01)\nwhole = True"
    write(tmp_path, {"site/slow_package.py": package, "bad/scripts/slow.py": "import slow_package"})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))         # once it is there: a folder that is missing at somebody's import is passed over for good
    assert loaded(host_of(tmp_path), seconds=1.5) == ["slow.py"]
    assert sys.modules.pop("slow_package").whole


def test_what_a_mac_puts_beside_a_script_is_none(tmp_path: Path) -> None:
    write(tmp_path, {"one/scripts/a.py": "", "one/scripts/._a.py": "\0\5 Mac OS X"})
    host = host_of(tmp_path)
    assert loaded(host) == ["a.py"] and not host.troubles.found


def test_two_deaths_in_a_row_switch_an_extension_off(tmp_path: Path) -> None:
    write(tmp_path, {"extensions/deadly/scripts/x.py": "", "extensions/other/scripts/x.py": ""})
    flags = parse_flags(["--data-dir", str(tmp_path)], {}).flags

    def start(dies: bool) -> ExtensionHost:
        host = host_for(flags)
        host.entering("deadly")
        if not dies:
            host.entering("other")
            host.started()
        return host

    for _ in range(LIMIT):
        assert [each.name for each in start(dies=True).enabled if not each.is_builtin] == ["deadly", "other"]
    host = start(dies=False)
    assert [each.name for each in host.enabled if not each.is_builtin] == ["other"]
    assert "deadly was switched off" in host.notices[0]
    assert not start(dies=False).notices


def test_a_good_start_forgives_one_death(tmp_path: Path) -> None:
    diary = tmp_path / "diary.json"
    for names in (("bad",), ("",), ("bad",)):
        found = StartDiary(diary)
        assert found.to_switch_off() == ()
        found.enter("something")
        found.enter(names[0])
    assert StartDiary(diary).to_switch_off() == ()


def test_a_start_that_went_well_blames_nobody_where_the_file_could_not_be_written_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diary = tmp_path / "diary.json"
    found = StartDiary(diary)
    found.enter("good")
    with monkeypatch.context() as full:
        full.setattr(Slate, "write", _refuse)
        found.enter("other")
    found.close()
    assert StartDiary(diary).crashes == {}


def _refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_who_ended_a_start_is_known_however_often_the_code_changed_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many extensions changes hands ten thousand times: two flushes to the disk each made that minutes."""
    diary = tmp_path / "diary.json"
    flushes: list[Any] = []
    monkeypatch.setattr(Storage, "before", lambda self, step, path: flushes.append(path) if step == "fsync" else None)
    for _ in range(LIMIT):
        found = StartDiary(diary)
        assert found.to_switch_off() == ()
        for _ in range(500):
            found.enter("innocent, with a long name")
            found.enter("bad")
    assert StartDiary(diary).to_switch_off() == ("bad",)
    assert len(flushes) <= 2 * LIMIT + 2
    json.loads(diary.read_text(encoding="utf-8"))
