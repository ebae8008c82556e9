"""A1111's callbacks: ``on_*`` to register, ``*_callback`` to call all that registered.

Registered by the file that calls ``on_*``; that file's extension answers for what its function does.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from modules.a1111.app_slot import current
from modules.extension_host.registry import Callback, Registry

Function = Callable[..., Any]
_HOUSE = str(Path(__file__).resolve().parents[1])
CATEGORIES = (
    "app_started", "model_loaded", "ui_tabs", "ui_train_tabs", "ui_settings", "before_image_saved", "image_saved", "extra_noise",
    "cfg_denoiser", "cfg_denoised", "cfg_after_cfg", "before_component", "after_component", "image_grid", "infotext_pasted",
    "script_unloaded", "before_ui", "before_reload", "list_optimizers", "list_unets", "before_token_counter",
)  # fmt: skip


def registry() -> Registry:
    return current().extensions.registry


def caller_file() -> str:
    """The file of the stranger's code that called us: the nearest frame outside of the house."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_HOUSE, "<frozen")):
            return file
        frame = frame.f_back
    return __file__


def add_callback(category: str, function: Function, name: str | None = None) -> Callback:
    """Register ``function`` for the file that called."""
    host, file = current().extensions, caller_file()
    return host.registry.add(category, function, file=file, owner=host.owner_of(file), label=name)


def remove_current_script_callbacks() -> None:
    """Forget what the calling file registered."""
    registry().remove_file(caller_file())


def remove_callbacks_for_function(callback_func: Function) -> None:
    registry().remove_function(callback_func)


def clear_callbacks() -> None:
    registry().clear()


def ordered_callbacks(category: str, unordered_callbacks: Any = None, *, enable_user_sort: bool = True) -> Sequence[Callback]:
    """The callbacks of ``category`` in the order of their calls."""
    return registry().ordered(category.removeprefix("callbacks_"), by_user=enable_user_sort)


def enumerate_callbacks() -> list[tuple[str, list[Callback]]]:
    """(category, its callbacks) of all categories."""
    found = registry().categories
    return [(category, list(found.get(category, ()))) for category in CATEGORIES]


def call(category: str, *arguments: Any, backwards: bool = False) -> list[tuple[Callback, Any]]:
    """Call all of ``category``. Nothing happens where no server runs."""
    return registry().call(category, *arguments, backwards=backwards)


def _registrar(category: str, meaning: str) -> Callable[..., None]:
    def on(callback: Function, *, name: str | None = None) -> None:
        add_callback(category, callback, name)

    on.__name__ = on.__qualname__ = f"on_{category}"
    on.__doc__ = meaning
    return on


on_app_started = _registrar("app_started", "(demo: Blocks or None, app: FastAPI) once the page is mounted.")
on_model_loaded = _registrar("model_loaded", "(sd_model) after a checkpoint was loaded.")
on_ui_tabs = _registrar("ui_tabs", "() -> [(Blocks, title, elem_id)]: tabs of one's own.")
on_ui_train_tabs = _registrar("ui_train_tabs", "(UiTrainTabParams): tabs inside Train.")
on_ui_settings = _registrar("ui_settings", "(): the moment for shared.opts.add_option.")
on_before_image_saved = _registrar("before_image_saved", "(ImageSaveParams) before a picture is written.")
on_image_saved = _registrar("image_saved", "(ImageSaveParams) after a picture was written.")
on_extra_noise = _registrar("extra_noise", "(ExtraNoiseParams) before extra noise is added.")
on_cfg_denoiser = _registrar("cfg_denoiser", "(CFGDenoiserParams) before each call of the model.")
on_cfg_denoised = _registrar("cfg_denoised", "(CFGDenoisedParams) after each call of the model.")
on_cfg_after_cfg = _registrar("cfg_after_cfg", "(AfterCFGCallbackParams) after guidance.")
on_before_component = _registrar("before_component", "(component, **kwargs) before a component of the page is made.")
on_after_component = _registrar("after_component", "(component, **kwargs) after a component of the page was made.")
on_image_grid = _registrar("image_grid", "(ImageGridLoopParams) before a grid is made.")
on_infotext_pasted = _registrar("infotext_pasted", "(infotext, params) when parameters are pasted; params may be changed.")
on_script_unloaded = _registrar("script_unloaded", "() before scripts are loaded anew or the program ends.")
on_before_ui = _registrar("before_ui", "() before the page is built.")
on_before_reload = _registrar("before_reload", "() before the page is built anew.")
on_list_optimizers = _registrar("list_optimizers", "(list): add attention optimisations.")
on_list_unets = _registrar("list_unets", "(list): add options for another UNet.")
on_before_token_counter = _registrar("before_token_counter", "(BeforeTokenCounterParams) before tokens are counted.")


def app_started_callback(demo: Any, app: Any) -> None:
    call("app_started", demo, app)


def app_reload_callback() -> None:
    call("before_reload")


def model_loaded_callback(sd_model: Any) -> None:
    call("model_loaded", sd_model)


def ui_tabs_callback() -> list[Any]:
    """All tabs: (Blocks, title, elem_id). What is no list of such is noted and left out."""
    return [tab for _, tab in ui_tabs()]


def ui_tabs() -> list[tuple[Callback, Any]]:
    """The same, each with the callback that made it."""
    found = []
    for callback, tabs in call("ui_tabs"):
        for tab in tabs if isinstance(tabs, list | tuple) else [tabs]:
            if tab is None:
                continue
            if isinstance(tab, list | tuple) and len(tab) == 3 and isinstance(tab[1], str) and isinstance(tab[2], str):
                found.append((callback, tuple(tab)))
            else:
                registry().troubles.note(callback.owner, f"{Path(callback.file).name}, ui_tabs", f"it gave {type(tab).__name__} instead of (blocks, title, id)")
    return found


def ui_train_tabs_callback(params: Any) -> None:
    call("ui_train_tabs", params)


def ui_settings_callback() -> None:
    call("ui_settings")


def before_image_saved_callback(params: Any) -> None:
    call("before_image_saved", params)


def image_saved_callback(params: Any) -> None:
    call("image_saved", params)


def extra_noise_callback(params: Any) -> None:
    call("extra_noise", params)


def cfg_denoiser_callback(params: Any) -> None:
    call("cfg_denoiser", params)


def cfg_denoised_callback(params: Any) -> None:
    call("cfg_denoised", params)


def cfg_after_cfg_callback(params: Any) -> None:
    call("cfg_after_cfg", params)


def before_component_callback(component: Any, **kwargs: Any) -> None:
    _component("before_component", component, kwargs)


def after_component_callback(component: Any, **kwargs: Any) -> None:
    _component("after_component", component, kwargs)


def _component(category: str, component: Any, kwargs: dict[str, Any]) -> None:
    host = current().extensions
    for each in host.registry.ordered(category):
        with host.guarded(each.owner, f"{Path(each.file).name}, {category}"):
            each.callback(component, **kwargs)


def image_grid_callback(params: Any) -> None:
    call("image_grid", params)


def infotext_pasted_callback(infotext: str, params: dict[str, Any]) -> None:
    call("infotext_pasted", infotext, params)


def script_unloaded_callback() -> None:
    call("script_unloaded", backwards=True)


def before_ui_callback() -> None:
    call("before_ui", backwards=True)


def list_optimizers_callback() -> list[Any]:
    found: list[Any] = []
    call("list_optimizers", found)
    return found


def list_unets_callback() -> list[Any]:
    found: list[Any] = []
    call("list_unets", found)
    return found


def before_token_counter_callback(params: Any) -> None:
    call("before_token_counter", params)
