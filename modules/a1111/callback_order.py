"""The page "Callbacks" of the settings: the user says whose callbacks and scripts come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modules.a1111.app_slot import current
from modules.a1111.callbacks import enumerate_callbacks
from modules.a1111.script_runner import METHODS, ScriptRunner
from modules.application.app import App
from modules.extension_host.registry import Callback
from modules.schema.setting import Section, Setting
from modules.schema.widgets import Dropdown

PREFIX = "prioritized_callbacks_"
SECTION = ("callbacks", "Callbacks")


@dataclass(frozen=True, kw_only=True)
class OrderSetting(Setting):
    """Acts at once, at the next call of its category."""

    @property
    def honoured(self) -> bool:
        return True


def offer_orders() -> None:
    """A setting for each category that somebody has registered for; the registry asks them from now on."""
    app = current()
    _listen(app)
    registry = app.extensions.registry
    offered = {category: registry.ordered(category, by_user=False) for category, listed in enumerate_callbacks() if listed}
    for method in METHODS:
        found = {each.name: each for runner in _runners(app) for each in runner.create_ordered_callbacks_list(method, enable_user_sort=False)}
        if found:
            offered[f"script_{method}"] = tuple(found.values())
    settings = tuple(_setting(app, category, listed) for category, listed in offered.items())
    if settings:
        app.settings.register(Section(id=SECTION[0], title=SECTION[1], category="system", settings=settings))
        for setting in settings:
            app.settings.on_change(setting.key, lambda _value: _listen(app))


def _listen(app: App) -> None:
    app.extensions.registry.prefer(lambda category: _wanted(app, PREFIX + category))


def _wanted(app: App, key: str) -> Sequence[str]:
    found = app.settings.get(key) if key in app.settings.table else app.settings.unknown_value(key)
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _runners(app: App) -> tuple[ScriptRunner, ...]:
    host = app.scripts.host
    return (host.txt2img, host.img2img) if host is not None else ()     # type: ignore[attr-defined]  # the door knows no runners


def _setting(app: App, category: str, listed: Sequence[Callback]) -> OrderSetting:
    names = [each.name for each in listed]
    source = f"callbacks of {category}"
    app.extensions.choices[source] = lambda: names
    return OrderSetting(
        key=PREFIX + category, default=(), label=f"{category} callback priority", widget=Dropdown(source, multiple=True), section=SECTION[0],
        description="Those chosen here come first, in this order. Otherwise: " + ", ".join(names),
    )  # fmt: skip
