"""Every stored request through the whole application, scripts' room included: its parameters text and its ``info`` are A1111's, field by field (version aside)."""

from __future__ import annotations

from collections.abc import Iterator

import gradio
import pytest
import torch

from modules.a1111.script_host import install_scripts
from modules.application.app import App
from modules.application.build import build_app
from modules.application.generation import generate_blocking
from modules.schema.flags import parse_flags
from modules.schema.infotext_read import parse_infotext
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from tests.golden.cases import Case, cases, data_dir, flags_over
from tests.short_form import one_in

KINDS = {"txt2img": Txt2ImgRequest, "img2img": Img2ImgRequest}
OTHERWISE = {
    "sampler-alias-k-euler-a": "A1111 falls back to its first sampler; with us an alias means its sampler",
}
NOT_COMPARED = {"job_timestamp", "version", "infotexts"}  # the moment, our name, and what is compared by field


def generated() -> list[Case]:
    return [case for case in cases() if case.endpoint.rpartition("/")[2] in KINDS]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    torch.set_num_threads(1)
    made = build_app(parse_flags(["--data-dir", str(tmp_path_factory.mktemp("data")), *flags_over(data_dir())], {}).flags)
    install_scripts(made, gradio.Blocks)
    yield made
    made.close()


def fields_of(text: str) -> dict[str, str]:
    return {key: value for key, value in parse_infotext(text).items() if key != "Version"}


def drawn_by_chance(key: str, case: Case) -> bool:
    """A1111 reports the variation seed even where none was asked for, and draws it anew each time."""
    return key in ("subseed", "all_subseeds") and case.request.get("subseed", -1) == -1


def without_hires(info: dict[str, object]) -> dict[str, object]:
    """A1111's ``extra_generation_params`` have functions in place of some hires values, which JSON lost; the text above has them all."""
    extra = info.get("extra_generation_params")
    if isinstance(extra, dict):
        info = info | {"extra_generation_params": {key: value for key, value in extra.items() if not key.startswith("Hires") and value is not None}}
    return info


@pytest.mark.golden
@pytest.mark.parametrize("case", one_in(20, generated()), ids=lambda case: case.name)
def test_texts_and_info_are_those_of_a1111(case: Case, app: App) -> None:
    if case.name in OTHERWISE:
        pytest.skip(OTHERWISE[case.name])
    outcome = generate_blocking(app, KINDS[case.endpoint.rpartition("/")[2]].from_flat(dict(case.request)))
    theirs_text = case.infotext or (case.info or {})["infotexts"][0]    # a script's first picture is a sheet, without text
    ours, theirs = (fields_of(text) for text in (outcome.images[0].infotext, theirs_text))
    assert ours == theirs
    assert list(ours) == list(theirs), "the fields stand in another order"
    compared = {key: value for key, value in (case.info or {}).items() if key not in NOT_COMPARED and not drawn_by_chance(key, case)}
    assert without_hires({key: outcome.info.get(key) for key in compared}) == without_hires(compared)
    assert len(outcome.shown) == len(case.images())
