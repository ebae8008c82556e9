"""The API's description and its answers against A1111's own."""
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compare_openapi import differences, our_openapi
from tests.conftest import RunningServer
from tests.golden.cases import A1111_ANSWERS, a1111_said


def test_no_route_field_type_or_default_of_a1111_is_missing() -> None:
    theirs = a1111_said("openapi-a1111")
    missing = [each for each in differences(our_openapi(), theirs) if not each.reason]
    assert not missing, "\n".join(map(str, missing))


def test_operations_have_a1111s_names() -> None:
    """Programs that make their methods from the running server's document call text2imgapi_sdapi_v1_txt2img_post."""
    documents = [a1111_said(name) for name in ("openapi-a1111", "openapi-a1111-with-ui")]
    theirs, ours = (
        {(method, path): operation["operationId"] for path, methods in paths.items() for method, operation in methods.items() if method in ("get", "post")}
        for paths in ({path: entry for each in documents for path, entry in each["paths"].items()}, our_openapi()["paths"])
    )
    shared = {each for each in theirs.keys() & ours.keys() if not theirs[each].startswith("_lambda_")}
    assert len(shared) > 40 and {each: ours[each] for each in shared} == {each: theirs[each] for each in shared}
    assert len(set(ours.values())) == len(ours)


def test_the_comparison_sees_what_is_missing() -> None:
    theirs = a1111_said("openapi-a1111")
    ours = json.loads(json.dumps(theirs))
    assert differences(ours, theirs) == []
    del ours["paths"]["/sdapi/v1/skip"]
    fields = ours["components"]["schemas"]["StableDiffusionProcessingTxt2Img"]["properties"]
    del fields["hr_scale"]
    fields["steps"]["default"], fields["seed"]["type"] = 20, "string"
    ours["components"]["schemas"]["SamplerItem"]["properties"].pop("aliases")
    places = {each.place for each in differences(ours, theirs)}
    assert places == {"POST /sdapi/v1/skip", "POST /sdapi/v1/txt2img body hr_scale", "POST /sdapi/v1/txt2img body steps default",
                      "POST /sdapi/v1/txt2img body seed type", "GET /sdapi/v1/samplers answer items aliases"}


def shape(value: Any) -> Any:
    """Names and kinds; of a list its first element stands for all. A number is a number, null may be anything."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def fits(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return all(key in ours and fits(ours[key], each) for key, each in theirs.items())
    if isinstance(theirs, list) and isinstance(ours, list):
        return not theirs or not ours or fits(ours[0], theirs[0])
    return ours == theirs or "NoneType" in (ours, theirs)


@pytest.mark.parametrize("name", sorted(path.stem for path in (A1111_ANSWERS / "api").glob("*.json")
                                        if path.stem not in ("error-and-edge-responses", "progress-while-running", "options")))
def test_get_answers_have_a1111s_shape(running_app: RunningServer, name: str) -> None:
    theirs = a1111_said(f"api/{name}")
    answer = running_app.client.get(f"/sdapi/v1/{name}")
    assert answer.status_code == 200
    assert fits(shape(answer.json()), shape(theirs)), (shape(answer.json()), shape(theirs))
