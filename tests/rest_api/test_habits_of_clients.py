"""What real clients of A1111's API do, and A1111 puts up with: types that do not fit, empty texts, raw sockets, half a header."""
from __future__ import annotations

import base64
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import gradio
import pytest
from fastapi import APIRouter, FastAPI
from PIL import Image
from starlette.routing import Mount
from starlette.testclient import TestClient

from modules.a1111.script_host import install_scripts
from modules.launching.startup_times import StartupTimes
from modules.rest_api.errors import add_error_answers
from modules.rest_api.near_misses import NearMisses
from tests.conftest import FakeEngine, RunningServer

SMALL: dict[str, Any] = {"steps": 1, "width": 64, "height": 64}


def file_of(kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (250, 100, 30)).save(buffer, kind, **options)
    return buffer.getvalue()


PICTURE = base64.b64encode(file_of()).decode("ascii")


def post(server: RunningServer, path: str = "/sdapi/v1/txt2img", **values: Any) -> Any:
    return server.client.post(path, json={**SMALL, **values})


# a Discord bot's steps / 2, a number for a prompt, PHP's empty arrays for objects, texts for numbers, numbers for switches
@pytest.mark.parametrize(("values", "name", "taken"), [
    ({"hr_second_pass_steps": 7.5}, "hr_second_pass_steps", 7), ({"width": 64.9}, "width", 64), ({"prompt": 5}, "prompt", "5"), ({"negative_prompt": 1.5}, "negative_prompt", "1.5"),
    ({"override_settings": []}, "override_settings", {}), ({"alwayson_scripts": []}, "alwayson_scripts", {}), ({"comments": ""}, "comments", {}), ({"styles": [7]}, "styles", ["7"]),
    ({"steps": "1"}, "steps", 1), ({"n_iter": True}, "n_iter", 1), ({"tiling": "false"}, "tiling", False), ({"enable_hr": 0}, "enable_hr", False), ({"infotext": 7}, "infotext", "7"),
])  # fmt: skip
def test_what_pydantic_1_reads_is_read(kept_server: RunningServer, values: dict[str, Any], name: str, taken: Any) -> None:
    answer = post(kept_server, **values)
    assert answer.status_code == 200, answer.text[:300]
    assert answer.json()["parameters"][name] == taken


def test_other_bodies_are_read_as_leniently(kept_server: RunningServer) -> None:
    answer = post(kept_server, "/sdapi/v1/extra-single-image", image=PICTURE, resize_mode="1", upscaling_resize_w=20.7, upscaling_resize_h=16.0, upscaler_1="Nearest")
    assert Image.open(io.BytesIO(base64.b64decode(answer.json()["image"]))).size == (20, 16)
    assert kept_server.client.post("/internal/progress", json={"id_task": 5, "id_live_preview": 2.0}).status_code == 200


