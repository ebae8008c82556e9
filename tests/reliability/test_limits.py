"""Requests that are too large in any way: carried out, or refused at once with the limit in the sentence. Nothing is allocated for them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.conftest import FakeEngine, RunningServer
from tests.reliability.conftest import SMALL, Real

HUGE = {
    "width": (0, -64, 7, 100_000, 2**31, 2**63, 10**30, 1.5, "x", None, True, 1e308), "height": (0, -1, 10**6, "64px"), "steps": (0, -1, 1001, 10**9, 2**64),
    "batch_size": (0, -1, 10**4, 10**12), "n_iter": (0, -1, 10**6, 10**18), "cfg_scale": (1e9, -1e9, 1e400), "seed": (2**64, -(2**64), 10**40),
    "denoising_strength": (-1, 1e9), "subseed_strength": (-1.5, 99), "s_churn": (-1e9,), "eta": (1e30,),
}  # fmt: skip
HIRES = {"hr_scale": (0, -1, 100, 1e9), "hr_resize_x": (-1, 10**6), "hr_resize_y": (10**9,), "hr_second_pass_steps": (-1, 10**6)}
LEFT_AS_THEY_ARE = {"width": (None,)}               # null means the default, as in A1111


@pytest.mark.group("R19")
def test_out_of_range_is_refused_before_any_work(fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    for fields, more in ((HUGE, {}), (HIRES, {"enable_hr": True, "denoising_strength": 0.5})):
        for name, values in fields.items():
            for value in values:
                if value in LEFT_AS_THEY_ARE.get(name, ()) or value is True:
                    continue
                body = json.dumps({**SMALL, **more, name: value}).replace("Infinity", "1e999")
                began = time.process_time()
                answer = fake_server.client.post("/sdapi/v1/txt2img", content=body, headers={"Content-Type": "application/json"})
                assert answer.status_code in (400, 422), (name, value, answer.status_code, answer.text[:200])
                assert name in answer.text and time.process_time() - began < 2
    assert fake_engine.requests == []
    assert fake_server.client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 200


@pytest.mark.group("R19")
@pytest.mark.parametrize("levels", [120, 450, 900])
def test_scripts_values_that_are_nested_too_deeply_are_refused(levels: int, fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    body = f'{{"steps": 1, "script_args": {"[" * levels}{"]" * levels}}}'
    answer = fake_server.client.post("/sdapi/v1/txt2img", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "script_args is nested" in answer.text, answer.text[:300]
    assert fake_engine.requests == []


@pytest.mark.group("R19")
@pytest.mark.parametrize("values", [
    {"width": 8192, "height": 8192, "batch_size": 8, "n_iter": 100}, {"width": 4096, "height": 4096, "n_iter": 1000}, {"width": 64, "height": 64, "enable_hr": True, "hr_scale": 4, "n_iter": 10**5},
    {"width": 8192, "height": 8192, "enable_hr": True, "hr_scale": 4, "denoising_strength": 0.5},
])  # fmt: skip
def test_more_than_the_memory_holds_is_refused_with_an_estimate(values: dict[str, Any], fake_server: RunningServer, fake_engine: FakeEngine) -> None:
    answer = fake_server.client.post("/sdapi/v1/txt2img", json={**SMALL, **values})
    assert answer.status_code == 422 and fake_engine.requests == []
    assert any(each.isdigit() for each in answer.json()["errors"] or str(answer.json()["detail"]))


@pytest.mark.group("R18")
def test_prompts_of_any_length(real: Real) -> None:
    """100 kB in one word, in many, 10,000 LoRA tags, and 75 x 200 tokens: a picture, or a refusal that names the limit."""
    prompts = {
        "100 kB of words": ("a cat " * 17_000, 422), "100 kB without a blank": ("x" * 100_000, 422), "75 x 200 tokens": ("cat " * 15_000, 200),
        "LoRAs that are not there": ("<lora:none:1>" * 5_000, 422), "one LoRA again and again": ("<lora:tiny-lora:0.001>" * 2_900, 422),
        "brackets": ("[" * 30_000 + "a", 200), "alternatives": ("[a|b]" * 10_000, 200), "parts": ("a AND " * 9_000 + "b", 422), "a few parts": ("a AND " * 9 + "b", 200),
    }  # fmt: skip
    before = real.draw()[0]
    for name, (prompt, status) in prompts.items():
        answer = real.server.client.post("/sdapi/v1/txt2img", json={**SMALL, "prompt": prompt, "steps": 1})
        assert answer.status_code == status, (name, answer.status_code, answer.text[:300])
        if answer.status_code == 422:
            assert any(each.isdigit() for each in answer.text), (name, answer.text)
    assert (real.draw()[0] == before).all()
