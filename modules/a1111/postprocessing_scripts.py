"""A1111's ScriptPostprocessing: what extensions add to the Extras tab, run among our own operations by its ``order``."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

from PIL import Image

from modules.a1111.app_slot import current, is_occupied, occupied
from modules.a1111.script import AlwaysVisible, Script, ScriptClassData
from modules.application.app import App
from modules.engine.postprocess import Operation, PostPicture

log = logging.getLogger(__name__)


class PostprocessedImageSharedInfo:
    """What the operations on one picture tell each other."""

    target_width: int | None = None
    target_height: int | None = None


class PostprocessedImage:
    """A picture on its way through the operations; scripts change its fields."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.info: dict[str, Any] = {}
        self.shared = PostprocessedImageSharedInfo()
        self.extra_images: list[Any] = []
        self.nametags: list[str] = []
        self.disable_processing = False
        self.caption: str | None = None

    def get_suffix(self, used_suffixes: dict[str, Any] | None = None) -> str:
        """What goes behind the file's name; noted in ``used_suffixes``, so that no two are the same."""
        used = {} if used_suffixes is None else used_suffixes
        plain = "".join(f"-{tag}" for tag in self.nametags)
        found, number = plain, 0
        while found in used:
            number += 1
            found = f"{plain}-{number}"
        used[found] = 1
        return found

    def create_copy(self, new_image: Image.Image, *, nametags: Sequence[str] | None = None, disable_processing: bool = False) -> PostprocessedImage:
        """Another result beside this one, with the same facts."""
        made = PostprocessedImage(new_image)
        made.shared, made.info, made.nametags = self.shared, dict(self.info), [*self.nametags, *(nametags or ())]
        made.disable_processing = disable_processing
        return made


class ScriptPostprocessing:
    """An operation on finished pictures. Subclasses name themselves, show controls in ``ui`` and work in ``process``."""

    filename: str | None = None
    controls: dict[str, Any] | None = None
    args_from: int | None = None
    args_to: int | None = None
    order: float = 1000
    name: str | None = None
    group: Any = None
    main_ui_only = False
    tab_name = ""

    def ui(self) -> dict[str, Any] | None:
        """Parameter names of ``process`` -> the components that give them."""
        return {}

    def process_firstpass(self, pp: PostprocessedImage, **args: Any) -> None:
        """Called for every script before the first one works."""

    def process(self, pp: PostprocessedImage, **args: Any) -> None:
        """Change ``pp``."""

    def image_changed(self) -> None:
        """Another picture was put in."""

    def elem_id_suffix(self, elem_id: str) -> str:
        return f"{elem_id}_{self.tab_name}" if self.tab_name else elem_id


class PostprocessingScripts:
    """The scripts of one server. ``webui.py`` puts it into ``App.postprocessing``."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.scripts: list[ScriptPostprocessing] = []

    def register(self, module: Any, path: str) -> None:
        """Take up the classes of ``module``, also those that it imports from elsewhere in its extension. One that cannot be made is logged."""
        known = {type(script) for script in self.scripts}
        for each in dict.fromkeys(filter(inspect.isclass, vars(module).values())):
            if issubclass(each, ScriptPostprocessing) and each is not ScriptPostprocessing and each not in known:
                try:
                    script = each()
                except Exception:
                    log.exception("%s of %s could not be made", each.__name__, path)
                    continue
                script.filename = path
                script.name = script.name or each.__name__
                if not script.main_ui_only:
                    self.scripts.append(script)

    def forget(self, files: Collection[str]) -> None:
        """These were changed, or are gone: their operations are no more."""
        self.scripts = [each for each in self.scripts if each.filename not in files]

    def ordered(self) -> list[ScriptPostprocessing]:
        return sorted(self.scripts, key=lambda each: each.order)

    def speaking(self) -> AbstractContextManager[Any]:
        """While scripts' own code is called, A1111's names speak for this server."""
        return nullcontext() if is_occupied() else occupied(self.app)

    def operations(self, values: Mapping[str, Mapping[str, Any]], complain: Callable[[str], None]) -> list[Operation]:
        """Those that ``values`` (script's name -> argument -> value) has arguments for. complain: told what one of them did wrong."""
        return [
            Operation(name=str(each.name), order=each.order, apply=self._applied(each, dict(values[str(each.name)]), complain))
            for each in self.ordered() if str(each.name) in values
        ]  # fmt: skip

    def _applied(self, script: ScriptPostprocessing, args: dict[str, Any], complain: Callable[[str], None]) -> Callable[[PostPicture], list[PostPicture]]:
        def apply(given: PostPicture) -> list[PostPicture]:
            pp = PostprocessedImage(given.picture)
            pp.info, pp.nametags, pp.caption = dict(given.facts), list(given.nametags), given.caption or None
            try:
                with self.speaking():
                    script.process_firstpass(pp, **args)
                    script.process(pp, **args)
            except Exception as error:
                log.exception("the operation %s of %s failed", script.name, script.filename)
                complain(f"{script.name} ({script.filename}) failed and was passed over: {type(error).__name__}: {error}")
                return [given]
            made = (pp, *(each if isinstance(each, PostprocessedImage) else pp.create_copy(each) for each in pp.extra_images))
            return [
                replace(given, picture=each.image, facts=dict(each.info), nametags=tuple(each.nametags), caption=each.caption or "", finished=each.disable_processing)
                for each in made
            ]  # fmt: skip

        return apply


def scripts_for_tabs(app: App) -> list[ScriptClassData]:
    """Script classes for the extensions' operations, each a script of its own on txt2img and img2img where the settings want it there."""
    host = app.postprocessing.host
    return [_on_tabs(each) for each in host.ordered()] if isinstance(host, PostprocessingScripts) else []


def _on_tabs(operation: ScriptPostprocessing) -> ScriptClassData:
    kind, name, path = type(operation), str(operation.name), operation.filename or ""

    class OnTab(Script):
        by_setting = True

        def __init__(self) -> None:
            self.names: list[str] = []

        @cached_property
        def own(self) -> ScriptPostprocessing:
            return kind()

        def title(self) -> str:
            return name

        def show(self, is_img2img: bool) -> Any:
            return AlwaysVisible if name in current().settings.get("postprocessing_enable_in_main_ui") else False

        def ui(self, is_img2img: bool) -> list[Any]:
            self.own.tab_name = "_img2img" if is_img2img else "_txt2img"
            found = self.own.ui() or {}
            self.names = list(found)
            return list(found.values())

        def postprocess_image(self, p: Any, pp: Any, *args: Any) -> None:
            made = PostprocessedImage(pp.image)
            self.own.process(made, **dict(zip(self.names, args)))
            p.extra_generation_params.update(made.info)
            pp.image = made.image

    return ScriptClassData(OnTab, path, "", None)


def install_postprocessing(app: App) -> PostprocessingScripts:
    """An empty host in ``app.postprocessing``; extensions' scripts are registered next."""
    host = PostprocessingScripts(app)
    app.postprocessing.host = host
    return host
