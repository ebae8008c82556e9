"""Extensions that queue work themselves look for a route in ``app.routes`` and call its function, or a method of A1111's ``Api``."""
from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI

from modules.facade.api.models import ProgressRequest
from modules.rest_api.build import add_api
from modules.rest_api.foreign_api import Api
from modules.rest_api.models import PNGInfoRequest, Txt2ImgBody
from tests.conftest import RunningServer
from tests.rest_api.test_habits_of_clients import PICTURE


@pytest.fixture
def server(fake_server: RunningServer) -> FastAPI:
    server = FastAPI()
    add_api(server, fake_server.app, full=True)
    return server


def endpoint(server: FastAPI, path: str) -> object:
    return next(route for route in server.routes if route.path == path).endpoint  # type: ignore[attr-defined]


def test_a_routes_function_waits_and_answers_by_key_and_by_attribute(server: FastAPI) -> None:
    drawn = endpoint(server, "/sdapi/v1/txt2img")(Txt2ImgBody(prompt="a house", steps=1, width=64, height=64, seed=5))  # type: ignore[operator]
    assert drawn.images == drawn["images"] and len(drawn.images) == 1
    assert drawn.parameters["prompt"] == drawn.parameters.prompt == "a house" and json.loads(drawn.info)["seed"] == 5

    async def within_a_route() -> object:
        return endpoint(server, "/sdapi/v1/progress")(ProgressRequest(skip_current_image=True))  # type: ignore[operator]

    progress = asyncio.run(within_a_route())
    assert progress.progress == 0 and progress.state.job_count == progress["state"]["job_count"] == 0  # type: ignore[attr-defined,index]
    assert json.loads(json.dumps(progress)) == progress  # and goes out as what another route answers


def test_a1111s_api_has_its_other_methods(server: FastAPI) -> None:
    api = Api(server, None)
    assert api.progressapi().eta_relative == 0 and api.progressapi(ProgressRequest()).current_image is None
    assert api.pnginfoapi(PNGInfoRequest(image=PICTURE)).info == ""
    assert "Euler" in [each.name for each in api.get_samplers()] and api.get_config().samples_format == "png"
    api.set_config({"samples_format": "webp"})
    assert api.get_config()["samples_format"] == "webp"
    with pytest.raises(AttributeError, match="--api"):
        Api(FastAPI(), None).progressapi()
    assert not hasattr(api, "no_such_method")
