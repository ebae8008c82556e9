"""Settings and flags over the API: read all, change some, never a secret."""
from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated, Any

from fastapi import Body
from starlette.concurrency import run_in_threadpool

from modules.application.app import App
from modules.application.generation import CHECKPOINT_KEY, load_checkpoint_now, settings_in_use
from modules.application.settings_rules import check_outside_change
from modules.application.system_report import HIDDEN, SECRET_FLAGS, without_secrets
from modules.files.storage import StorageError
from modules.rest_api.models import FlagsItem, Options
from modules.rest_api.routes import Routes
from modules.schema.errors import WebuiError


def add_settings_routes(routes: Routes) -> None:
    """/sdapi/v1/options and cmd-flags."""
    app = routes.app

    def get_options() -> dict[str, Any]:
        """Every setting by its key."""
        return options_of(app)

    async def set_options(values: Annotated[dict[str, Any], Body()]) -> None:
        """Change settings, all or none. Another checkpoint is loaded before the answer."""
        before = app.settings.get(CHECKPOINT_KEY)
        await run_in_threadpool(change_options, app, values)
        if CHECKPOINT_KEY in values:
            await _load_or_put_back(app, before)

    def cmd_flags() -> dict[str, Any]:
        """The command line, without passwords and tokens."""
        found = {field.name: getattr(app.flags, field.name) for field in dataclasses.fields(app.flags)}
        return {name: None if name in SECRET_FLAGS else list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    routes.add_route("/sdapi/v1/options", get_options, model=Options)
    routes.add_route("/sdapi/v1/options", set_options, methods=("POST",))
    routes.add_route("/sdapi/v1/cmd-flags", cmd_flags, model=FlagsItem)


def options_of(app: App) -> dict[str, Any]:
    """The settings in use; keys and passwords, which extensions keep there, are hidden."""
    return without_secrets(settings_in_use(app))


def change_options(app: App, values: dict[str, Any]) -> None:
    """Check every value, then store and save them. Raises WebuiError, before anything changes, and StorageError after."""
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if app.settings.table.is_none(key, value):
            continue                    # clients in C# and Java send every field that they know, others all that a server of A1111's told them
        setting = app.settings.table.find(key)
        checked[key] = setting.checked(value) if value != HIDDEN else app.settings.get(key)
        if checked[key] == app.settings.get(key):
            continue                    # clients send back all that they were told, with one value changed
        check_outside_change(app.flags, app.paths, setting, checked[key])
    if checked.get(CHECKPOINT_KEY):
        checked[CHECKPOINT_KEY] = app.catalogue.find_checkpoint(checked[CHECKPOINT_KEY]).title
    app.settings.update(checked)
    try:
        app.settings.save()
    except StorageError as error:
        raise StorageError(f"{error.message} What was set holds until the server ends.", error.remedy) from error


async def _load_or_put_back(app: App, before: str | None) -> None:
    """Load what was chosen; one that cannot be loaded is not left chosen. Raises CannotLoad."""
    try:
        await asyncio.wrap_future(app.jobs.call_soon(lambda: load_checkpoint_now(app)))
    except WebuiError:
        app.settings.set(CHECKPOINT_KEY, before)
        app.settings.save()
        raise
