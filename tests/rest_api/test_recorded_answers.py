"""Every request of A1111's error-and-edge-responses.json sent to our server: the same answer, or a difference that is listed with its reason."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.golden.cases import a1111_said
from tests.schema.recorded import OUR_OWN

RECORDS: dict[str, Any] = a1111_said("api/error-and-edge-responses")

NEEDS_SCRIPTS = {"selectable-in-alwayson"}      # tests/a1111/test_script_host.py sends it to a server that has some

# Refused by both: what ours says, where it is not A1111's sentence with a remedy after it, and its status.
# A1111 answers 500 for mistakes of the caller and often says nothing; ours are 4xx, for a program tries a 5xx again, and each says what is wrong.
REFUSED: dict[str, tuple[int, Any]] = {
    "img2img-bad-b64": (422, "init_images: Invalid encoded image"),
    "img2img-url-image": (422, "init_images: Request to local resource not allowed"),
    "png-info-none": (422, "image: Invalid encoded image"),
    "interrogate-no-image": (422, "image: Invalid encoded image"),
    "interrogate-bad-model": (404, "There is no interrogation model called 'nope'"),
    "bad-option": (404, "There is no setting called 'no_such_option'"),
    "override-unknown": (404, "There is no setting called 'nope'"),
    "bad-checkpoint": (404, "There is no checkpoint called 'nope.safetensors'"),
    "extras-bad-upscaler": (404, "There is no upscaler called 'Nope'"),
}

# Taken by A1111, refused by ours.
REFUSED_HERE = {
    "bad-option-type": (422, "CLIP_stop_at_last_layers"),      # A1111 keeps the text, and every later request fails
}

# Refused by A1111, which misses an argument, where ours says what is wrong in its answer.
SAID_HERE = {"create-embedding-dup": "create embedding error: file "}

OTHERWISE_DRAWN = {"sampler-lower": "Euler a"}      # A1111 knows no "euler a" and draws with its first sampler; ours with the one that is meant
SAID = {"bad-sampler", "scheduler-unknown", "override-bad-checkpoint"}      # ours says in ``comments`` that another name was used
OF_THE_MOMENT = {"seed", "all_seeds", "subseed", "all_subseeds", "job_timestamp", "version", "infotexts"}
NULL_FOR_EMPTY = {"styles": [], "override_settings": {}}    # a program can go through these without asking whether they are there


def sent(server: RunningServer, record: Mapping[str, Any]) -> Any:
    return server.client.get(record["path"]) if record["request"] is None else server.client.post(record["path"], json=record["request"])


def of_status(*wanted: bool) -> list[str]:
    taken = {name: record["status"] == 200 for name, record in RECORDS.items()}
    return [name for name in RECORDS if taken[name] in wanted and name not in NEEDS_SCRIPTS]


@pytest.mark.parametrize("name", of_status(False))
def test_what_a1111_refuses_is_refused_in_its_form(running_app: RunningServer, name: str) -> None:
    record, answer = RECORDS[name], sent(running_app, RECORDS[name])
    ours, theirs = answer.json(), record["response"]
    if name in SAID_HERE:
        assert answer.status_code == 200 and ours["info"].startswith(SAID_HERE[name])
        return
    status, words = REFUSED.get(name, (record["status"], theirs["detail"]))
    assert answer.status_code == status and set(ours) >= set(theirs)
    if isinstance(words, str):
        assert ours["detail"].startswith(words)
    else:
        assert [each["loc"] for each in ours["detail"]] == [each["loc"] for each in words]     # Pydantic 2 words and names the mistake otherwise


@pytest.mark.parametrize("name", of_status(True))
def test_what_a1111_answers_is_answered(running_app: RunningServer, name: str) -> None:
    record, answer = RECORDS[name], sent(running_app, RECORDS[name])
    if name in REFUSED_HERE:
        status, words = REFUSED_HERE[name]
        assert answer.status_code == status and words in answer.json()["detail"]
        return
    assert answer.status_code == 200, answer.text[:300]
    ours, theirs = answer.json(), record["response"]
    if name == "loras":
        ours, theirs = ([{**each, "path": ""} for each in loras] for loras in (ours, theirs))
    if name == "create-embedding":
        made = Path(running_app.app.flags.embeddings_dir) / "x-new.pt"
        made.unlink()
        theirs = {"info": theirs["info"].replace("DATA/embeddings/x-new.pt", str(made))}
    if isinstance(theirs, dict) and "images" in theirs:
        told(ours, theirs, name)
    else:
        assert ours == theirs and json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)    # 0 is no False, and no 0.0


def told(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> None:
    """Of a drawn picture: the request as it was read, and what the answer says of the picture."""
    assert len(ours["images"]) == len(theirs["images"])
    expected = {key: NULL_FOR_EMPTY.get(key) if value is None else value for key, value in theirs["parameters"].items()}
    assert {key: value for key, value in ours["parameters"].items() if key not in OUR_OWN} == expected
    info, their_info = json.loads(ours["info"]), json.loads(theirs["info"])
    assert info.pop("comments", "").startswith("There is no " if name in SAID else "")
    assert list(info) == list(their_info)
    if name in OTHERWISE_DRAWN:
        assert info["sampler_name"] == OTHERWISE_DRAWN[name]
        return
    assert {key: value for key, value in info.items() if key not in OF_THE_MOMENT} == {key: value for key, value in their_info.items() if key not in OF_THE_MOMENT}
    assert [lasting(text) for text in info["infotexts"]] == [lasting(text) for text in their_info["infotexts"]]


def lasting(infotext: str) -> str:
    return re.sub(r"Seed: \d+", "Seed: 0", infotext.rpartition(", Version")[0])


def test_settings_kept_from_a_server_of_a1111s_are_taken(running_app: RunningServer) -> None:
    """Programs keep what GET options told them and send it with each picture, or to the server of another day; texts of A1111's page are among it."""
    theirs = a1111_said("api/options")
    kept = {key: value for key, value in theirs.items() if not key.startswith("outdir_")}       # folders of that machine
    before = running_app.client.get("/sdapi/v1/options").json()
    answer = running_app.client.post("/sdapi/v1/txt2img", json={"steps": 1, "width": 64, "height": 64, "override_settings": {**kept, "CLIP_stop_at_last_layers": 2}})
    assert answer.status_code == 200 and "Clip skip: 2" in json.loads(answer.json()["info"])["infotexts"][0], answer.text[:300]
    try:
        assert running_app.client.post("/sdapi/v1/options", json={**kept, "CLIP_stop_at_last_layers": 2}).status_code == 200
        assert running_app.client.get("/sdapi/v1/options").json() == before | {"CLIP_stop_at_last_layers": 2}
    finally:
        running_app.client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": before["CLIP_stop_at_last_layers"]})