def test_a_body_needs_no_content_type(kept_server: RunningServer) -> None:
    """requests.post(url, data=json.dumps(payload)), as A1111's own wiki once had it, names none."""
    body = json.dumps(SMALL).encode()
    assert kept_server.client.post("/sdapi/v1/txt2img", content=body).status_code == 200
    refused = kept_server.client.post("/sdapi/v1/txt2img", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert refused.status_code == 422 and "Content-Type: application/json" in refused.json()["errors"]


def test_empty_texts_and_nulls_mean_as_usual(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    """C# and Java clients send every field that they know."""
    names = ("sampler_name", "sampler_index", "scheduler", "script_name", "refiner_checkpoint", "hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_upscaler",
             "force_task_id", "infotext", "firstpass_image")
    assert post(fake_server, **dict.fromkeys(names, ""), styles=[""], enable_hr=True, hr_scale=1).status_code == 200
    assert post(fake_server, "/sdapi/v1/img2img", init_images=[PICTURE], mask="", latent_mask=" ", depth_map="").status_code == 200
    fake_engine.requests.clear()
    answer = post(fake_server, override_settings={"sd_model_checkpoint": None, "sd_vae": None, "CLIP_stop_at_last_layers": None, "upscaler_for_img2img": None, "eta_noise_seed_delta": 9})
    assert answer.status_code == 200 and fake_engine.requests[0].options.clip_skip == 1
    assert post(fake_server, override_settings={"no_such_setting": None}).status_code == 200
    before = fake_server.client.get("/sdapi/v1/options").json()
    assert fake_server.client.post("/sdapi/v1/options", json={"no_such_setting": None, "sd_vae": None, "CLIP_stop_at_last_layers": None, "eta_noise_seed_delta": 9}).status_code == 200
    assert fake_server.client.get("/sdapi/v1/options").json() == before | {"eta_noise_seed_delta": 9}
    for number in (0, -1):
        usual = post(fake_server, override_settings={"CLIP_stop_at_last_layers": number})
        assert usual.status_code == 200 and "Clip skip" not in json.loads(usual.json()["info"])["infotexts"][0]


def test_no_picture_that_was_sent_comes_back_unasked(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    sent = {"init_images": [PICTURE], "depth_map": PICTURE, "further_images": [PICTURE], "mask": PICTURE}
    told = post(fake_server, "/sdapi/v1/img2img", **sent).json()["parameters"]
    assert [told[name] for name in sent] == [None] * 4
    told = post(fake_server, "/sdapi/v1/img2img", **sent, include_init_images=True).json()["parameters"]
    assert {name: told[name] for name in sent} == sent


def test_a_request_may_keep_its_prompt_out_of_the_picture(kept_server: RunningServer) -> None:
    """Bots that show pictures to strangers: A1111 heeds the setting where a request overrides it."""
    for override, inside in (({"enable_pnginfo": False}, False), ({"enable_pnginfo": "false"}, False), ({}, True), ({"enable_pnginfo": None}, True)):
        answer = post(kept_server, prompt="a secret", override_settings=override).json()
        assert ("parameters" in Image.open(io.BytesIO(base64.b64decode(answer["images"][0]))).info) is inside
        assert "a secret" in json.loads(answer["info"])["infotexts"][0]


def test_numbers_that_mean_nothing_here_are_no_mistake(kept_server: RunningServer) -> None:
    """Programs send every number that they know: 0 where a size is named or no second pass is asked for, -1 as for the seed."""
    assert post(kept_server, hr_scale=0).status_code == 200
    sized = post(kept_server, enable_hr=True, hr_scale=0, hr_resize_x=96, hr_resize_y=128)
    assert sized.status_code == 200 and "Hires resize: 96x128" in json.loads(sized.json()["info"])["infotexts"][0]
    refused = post(kept_server, enable_hr=True, hr_scale=0)
    assert refused.status_code == 422 and "hr_scale" in refused.json()["detail"] and "hr_resize_x" in refused.json()["detail"]
    turned = post(kept_server, subseed=4, subseed_strength=-1)
    assert turned.status_code == 200 and "Variation seed: 4, Variation seed strength: -1" in json.loads(turned.json()["info"])["infotexts"][0]
    for whole in (100, 1.0000000000000002):
        assert post(kept_server, denoising_strength=whole, enable_hr=False).status_code == 200


def test_more_than_a_whole_denoises_wholly(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    """100 for all of it is in many programs."""
    for sent, meant in ((100, 1.0), (1.0000000000000002, 1.0), (0.5, 0.5), (-1e-9, 0.0)):
        answer = post(fake_server, "/sdapi/v1/img2img", init_images=[PICTURE], denoising_strength=sent)
        assert answer.status_code == 200 and fake_engine.requests[-1].denoising_strength == meant


@pytest.mark.parametrize("with_scripts", [True, False])
def test_a_request_copied_from_a1111s_page_names_all_of_its_scripts(fake_server: RunningServer, with_scripts: bool) -> None:
    scripts: dict[str, Any] = {"Comments": {"args": []}, "Extra options": {"args": []}, "Hypertile": {"args": []}}
    if with_scripts:
        install_scripts(fake_server.app, gradio.Blocks)
        scripts |= {"Refiner": {"args": [False, "", 0.8]}, "Sampler": {"args": [20, "DPM++ 2M", "Automatic"]}, "Seed": {"args": [-1, False, -1, 0, 0, 0]}, "refiner": []}
    answer = post(fake_server, alwayson_scripts=scripts)
    assert answer.status_code == 200 and json.loads(answer.json()["info"])["steps"] == 1
    assert post(fake_server, alwayson_scripts={"ADetailer": {"args": []}}).status_code == 422


@pytest.mark.parametrize("written", [
    lambda text: f'"{text}"', lambda text: f",{text}", lambda text: text.rstrip("="), lambda text: text.replace("+", "-").replace("/", "_"),
    lambda text: f"data:image/png;charset=utf-8;base64,{text}", lambda text: "\r\n".join(text[place : place + 76] for place in range(0, len(text), 76)),
])  # fmt: skip
def test_base64_is_read_however_it_is_written(kept_server: RunningServer, written: Any) -> None:
    answer = post(kept_server, "/sdapi/v1/extra-single-image", image=written(PICTURE), upscaler_1="Nearest", upscaling_resize=2)
    assert answer.status_code == 200 and Image.open(io.BytesIO(base64.b64decode(answer.json()["image"]))).getpixel((1, 1)) == (250, 100, 30)


@pytest.mark.parametrize("text", ["/etc/passwd", "file:///etc/passwd", "abc", "a" * 33, "-_-_"])
def test_what_is_no_base64_of_a_picture_is_told_so(kept_server: RunningServer, text: str) -> None:
    answer = post(kept_server, "/sdapi/v1/extra-single-image", image=text, upscaler_1="Nearest")
    assert answer.status_code == 422 and "Invalid encoded image" in answer.json()["detail"]


def test_png_info_answers_as_a1111s(kept_server: RunningServer) -> None:
    def asked(data: bytes) -> Any:
        return kept_server.client.post("/sdapi/v1/png-info", json={"image": base64.b64encode(data).decode("ascii")}).json()

    text = "a cat\nNegative prompt: bad\nSteps: 5, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 64x72"
    empty = asked(file_of())
    assert empty["info"] == "" and empty["parameters"]["Prompt"] == "" and empty["parameters"]["Clip skip"] == "1"
    told = asked(file_of("JPEG", comment=text.encode()))
    assert told["info"] == text and told["parameters"]["Size-2"] == "72"


@pytest.fixture
def with_page() -> Iterator[TestClient]:
    """Routes, then a page mounted at "/" that answers everything, then a route that an extension adds late."""
    server, page, late = FastAPI(), FastAPI(), APIRouter()
    add_error_answers(server)
    server.get("/sdapi/x")(lambda: "got")
    server.post("/sdapi/x")(lambda: "posted")
    server.router.routes.append(NearMisses(server))
    page.get("/{path:path}")(lambda path: f"page {path}")
    server.mount("/static", page)
    server.mount("/", page)
    late.put("/sdapi/x")(lambda: "put")
    server.include_router(late)
    routes = server.router.routes
    for mounted in [each for each in routes if isinstance(each, Mount) and each.path == ""]:
        routes.remove(mounted)
        routes.append(mounted)
    with TestClient(server, follow_redirects=False) as client:
        yield client


def test_a_wrong_method_is_told_and_a_slash_too_many_is_forgiven(with_page: TestClient) -> None:
    """The page does not answer for the API: people open /sdapi/v1/txt2img in a browser to see whether the API is on."""
    assert [with_page.request(method, "/sdapi/x").json() for method in ("GET", "POST", "PUT")] == ["got", "posted", "put"]
    wrong = with_page.delete("/sdapi/x")
    assert wrong.status_code == 405 and wrong.json()["detail"] == "Method Not Allowed" and {"GET", "POST"} <= set(wrong.headers["allow"].split(", "))
    slash = with_page.post("/sdapi/x/?a=1%2F")
    assert slash.status_code == 307 and slash.headers["location"] == "/sdapi/x?a=1%2F"
    for path in ("/", "/other/", "http://testserver//sdapi/x/", "/static/sdapi/x/", "/sdapi/", "/sdapi/xy/"):
        assert with_page.get(path).json().startswith("page"), path


def test_http_1_0_needs_no_host(kept_server: RunningServer) -> None:
    host, _, port = kept_server.url.removeprefix("http://").partition(":")

    def asked(text: str) -> bytes:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(text.encode())
            return connection.recv(100)

    assert b" 200 " in asked("GET /sdapi/v1/progress HTTP/1.0\r\n\r\n")
    assert b" 403 " in asked("POST /sdapi/v1/skip HTTP/1.0\r\nOrigin: http://127.0.0.1\r\nContent-Length: 0\r\n\r\n")
    assert b" 421 " in asked("GET /sdapi/v1/progress HTTP/1.0\r\nHost: evil.example\r\n\r\n")


def test_containers_reach_their_machine_by_docker_s_name(kept_server: RunningServer) -> None:
    assert kept_server.client.get("/sdapi/v1/options", headers={"host": "host.docker.internal:7860"}).status_code == 200
    assert kept_server.client.get("/sdapi/v1/options", headers={"host": "evil.docker.internal"}).status_code == 421


def test_small_routes_of_a1111s_server(kept_server: RunningServer) -> None:
    assert kept_server.client.get("/user").json() is kept_server.client.get("/login_check").json() is None
    assert {"name": "sd_model_checkpoint", "label": "Stable Diffusion checkpoint"} in kept_server.client.get("/internal/quicksettings-hint").json()
    spent = kept_server.client.get("/internal/profile-startup").json()
    assert spent["total"] > 0 and spent["records"] == {}        # whoever builds a server by hand measures nothing
    times = StartupTimes()
    with times.part("import torch"):
        pass
    times.is_over()
    assert times.record() == times.record() and "import torch" in str(times.record()["records"])


def test_settings_that_were_asked_for_may_be_sent_back_with_a_request(fake_server: RunningServer) -> None:
    """Clients with a form of all settings send them all; folders and patterns among them are refused only where they may not be changed."""
    told = fake_server.client.get("/sdapi/v1/options").json()
    assert "samples_filename_pattern" in told and "outdir_samples" in told
    assert post(fake_server, override_settings={**told, "eta_noise_seed_delta": 5}).status_code == 200
    assert post(fake_server, override_settings=told, override_settings_restore_afterwards=False).status_code == 200
    assert post(fake_server, override_settings={**told, "samples_filename_pattern": "../[seed]"}).status_code == 422


def test_who_looks_through_all_routes_finds_a_path_and_a_name_in_each() -> None:
    server = FastAPI()
    server.router.routes.append(NearMisses(server))
    server.add_api_route("/mine", lambda: 1, name="mine")
    assert "/mine" in [route.path for route in server.routes] and [route.name for route in server.routes][-1] == "mine"  # type: ignore[attr-defined]
    assert server.url_path_for("mine") == "/mine"


def test_a_whole_number_stays_one_for_clients_that_read_it_as_one(fake_server: RunningServer) -> None:
    """A Go or Rust program with a whole number for subseed_strength reads A1111's 0, and fails at 0.0."""
    answer = post(fake_server).json()
    for said in (json.dumps(answer["parameters"]), answer["info"]):
        assert '"subseed_strength": 0,' in said
    assert '"subseed_strength": 0.5,' in json.dumps(post(fake_server, subseed_strength=0.5).json()["parameters"])


def test_the_api_says_how_long_it_took(kept_server: RunningServer) -> None:
    for answer in (kept_server.client.get("/sdapi/v1/memory"), post(kept_server, width=7)):
        assert 0 <= float(answer.headers["x-process-time"]) < 60
    assert "x-process-time" not in kept_server.client.get("/internal/ping").headers


@pytest.mark.parametrize(("values", "drawn"), [
    ({"sampler_name": "Nope"}, "Sampler: DPM++ 2M,"), ({"sampler_index": "Nope Karras"}, "Sampler: DPM++ 2M,"),
    ({"scheduler": "Turbo"}, "Sampler: Euler, Schedule type: Automatic"), ({"enable_hr": True, "hr_scheduler": "beta57"}, "Sampler: Euler, Schedule type: Automatic"),
    ({"override_settings": {"sd_model_checkpoint": "v1-5-pruned.ckpt [e1441589a6]"}}, "Sampler: Euler,"),
    ({"infotext": "a\nSteps: 1, Sampler: DPM2 Turbo, Seed: 1, Size: 64x64"}, "Sampler: DPM++ 2M,"),
])  # fmt: skip
def test_names_of_another_machine_draw_with_what_there_is(
    kept_server: RunningServer, caplog: pytest.LogCaptureFixture, values: dict[str, Any], drawn: str,
) -> None:
    """As in A1111's own answers (error-and-edge-responses.json): programs send the same names to every server, and nobody sits before them."""
    with caplog.at_level("WARNING"):
        answer = post(kept_server, **values)
    sentence = json.loads(answer.json()["info"])["comments"]
    assert sentence.startswith("There is no ") and sentence.endswith(" was used instead.") and sentence in caplog.text
    assert answer.status_code == 200 and answer.json()["images"] and drawn in json.loads(answer.json()["info"])["infotexts"][0]
    assert all(answer.json()["parameters"][name] == value for name, value in values.items())


def test_a_checkpoint_of_another_machine_leaves_the_chosen_one(fake_server: RunningServer) -> None:
    app, chosen = fake_server.app, "second.safetensors"
    there = app.catalogue.checkpoints()[0].path
    there.with_name(chosen).write_bytes(there.read_bytes())
    app.catalogue.refresh()
    app.settings.set("sd_model_checkpoint", chosen)
    for name in ("nope.ckpt", "", " "):
        for restored in (True, False):
            answer = post(fake_server, override_settings={"sd_model_checkpoint": name}, override_settings_restore_afterwards=restored)
            assert "Model: second" in json.loads(answer.json()["info"])["infotexts"][0]
            assert app.settings.get("sd_model_checkpoint") == chosen
    assert fake_server.client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "nope.ckpt"}).status_code == 404      # A1111 refuses it there too
