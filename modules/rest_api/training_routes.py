"""POST /sdapi/v1/create/* and train/*: new embeddings and hypernetworks, and their training, under A1111's names of arguments."""
from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Request
from starlette.concurrency import run_in_threadpool

from modules.application import training
from modules.application.generation import outcome_of
from modules.application.training_arguments import hypernetwork_asked, training_asked
from modules.application.training_run import EMBEDDING, HYPERNETWORK, KINDS
from modules.rest_api.generation_routes import finished, user_of
from modules.rest_api.models import CreateResponse, TrainResponse
from modules.rest_api.routes import FORESEEN, Routes
from modules.schema.params_training import NewEmbedding

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
            return {"info": f"create hypernetwork filename: {training.create_hypernetwork(app, hypernetwork_asked(args))}"}
        except FORESEEN as error:
            return {"info": f"create hypernetwork error: {error}"}

    async def train(asked: Request, args: _SAID, kind: str) -> _SAID:
        try:
            request = training_asked(args, KINDS[kind])
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
