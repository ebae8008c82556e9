"""Files are written through modules/files/, routes are opened through rest_api/routes.py, no text is run as code; where it is otherwise a reason stands here."""

from __future__ import annotations

import pytest

from tests.floor_rules import sources
from tests.security.choke_points import Place, html_places_in, places_in
from tests.test_floors import ROOT

WRITES = {
    "modules/a1111/load_extensions.py": "the folders of models only, which extensions list without asking",
    "modules/a1111/upscaling.py": "A1111's Upscaler makes the folder of its models",
    "modules/application/picture_index.py": "a database of its own, made anew when it is damaged",
    "modules/application/training_losses.py": "a line is added to the file of losses",
    "modules/application/training_run.py": "the folder only",
    "modules/a1111/picture_files.py": "the folder of a picture only, before extensions hear of it",
    "modules/a1111/temp_files.py": "an extension clears the pictures in the folder for temporary ones, as A1111 does at its start",
    "modules/compute/memory.py": "no file: the kernel's mark of the most memory so far is set back",
    "modules/engine/training/optimiser.py": "into memory",
    "modules/engine/profile.py": "torch writes its trace into a temporary folder, from where it goes through files/",
    "modules/extension_host/install.py": "whole folders, put together in a temporary one and moved in one step",
    "modules/gradio_ui/failed_uploads.py": "takes away what Gradio has just written into its temporary folder",
    "modules/gradio_ui/result_buttons.py": "a line is added to log.csv",
    "modules/gradio_ui/shown_files.py": "pictures that were never saved, in a temporary folder",
    "modules/jobs/store.py": "a database and its lock",
    "modules/loading/embedding_file.py": "into memory",
    "modules/loading/hypernetwork_file.py": "into memory",
    "modules/loading/merge.py": "into a file that files/ has opened",
}
BEFORE_THE_PROGRAM = ("modules/launching/", "modules/starter/")     # notes of the launcher; the tool that makes the starter model and is no part of a server
ROUTES = {
    "modules/gradio_ui/build.py": "our static files and Gradio's page, both behind the guard",
    "modules/rest_api/build.py": "the guard itself, compression and the log of requests",
    "modules/rest_api/routes.py": "the one way",
}
CODE = {
    "modules/a1111/file_facts.py": "torch.load under A1111's name, always with weights_only",
    "modules/builtin_scripts/custom_code.py": "what --allow-code is for; without the flag the script is not there (tests/builtin_scripts)",
    "modules/launching/extension_names.py": "launch.run(), whose command is one line for a shell, by A1111's contract; extensions' installers call it with texts of their own",
    "modules/launching/restart.py": "the program starts itself again",
    "modules/launching/venv.py": "the program starts itself in its environment",
}
HTML = {
    "extra_networks.js": "cards, which the server makes with every text escaped (rest_api/network_cards.py)",
    "settings_extra.js": "a table, which the server makes with every text escaped",
}


def unlisted(kind: str, listed: dict[str, str], places: list[Place], spared: tuple[str, ...] = ()) -> list[str]:
    found = [each for each in places if each.kind == kind and not each.path.startswith(spared or ("//",))]
    stale = [f"{path} is in the list and does no such thing any more" for path in listed if path not in {each.path for each in found}]
    return [str(each) for each in found if each.path not in listed] + stale


@pytest.fixture(scope="module")
def places() -> list[Place]:
    return places_in(sources(ROOT))


@pytest.mark.group("S4")
def test_files_are_written_through_the_file_layer(places: list[Place]) -> None:
    assert unlisted("writes", WRITES, places, BEFORE_THE_PROGRAM) == []


@pytest.mark.group("S10")
def test_routes_are_opened_through_one_door(places: list[Place]) -> None:
    assert unlisted("routes", ROUTES, places) == []


@pytest.mark.group("S13")
def test_no_text_is_run_as_code_and_none_becomes_html_unseen(places: list[Place]) -> None:
    assert unlisted("code", CODE, places) == []
    assert unlisted("html", HTML, html_places_in(ROOT / "modules" / "gradio_ui" / "static")) == []


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("open('x', 'w')", "writes"), ("open('x', mode='ab')", "writes"), ("p.open('r+')", "writes"), ("p.write_text('x')", "writes"), ("os.replace(a, b)", "writes"), ("shutil.move(a, b)", "writes"),
        ("p.mkdir(parents=True)", "writes"), ("sqlite3.connect(p)", "writes"), ("zipfile.ZipFile(p, 'w')", "writes"), ("archive.extractall(p)", "writes"), ("tempfile.mkdtemp()", "writes"),
        ("@app.get('/x')\ndef f(): pass", "routes"), ("@router.websocket('/x')\ndef f(): pass", "routes"), ("app.add_api_route('/x', f)", "routes"), ("app.mount('/x', y)", "routes"),
        ("eval(x)", "code"), ("exec(x)", "code"), ("pickle.loads(x)", "code"), ("torch.load(x)", "code"), ("torch.load(x, weights_only=False)", "code"), ("yaml.load(x)", "code"),
        ("subprocess.run(x, shell=True)", "code"), ("os.system(x)", "code"),
    ],
)  # fmt: skip
def test_each_is_found(source: str, kind: str) -> None:
    assert [each.kind for each in places_in({"modules/engine/a.py": source})] == [kind]


@pytest.mark.parametrize("source", ["open('x')", "open('x', 'rb')", "p.open('rb')", "text.replace('a', 'b')", "torch.load(x, weights_only=True)", "values.get('/x')", "Image.open(p)", "zipfile.ZipFile(p)", "yaml.safe_load(x)"])
def test_what_reads_is_not_found(source: str) -> None:
    assert places_in({"modules/engine/a.py": source}) == []
