"""What the texts of pictures say, held against what A1111 1.10.1 answered to the same requests over the same tiny checkpoint."""
from __future__ import annotations

import json
from typing import Any

import pytest

from modules.schema.infotext_read import parse_infotext
from tests.conftest import RunningServer

ONE, TWO = "tiny-emb: 9d2bea383c1e", "tiny-emb-pt: 55829fa63f22"
SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}
HIRES = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.7, "hr_upscaler": "Latent"}


def texts(server: RunningServer, **asked: Any) -> list[dict[str, str]]:
    """The fields of each picture's text."""
    answer = server.client.post("/sdapi/v1/txt2img", json=SMALL | asked)
    assert answer.status_code == 200, answer.text[:500]
    return [parse_infotext(text) for text in json.loads(answer.json()["info"])["infotexts"]]


@pytest.mark.parametrize(("asked", "named"), [
    ({"prompt": "tiny-emb"}, [[ONE]]),
    ({"prompt": "tiny-emb tiny-emb-pt", "negative_prompt": "a tiny-emb"}, [[ONE, TWO, ONE]]),
    ({"prompt": "a tiny-emb AND b tiny-emb-pt AND c tiny-emb"}, [[ONE, TWO, ONE]]),
    ({"prompt": "tiny-emb", "n_iter": 2}, [[ONE], [ONE]]),
    (HIRES | {"prompt": "tiny-emb", "n_iter": 3}, [[ONE], [ONE, ONE], [ONE, ONE]]),
    (HIRES | {"prompt": "a", "hr_prompt": "tiny-emb-pt", "n_iter": 2}, [[], [TWO]]),
    (HIRES | {"prompt": "tiny-emb", "negative_prompt": "tiny-emb-pt", "n_iter": 2, "override_settings": {"hires_fix_use_firstpass_conds": True}},
     [[ONE, TWO, ONE, TWO]] * 2),
])
def test_an_embedding_is_named_each_time_its_prompt_is_read(running_app: RunningServer, asked: dict[str, Any], named: list[list[str]]) -> None:
    """The prompts of a hires pass are read when the batch's texts stand already: the next batch's tell of them."""
    assert [text.get("TI hashes", "") for text in texts(running_app, **asked)] == [", ".join(each) for each in named]


@pytest.mark.parametrize(("first", "second", "named"), [
    (("Euler", "Automatic"), ("Euler a", "Karras"), "Karras"),
    (("Euler", "Karras"), (None, None), None),
    (("Euler", "Karras"), ("DPM++ 2M", "Automatic"), None),
    (("Euler", "Automatic"), ("DPM++ 2M", "Automatic"), "Karras"),
    (("DPM++ 2M", "Automatic"), ("Euler", "Karras"), None),
    (("Euler", "Karras"), ("DDIM", "Normal"), None),
    (("DDIM", "Karras"), ("Euler", "Karras"), "Karras"),
    (("Euler", "Karras"), ("Euler", "Automatic"), "Automatic"),     # A1111 says nothing: its text draws another picture
])
def test_the_hires_schedule_is_named_where_it_differs_from_the_first_one_used(
    running_app: RunningServer, first: tuple[str, str], second: tuple[str | None, str | None], named: str | None
) -> None:
    asked = {"sampler_name": first[0], "scheduler": first[1], "hr_sampler_name": second[0], "hr_scheduler": second[1]}
    (text,) = texts(running_app, **HIRES | asked)
    assert text.get("Hires schedule type") == named
    keys = [key for key in text if key.startswith("Hires") and key != "Hires sampler"]
    assert keys == [*(["Hires schedule type"] if named else []), "Hires upscale", "Hires upscaler"]


def test_a_hires_upscaler_that_nobody_chose_goes_unsaid(running_app: RunningServer) -> None:
    """It is Latent then, as the same request with that name shows."""
    (silent,), (said,) = texts(running_app, **HIRES | {"hr_upscaler": None}), texts(running_app, **HIRES)
    assert "Hires upscaler" not in silent and said["Hires upscaler"] == "Latent"
    pictures = [running_app.client.post("/sdapi/v1/txt2img", json=SMALL | HIRES | {"hr_upscaler": name, "override_settings": {"enable_pnginfo": False}}).json()["images"]
                for name in (None, "Latent")]
    assert pictures[0] == pictures[1]
