"""What the Settings tab asks beside settings themselves: the system report, actions on checkpoints, licences, fresh values."""

from __future__ import annotations

import asyncio
from importlib.metadata import distributions
from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field

from modules.a1111.script_reload import reload_script_bodies
from modules.application import generation
from modules.application.app import App
from modules.application.generation import checkpoint_now
from modules.application.system_report import report_is_unchanged, report_name, report_text, system_report
from modules.rest_api.routes import Access, Routes
from modules.schema.errors import UnknownName


class ReportText(BaseModel):
    text: str = Field(max_length=10_000_000)


def add_page_routes(routes: Routes) -> None:
    """They belong to the page and ask for its password."""
    app = routes.app

    def sysinfo() -> Response:
        """The system report."""
        return Response(report_text(system_report(app)), media_type="application/json")

    def sysinfo_download() -> Response:
        """The same as a file to keep."""
        name = report_name()
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(report_text(system_report(app)), media_type="application/json", headers=headers)

    def sysinfo_check(body: ReportText) -> dict[str, bool]:
        """Whether a report is as the program wrote it."""
        return {"unchanged": report_is_unchanged(body.text)}

    def settings() -> dict[str, Any]:
        """Every setting by its key, as it is now."""
        return app.settings.as_dict()

    async def action(name: str) -> dict[str, str]:
        """Do one of the Settings tab's actions; answers in words."""
        return {"message": await _act(app, name)}

    def licenses() -> dict[str, str]:
        """The licences of the program and of the packages that it runs on."""
        return {"text": _licenses(app)}

    for path, handler, method in (
        ("/internal/sysinfo", sysinfo, "GET"), ("/internal/sysinfo-download", sysinfo_download, "GET"), ("/internal/sysinfo-check", sysinfo_check, "POST"),
        ("/internal/settings", settings, "GET"), ("/internal/actions/{name}", action, "POST"), ("/internal/licenses", licenses, "GET"),
    ):  # fmt: skip
        routes.add_route(path, handler, methods=(method,), access=Access.PAGE)


async def _act(app: App, name: str) -> str:
    if name == "unload-checkpoint":
        await asyncio.wrap_future(app.jobs.call_soon(app.checkpoints.unload))
        return "The checkpoint was unloaded; the next picture loads it again."
    if name == "load-checkpoint":
        model = checkpoint_now(app)
        await asyncio.wrap_future(app.jobs.call_soon(lambda: generation.load_checkpoint(app, model, app.settings)))
        return f"{model.name} is loaded."
    if name == "calculate-hashes":
        unknown = [model for model in app.catalogue.checkpoints() if model.sha256 is None]
        for model in unknown:
            app.catalogue.hash_later(model)
        return f"Hashes of {len(unknown)} checkpoints are computed in the background; lists show them when they are refreshed."
    if name == "reload-scripts":
        count, told = await asyncio.wrap_future(app.jobs.call_soon(lambda: reload_script_bodies(app)))
        return f"{count} script files were read again. {' '.join(told)}".strip()
    raise UnknownName("action", name, ["unload-checkpoint", "load-checkpoint", "calculate-hashes", "reload-scripts"])


def _licenses(app: App) -> str:
    try:
        own = (app.paths.script_dir / "LICENSE").read_text(encoding="utf-8")
    except OSError:
        own = ""
    lines = {}
    for each in distributions():
        meta: Any = each.metadata  # an email.message.Message
        classifiers = [text.rsplit("::", 1)[-1].strip() for text in meta.get_all("Classifier") or () if text.startswith("License ::")]
        stated = meta.get("License-Expression") or ", ".join(classifiers) or (meta.get("License") or "").split("\n")[0][:80] or "see the package"
        lines[each.name] = f"{each.name} {each.version}: {stated}"
    fonts = "Noto Emoji, the font for pictures on buttons where the machine has none: SIL Open Font License 1.1 (modules/gradio_ui/static/fonts/LICENSE)"
    return f"{own}\n\n{fonts}\n\nPackages that the program runs on:\n\n" + "\n".join(lines[name] for name in sorted(lines, key=str.casefold))
