"""POST /sdapi/v1/create/* and train/*: new embeddings and hypernetworks, and their training, under A1111's names of arguments."""
from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Request
from starlette.concurrency import run_in_threadpool

from modules.application import training
from modules.application.generation import outcome_of
from modules.application.training_run import EMBEDDING, HYPERNETWORK, KINDS
from modules.rest_api.generation_routes import finished, user_of
from modules.rest_api.models import CreateResponse, TrainResponse
from modules.rest_api.routes import FORESEEN, Routes
from modules.schema.params_training import NewEmbedding, NewHypernetwork, TrainingRequest

_SAID = dict[str, Any]
Arguments = Annotated[dict[str, Any], Body()]


def add_training_routes(routes: Routes) -> None:
    """The four routes. As in A1111 what goes wrong is told in ``info``, with status 200: programs read it there."""
    app = routes.app

    def new_embedding(args: Arguments) -> _SAID:
        """A new embedding for the checkpoint in use: name, num_vectors_per_token, overwrite_old, init_text."""
        try:
            return {"info": f"create embedding filename: {training.create_embedding(app, NewEmbedding.from_flat(args))}"}
        except FORESEEN as error:
            return {"info": f"create embedding error: {error}"}

    def new_hypernetwork(args: Arguments) -> _SAID:
        """A new hypernetwork: name, enable_sizes, overwrite_old, layer_structure, activation_func, weight_init, add_layer_norm, use_dropout, dropout_structure."""
        try:
            return {"info": f"create hypernetwork filename: {training.create_hypernetwork(app, NewHypernetwork.from_flat(_as_text(args)))}"}
        except FORESEEN as error:
            return {"info": f"create hypernetwork error: {error}"}

    async def train(asked: Request, args: _SAID, kind: str) -> _SAID:
        try:
            request = TrainingRequest.from_flat(_of_page(args, KINDS[kind]))
            job = await run_in_threadpool(training.submit, app, request, kind, source="api", task_id=args.get("id_task") or None, user=user_of(asked))
            await finished(job)
            outcome = outcome_of(job)
        except FORESEEN as error:
            return {"info": f"train {KINDS[kind]} error: {error}"}
        return {"info": f"train {KINDS[kind]} complete: filename: {outcome.info.get('path', '')} error: None"}

    async def train_embedding(asked: Request, args: Arguments) -> _SAID:
        """Train an embedding on the pictures of a folder; answers when it is over. Arguments: those of the Train tab."""
        return await train(asked, args, EMBEDDING)

    async def train_hypernetwork(asked: Request, args: Arguments) -> _SAID:
        """Train a hypernetwork on the pictures of a folder; answers when it is over."""
        return await train(asked, args, HYPERNETWORK)

    for path, handler, model in (
        ("create/embedding", new_embedding, CreateResponse), ("create/hypernetwork", new_hypernetwork, CreateResponse),
        ("train/embedding", train_embedding, TrainResponse), ("train/hypernetwork", train_hypernetwork, TrainResponse),
    ):  # fmt: skip
        routes.add_route(f"/sdapi/v1/{path}", handler, methods=("POST",), model=model)


def _of_page(args: _SAID, kind: str) -> _SAID:
    """A1111's arguments under the page's names."""
    found = {**args}
    for theirs, ours in (("learn_rate", f"{kind}_learn_rate"), ("save_hypernetwork_every", "save_embedding_every")):
        if theirs in found:
            found[ours] = found.pop(theirs)
    rates = {name: str(found[name]) for name in (f"{kind}_learn_rate", "clip_grad_value") if isinstance(found.get(name), int | float)}
    return found | rates


def _as_text(args: _SAID) -> _SAID:
    """A1111 takes lists of numbers as well as their text."""
    lists = {name: ", ".join(map(str, args[name])) for name in ("layer_structure", "dropout_structure") if isinstance(args.get(name), list)}
    sizes = {"enable_sizes": [str(each) for each in args["enable_sizes"]]} if isinstance(args.get("enable_sizes"), list) else {}
    return args | lists | sizes
