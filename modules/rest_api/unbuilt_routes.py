"""Routes of A1111 whose work this server does not do: each says so in A1111's shape."""
from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body

from modules.rest_api.models import CreateResponse, TrainResponse
from modules.rest_api.routes import Routes
from modules.schema.errors import WebuiError

TRAIN_ELSEWHERE = "Train it with a tool made for that, such as sd-scripts or OneTrainer, and put the file into "
TRAINING_REMEDIES = {
    "embedding": f"{TRAIN_ELSEWHERE}the folder embeddings; POST /sdapi/v1/refresh-embeddings makes it known.",
    "hypernetwork": f"{TRAIN_ELSEWHERE}models/hypernetworks; a prompt names it as <hypernet:its name:1>.",
}


class NotBuilt(WebuiError):
    """Asked for is something that this server does not do."""

    status = 404                        # not 501: what watches over servers takes any 5xx for a fault


def add_unbuilt_routes(routes: Routes) -> None:
    """create/* and train/*."""
    for act, model in (("create", CreateResponse), ("train", TrainResponse)):
        for kind in ("embedding", "hypernetwork"):
            routes.add_route(f"/sdapi/v1/{act}/{kind}", _refusing(act, kind), methods=("POST",), model=model)


def _refusing(act: str, kind: str) -> Any:
    def refuse(args: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Not done here."""
        name = str(args.get("name", args.get(f"{kind}_name", "")))[:80]
        raise NotBuilt(f"The {kind} {name!r} was not {act}{'d' if act == 'create' else 'ed'}: this server does not {act} {kind}s.", TRAINING_REMEDIES[kind])

    return refuse
