"""What the API says of scripts is what A1111 says, and what it is asked of them is done."""
from __future__ import annotations

import json
from typing import Any

import gradio

from modules.a1111.script_host import install_scripts
from tests.conftest import RunningServer
from tests.golden.cases import A1111_ANSWERS

# of A1111's lists: what we have no use for, and why
NOT_HERE = {
    "extra options": "its settings stand on the tabs, not as a script",
    "hypertile": "part of the engine, by its settings, not a script",
}


def answer(name: str) -> Any:
    return json.loads((A1111_ANSWERS / "api" / f"{name}.json").read_text("utf-8"))


def test_the_lists_are_a1111s(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    ours = fake_server.client.get("/sdapi/v1/scripts").json()
    for tab, theirs in answer("scripts").items():
        assert ours[tab] == [name for name in theirs if name.lower() not in NOT_HERE]


def test_the_arguments_are_a1111s(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    ours = {(each["name"], each["is_img2img"]): each for each in fake_server.client.get("/sdapi/v1/script-info").json()}
    for theirs in answer("script-info"):
        if theirs["name"].lower() in NOT_HERE:
            continue
        found = ours[theirs["name"], theirs["is_img2img"]]
        assert found["is_alwayson"] == theirs["is_alwayson"]
        same = ("label", "minimum", "maximum", "step")
        assert [[arg[key] for key in same] for arg in found["args"]] == [[arg[key] for key in same] for arg in theirs["args"]], theirs["name"]
        for one, other in zip(found["args"], theirs["args"]):
            if theirs["name"] == "x/y/z plot" and one["label"].endswith("type"):
                assert one["choices"] == other["choices"]


def test_scripts_are_asked_for_as_in_a1111(fake_server: RunningServer) -> None:
    install_scripts(fake_server.app, gradio.Blocks)
    body = {"prompt": "a|b", "steps": 1, "width": 64, "height": 64, "script_name": "Prompt Matrix", "script_args": [False]}
    done = fake_server.client.post("/sdapi/v1/txt2img", json=body).json()
    assert len(done["images"]) == 3 and json.loads(done["info"])["all_prompts"] == ["a", "a, b"]
    for wrong in ({"script_name": "Nope"}, {"alwayson_scripts": {"Nope": {"args": []}}}, {"alwayson_scripts": {"prompt matrix": {"args": []}}}):
        refused = fake_server.client.post("/sdapi/v1/txt2img", json=body | {"script_name": None} | wrong)
        assert refused.status_code == 422 and refused.json()["detail"].startswith(("Script 'Nope' not found", "Cannot have a selectable script"))
