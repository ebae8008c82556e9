"""A request has A1111's names and defaults, is frozen, and refuses with a sentence what cannot be drawn."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.schema.check import limits
from modules.schema.errors import InvalidValue, UnknownName
from modules.schema.param import ParamEntry, get, put, walk
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest
from modules.schema.table import IMG2IMG, TABLES, TXT2IMG, ParameterTable
from modules.schema.widgets import Hidden, Radio, Slider
from tests.schema.recorded import OUR_OWN, recorded

BOTH = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@BOTH
def test_api_names_and_defaults_are_a1111s(table: ParameterTable):
    theirs = recorded("api_defaults")[table.tab]
    ours = {entry.api_name: list(entry.default) if isinstance(entry.default, tuple) else entry.default for entry in table}
    assert set(ours) - OUR_OWN == set(theirs)
    for name, default in theirs.items():
        # Its OpenAPI has no default where the value is None or an empty container.
        assert ours[name] == default or (default is None and not ours[name]), name
        assert type(ours[name]) is type(default) or default is None or isinstance(default, int | float), name


@BOTH
def test_page_has_a1111s_elements(table: ParameterTable):
    elements = recorded("page_elements")
    own = {"txt2img": ("txt2img_", "hr_", "hires_"), "img2img": ("img2img_", "resize_mode")}[table.tab]
    seen = {name for name in elements if name.startswith(own)}
    ours = {entry.elem_id(table.tab): entry for entry in table if not isinstance(entry.info.widget, Hidden)}
    assert seen <= set(ours)
    for name in seen:
        _same_element(ours[name], elements[name])


def _same_element(entry: ParamEntry, theirs: dict[str, Any]) -> None:
    widget = entry.info.widget
    assert entry.label == theirs["label"]
    if isinstance(widget, Slider):
        assert (widget.minimum, widget.maximum, widget.step) == (theirs["minimum"], theirs["maximum"], theirs["step"])
    shown = entry.page_default
    if isinstance(widget, Radio) and widget.index:
        shown = widget.choices[int(shown)]
    if theirs["type"] != "image" and "value" in theirs:
        assert shown == theirs["value"], entry.api_name


def test_page_and_api_differ_where_a1111s_do():
    page = Txt2ImgRequest.page_defaults()
    assert (page.sampling.steps, Txt2ImgRequest().sampling.steps) == (20, 50)
    assert (page.denoising_strength, Txt2ImgRequest().denoising_strength) == (0.7, None)
    assert Img2ImgRequest.page_defaults().inpaint.content == 1 and Img2ImgRequest().inpaint.content == 0


def test_x_y_z_axes():
    assert {"Steps", "CFG Scale", "Sampler", "Denoising", "Seed", "Hires upscaler", "Refiner switch at"} <= set(TXT2IMG.axes)
    assert "Image CFG Scale" in IMG2IMG.axes


def _values(entry: ParamEntry) -> st.SearchStrategy[Any]:
    low, high = limits(entry)
    kinds: dict[Any, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(int(low) if math.isfinite(low) else None, int(high) if math.isfinite(high) else None),
        float: st.floats(low, high, allow_nan=False),
        str: st.text(max_size=30),
        tuple[str, ...]: st.lists(st.text(max_size=5), max_size=3),
    }
    return kinds.get(entry.type, st.just(entry.default))


@BOTH
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flat_and_back(table: ParameterTable, data: st.DataObject):
    flat = {entry.api_name: data.draw(_values(entry), entry.api_name) for entry in table if data.draw(st.booleans())}
    flat.pop("enable_hr", None)  # with it, sizes must also be fit for each other
    cls = table.request_class
    request = cls.from_flat(flat)
    assert cls.from_flat(request.to_flat()) == request
    back = request.to_flat()
    assert all(back[name] == (list(value) if isinstance(value, tuple) else value) for name, value in flat.items())


@pytest.mark.parametrize(
    ("name", "given_value", "held"),
    [
        ("steps", "20", 20),
        ("steps", 20.0, 20),
        ("cfg_scale", "7.5", 7.5),
        ("cfg_scale", 7, 7),
        ("subseed_strength", 1.0000000000000002, 1.0),
        ("refiner_switch_at", -1e-9, 0.0),
        ("denoising_strength", 100, 100),
        ("enable_hr", "true", True),
        ("enable_hr", 0, False),
        ("seed", 12345.0, 12345),
        ("seed", 2**64 - 1, 2**64 - 1),
        ("width", 63, 63),
        ("steps", None, 50),
        ("sampler_name", None, None),
        ("styles", ("a",), ["a"]),
    ],
)
def test_lenient_where_json_clients_need_it(name: str, given_value: Any, held: Any):
    value = Txt2ImgRequest.from_flat({name: given_value}).to_flat()[name]
    assert value == held and type(value) is type(held)


def test_choices_by_text_or_by_number():
    by_text = Img2ImgRequest.from_flat({"inpainting_mask_invert": "Inpaint not masked", "inpaint_full_res": "Whole picture"})
    assert by_text == Img2ImgRequest.from_flat({"inpainting_mask_invert": 1, "inpaint_full_res": False})


REFUSED = [
    ("steps", 0, "between 1 and 1000"),
    ("steps", True, "a whole number"),
    ("steps", "many", "a whole number"),
    ("steps", 20.5, "a whole number"),
    ("steps", 10**5000, "between 1 and 1000"),
    ("steps", "9" * 10_000, "a whole number"),
    ("width", 7, "between 8 and 8192"),
    ("height", 8193, "between 8 and 8192"),
    ("cfg_scale", math.nan, "a number"),
    ("cfg_scale", math.inf, "a number"),
    ("cfg_scale", "nan", "a number"),
    ("cfg_scale", 10**400, "a number"),
    ("cfg_scale", [7], "a number"),
    ("refiner_switch_at", 1.01, "between 0 and 1"),
    ("subseed_strength", -1.1, "between -1 and 1"),
    ("n_iter", 0, "between 1"),
    ("batch_size", -1, "between 1"),
    ("hr_scale", 17, "between 0 and 16"),
    ("seed", 2**64, "between"),
    ("prompt", 5, "text"),
    ("prompt", None, None),
    ("styles", "photo", "a list"),
    ("styles", [1], "text"),
    ("enable_hr", "perhaps", "true or false"),
    ("enable_hr", 2, "true or false"),
    ("override_settings", [1], "an object"),
    ("override_settings", {1: 2}, "an object"),
    ("alwayson_scripts", "x", "an object"),
    ("script_args", "x", "a list"),
    ("sampler_name", "x" * 5000, "at most 4,096"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED, ids=[f"{row[0]}-{type(row[1]).__name__}-{row[2]}" for row in REFUSED])
def test_refused_with_label_name_and_range(name: str, value: Any, sentence: str | None):
    if sentence is None:
        assert Txt2ImgRequest.from_flat({name: value}) == Txt2ImgRequest()
        return
    with pytest.raises(InvalidValue, match=sentence) as caught:
        Txt2ImgRequest.from_flat({name: value})
    assert caught.value.field == name
    assert name in str(caught.value) and TXT2IMG.by_api_name(name).label in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_prompt_of_100_kilobytes_is_refused_with_its_length():
    with pytest.raises(InvalidValue, match=r"Prompt \(prompt\) is 100,000 characters long; at most 65,536 are accepted"):
        Txt2ImgRequest.from_flat({"prompt": "a" * 100_000})
    assert len(Txt2ImgRequest.from_flat({"prompt": "a" * 65_536}).prompt.prompt) == 65_536


def test_hires_target_is_bounded():
    with pytest.raises(InvalidValue, match="32768 pixels long"):
        Txt2ImgRequest.from_flat({"enable_hr": True, "width": 8192, "hr_scale": 4})
    Txt2ImgRequest.from_flat({"width": 8192, "hr_scale": 4})


def test_unknown_fields_are_ignored():
    values = {"prompt": "x", "Prompt": 1, "distilled_cfg_scale": 3.5}
    assert Txt2ImgRequest.from_flat(values) == Txt2ImgRequest.from_flat({"prompt": "x"})


def test_a_request_is_frozen_and_put_makes_a_new_one():
    request = Txt2ImgRequest()
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.sampling.steps = 3  # type: ignore[misc]
    path = TXT2IMG.by_api_name("hr_scale").path
    changed = put(request, path, 3.0)
    assert (get(changed, path), get(request, path)) == (3.0, 2.0)
    assert request.changed({"hr_scale": 3}) == changed
    given_settings = {"randn_source": "CPU"}
    held = Txt2ImgRequest.from_flat({"override_settings": given_settings})
    given_settings["randn_source"] = "NV"
    assert held.overrides.override_settings == {"randn_source": "CPU"}
    assert held.to_flat()["override_settings"] is not held.overrides.override_settings


def test_names_are_unique():
    for table in TABLES.values():
        assert len({entry.api_name for entry in table}) == len(table)
        keys = [entry.info.infotext for entry in table if entry.info.infotext]
        assert len(set(keys)) == len(keys)
        shown = [entry.elem_id(table.tab) for entry in table]
        assert len(set(shown)) == len(shown)
    with pytest.raises(UnknownName, match="cfg_scale"):
        TXT2IMG.by_api_name("cfgscale")


def test_old_sampler_name():
    assert Txt2ImgRequest().sampling.sampler == "Euler"
    assert Txt2ImgRequest.from_flat({"sampler_name": "DDIM"}).sampling.sampler == "DDIM"
    assert Txt2ImgRequest.from_flat({"sampler_index": "LMS"}).sampling.sampler == "LMS"


def test_every_parameter_has_a_default_that_it_accepts():
    for table in TABLES.values():
        assert table.request_class.from_flat(table.request_class.page_defaults().to_flat()) == table.request_class.page_defaults()
        assert len(list(walk(table.request_class))) == len(table.entries)
