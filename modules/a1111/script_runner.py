"""ScriptRunner: the scripts of one tab, their arguments in one flat list, and every method called so that a failing script stays alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.script import (
    AlwaysVisible,
    OnComponent,
    PostprocessBatchListArgs,
    PostprocessImageArgs,
    PostProcessMaskOverlayArgs,
    PostSampleArgs,
    Script,
    ScriptClassData,
)
from modules.a1111.script_controls import checked, default_value, infotext_fields_of, signed, title_of
from modules.extension_host.registry import HOUSE, Callback, contained, named, sentence_of
from modules.schema.errors import WebuiError

log = logging.getLogger(__name__)
Data = Sequence[ScriptClassData]
METHODS = (
    "setup", "before_process", "process", "before_process_batch", "after_extra_networks_activate", "process_batch", "process_before_every_sampling",
    "before_hr", "on_mask_blend", "post_sample", "postprocess_batch", "postprocess_batch_list", "postprocess_image", "postprocess_maskoverlay",
    "postprocess_image_after_composite", "postprocess", "before_component", "after_component",
)  # fmt: skip


class ScriptFailed(WebuiError):
    """A chosen script broke off."""


class ScriptRunner:
    """A1111's runner. ``scripts`` = ``selectable_scripts`` + ``alwayson_scripts``; a copy of it may be trimmed by an extension.

    inputs: what a click hands over, in order: the Script list, then each script's controls; entry 0 of the arguments is the
    position in that list, from 1, and 0 for none.
    """

    def __init__(self, data: Data = ()) -> None:
        self.data = data
        self.scripts: list[Script] = []
        self.selectable_scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []
        self.titles: list[str] = []
        self.title_map: dict[str, Script] = {}
        self.infotext_fields: list[Any] = []
        self.paste_field_names: list[str] = []
        self.inputs: list[Any] = [None]
        self.callback_map: dict[str, Any] = {}
        self.callback_names: list[str] = list(METHODS)
        self.on_before_component_elem_id: dict[str, list[Any]] = {}
        self.on_after_component_elem_id: dict[str, list[Any]] = {}
        self.is_img2img = False
        self._asked: set[type[Script]] = set()

    # -- making -----------------------------------------------------------------------------------------------------------

    def initialize_scripts(self, is_img2img: bool) -> None:
        """An object of each class that wants to be on this tab."""
        self.is_img2img, self.inputs = is_img2img, [None]
        for listed in (self.scripts, self.selectable_scripts, self.alwayson_scripts, self.titles, self.infotext_fields, self.paste_field_names):
            listed.clear()
        self.title_map.clear()      # else names still mean the objects of the time before
        self._asked = {each.script_class for each in self.data}
        for each in self.data:
            with _guarded(each.path, "show"):
                self._add(each, is_img2img)
        self._list_ears()

    def _list_ears(self) -> None:
        """Who wants to be told of a component by its id."""
        for kind, table in (("before", self.on_before_component_elem_id), ("after", self.on_after_component_elem_id)):
            table.clear()
            for script in self.scripts:
                with _guarded(script.filename or "", f"on_{kind}_component_elem_id"):
                    for elem_id, callback in getattr(script, f"on_{kind}_component_elem_id") or ():
                        table.setdefault(elem_id, []).append((callback, script))

    def come_and_go(self) -> None:
        """Another page begins to be built: scripts that were loaded since come, those whose file was changed or is gone go, and those that the settings show come and go.

        The others stay the objects that they are.
        """
        over = self._asked - {each.script_class for each in self.data}
        gone = [script for script in self.scripts if type(script) in over]
        for script in self.scripts:
            with _guarded(script.filename or "", "show"):
                if script.by_setting and not script.show(self.is_img2img):
                    gone.append(script)
        # new lists: a job may be reading the old ones
        self.scripts, self.alwayson_scripts = ([each for each in listed if each not in gone] for listed in (self.scripts, self.alwayson_scripts))
        self.selectable_scripts = [each for each in self.selectable_scripts if each not in gone]
        self.titles = [title_of(each) for each in self.selectable_scripts]
        self.title_map = {title: script for title, script in self.title_map.items() if script not in gone}
        known = {type(each) for each in self.scripts}
        for each in self.data:
            is_new = each.script_class not in self._asked
            if is_new or (each.script_class.by_setting and each.script_class not in known):
                with _guarded(each.path, "show"):
                    self._add(each, self.is_img2img)
        self._asked = {each.script_class for each in self.data}
        if over:
            self._in_order_of_load()
        self._list_ears()
        self.callback_map.clear()

    def take_for(self, newer: Mapping[type[Script], type[Script]]) -> None:
        """Each class is known as the one that it is taken for."""
        self._asked = {newer.get(each, each) for each in self._asked}

    def _in_order_of_load(self) -> None:
        """What was read again comes back to its place: always-on scripts are asked in that order. What an extension put in by itself stays behind."""
        place = {each.script_class: number for number, each in enumerate(self.data)}
        for listed in (self.scripts, self.alwayson_scripts, self.selectable_scripts):
            listed.sort(key=lambda each: place.get(type(each), len(place)))
        self.titles = [title_of(each) for each in self.selectable_scripts]

    def _add(self, data: ScriptClassData, is_img2img: bool) -> None:
        script: Script = data.script_class()
        script.filename = data.path
        script.is_txt2img, script.is_img2img = not is_img2img, is_img2img
        script.tabname = "img2img" if is_img2img else "txt2img"
        visible = script.show(is_img2img)
        if visible is not AlwaysVisible and not visible:
            return
        script.title()                              # one that cannot even be asked is left out
        title = title_of(script)
        script.alwayson = visible is AlwaysVisible
        self.scripts.append(script)
        (self.alwayson_scripts if script.alwayson else self.selectable_scripts).append(script)
        taken = title.lower() in self.title_map     # two extensions may use one title
        self.title_map[f"{title} ({os.path.basename(data.path)})".lower() if taken else title.lower()] = script
        if not script.alwayson:
            self.titles.append(title)

    def prepare_ui(self) -> None:
        """A page begins to be built, perhaps not the first: its scripts' controls follow, those of no page are made anew when asked for."""
        self.inputs, self.infotext_fields, self.paste_field_names = [None], [], []     # the lists so far stay those of the page before
        for script in self.scripts:
            if script.page_has_it:
                script.controls = None

    @contextmanager
    def as_before_if_it_fails(self) -> Iterator[None]:
        """A page that cannot be built leaves the scripts and arguments of the page that stays."""
        own = (self.inputs, self.infotext_fields, self.paste_field_names, self.scripts, self.alwayson_scripts, self.selectable_scripts, self.titles, self.title_map, self._asked)
        places = [(script, script.controls, script.args_from, script.args_to) for script in self.scripts]
        try:
            yield
        except BaseException:
            (self.inputs, self.infotext_fields, self.paste_field_names, self.scripts, self.alwayson_scripts, self.selectable_scripts, self.titles, self.title_map,
             self._asked) = own
            for script, controls, args_from, args_to in places:
                script.controls, script.args_from, script.args_to = controls, args_from, args_to
            raise

    def create_script_ui(self, script: Script) -> list[Any]:
        """Call ``script.ui`` inside the current Gradio block and note where its arguments stand. Its failure leaves it without any."""
        if script.args_from is None:    # else a job may be reading its arguments by the places of the page before
            script.args_from = script.args_to = len(self.inputs)
        controls: list[Any] = []
        script.has_ui = False
        with _guarded(script.filename or "", "ui"):
            made = script.ui(script.is_img2img)
            script.has_ui = made is not None
            listed = [] if made is None else list(made) if isinstance(made, Iterable) else [made]
            controls = checked(listed)
        script.name = title_of(script).lower()
        script.controls = controls
        signed(controls, script.page_source or script.filename or "")
        script.args_from, script.args_to = len(self.inputs), len(self.inputs) + len(controls)
        self.inputs += controls
        with _guarded(script.filename or "", "infotext_fields"):
            self.infotext_fields += infotext_fields_of(script)
            self.paste_field_names += script.paste_field_names or ()
        return controls

    def setup_ui_for_section(self, section: str | None, scriptlist: Iterable[Script] | None = None) -> None:
        """On a tab that an extension builds: the always-on scripts that stand in this part of it, or those of the list, inside the current Gradio block."""
        current().extensions.panels.section(self, section, self.alwayson_scripts if scriptlist is None else scriptlist)

    def setup_ui(self) -> list[Any]:
        """The other always-on scripts, the Script list, and the controls of those in it. What a click of that tab hands over behind its own fields."""
        self.setup_ui_for_section(None)
        self.inputs[0] = current().extensions.panels.chooser(self)
        return self.inputs

    def take_page_controls(self, script: Script, controls: list[Any]) -> None:
        """Fields of the page that are the arguments of ``script``."""
        script.args_from, script.name, script.controls = len(self.inputs), title_of(script).lower(), controls
        signed(controls, script.page_source or script.filename or "")
        self.inputs += controls
        script.args_to = len(self.inputs)

    def ensure_ui(self, blank_page: Callable[[], AbstractContextManager[Any]]) -> None:
        """Make the controls that the real page has not, in ``blank_page()``: without them nobody knows what arguments there are."""
        missing = [script for script in (*self.alwayson_scripts, *self.selectable_scripts) if script.controls is None]
        if missing:
            with blank_page():
                for script in missing:
                    self.create_script_ui(script)

    def default_args(self) -> list[Any]:
        """The flat argument list of an untouched page, no script chosen."""
        return [0, *(default_value(control) for control in self.inputs[1:])]

    def script(self, title: str) -> Script | None:
        """By title, upper and lower case being the same."""
        return self.title_map.get(title.lower())

    # -- the job ------------------------------------------------------------------------------------------------------------

    def selected(self, args: Sequence[Any]) -> Script | None:
        """The chosen script, None for none."""
        place = args[0] if args else 0
        return self.selectable_scripts[place - 1] if isinstance(place, int) and 0 < place <= len(self.selectable_scripts) else None

    def run(self, p: Any, *args: Any) -> Any:
        """The chosen script's Processed; None where none is chosen, or it leaves the job to us. Raises WebuiError, ScriptFailed for the script's own faults."""
        script = self.selected(args)
        if script is None:
            return None
        try:
            return script.run(p, *args[script.args_from : script.args_to])
        except (WebuiError, KeyboardInterrupt):
            raise
        except BaseException as error:
            if getattr(error, "is_flow_control", False):
                raise
            with _guarded(script.filename or "", "run"):
                raise
            raise ScriptFailed(f"The script {title_of(script)} failed: {sentence_of(error).removesuffix('.')}.", "What it said stands in the log.") from error

    def list_scripts_for_method(self, method_name: str) -> list[Script]:
        """Those that are asked at all, in the order of loading."""
        return self.scripts if method_name in ("before_component", "after_component") else self.alwayson_scripts

    def create_ordered_callbacks_list(self, method_name: str, *, enable_user_sort: bool = True) -> list[Callback]:
        """The scripts that have a ``method_name`` of their own, each as a callback, in the order of their calls."""
        category, listed = f"script_{method_name}", list[Callback]()
        host = current().extensions if is_occupied() else None
        for script in self.list_scripts_for_method(method_name):
            if getattr(type(script), method_name, None) is not getattr(Script, method_name, None):
                file = script.filename or ""
                named(listed, category, script, file=file, owner=host.owner_of(file) if host else HOUSE, label=type(script).__name__)  # type: ignore[arg-type]  # A1111 keeps the script itself there
        return listed if host is None else list(host.registry.in_order(category, listed, by_user=enable_user_sort))

    def ordered_callbacks(self, method_name: str, *, enable_user_sort: bool = True) -> list[Callback]:
        """The same, remembered until other scripts take part or the user wants another order."""
        category, scripts = f"script_{method_name}", self.list_scripts_for_method(method_name)
        wanted = current().extensions.registry.preferred(category) if is_occupied() and enable_user_sort else ()
        key = (tuple(map(id, scripts)), wanted, enable_user_sort)
        known = self.callback_map.get(category)
        if known is None or known[0] != key:
            known = self.callback_map[category] = (key, self.create_ordered_callbacks_list(method_name, enable_user_sort=enable_user_sort))
        return known[1]

    def ordered_scripts(self, method: str) -> list[Any]:
        """The scripts that have a ``method`` of their own, in the order of their calls."""
        return [each.callback for each in self.ordered_callbacks(method)]

    def _call(self, method: str, p: Any, *payload: Any, **keywords: Any) -> None:
        for script in self.ordered_scripts(method):
            with _guarded(script.filename or "", method, p, title_of(script)):
                getattr(script, method)(p, *payload, *_args_of(script, p), **keywords)

    def setup_scrips(self, p: Any, *, is_ui: bool = True) -> None:
        """A1111's spelling."""
        for script in self.ordered_scripts("setup"):
            if is_ui or not script.setup_for_ui_only:
                with _guarded(script.filename or "", "setup", p, title_of(script)):
                    script.setup(p, *_args_of(script, p))

    def before_process(self, p: Any) -> None:
        self._call("before_process", p)

    def process(self, p: Any) -> None:
        self._call("process", p)

    def before_process_batch(self, p: Any, **keywords: Any) -> None:
        self._call("before_process_batch", p, **keywords)

    def after_extra_networks_activate(self, p: Any, **keywords: Any) -> None:
        self._call("after_extra_networks_activate", p, **keywords)

    def process_batch(self, p: Any, **keywords: Any) -> None:
        self._call("process_batch", p, **keywords)

    def process_before_every_sampling(self, p: Any, **keywords: Any) -> None:
        self._call("process_before_every_sampling", p, **keywords)

    def before_hr(self, p: Any) -> None:
        self._call("before_hr", p)

    def on_mask_blend(self, p: Any, mba: Any) -> None:
        self._call("on_mask_blend", p, mba)

    def post_sample(self, p: Any, ps: PostSampleArgs) -> None:
        self._call("post_sample", p, ps)

    def postprocess_batch(self, p: Any, images: Any, **keywords: Any) -> None:
        self._call("postprocess_batch", p, images=images, **keywords)

    def postprocess_batch_list(self, p: Any, pp: PostprocessBatchListArgs, **keywords: Any) -> None:
        self._call("postprocess_batch_list", p, pp, **keywords)

    def postprocess_image(self, p: Any, pp: PostprocessImageArgs) -> None:
        self._call("postprocess_image", p, pp)

    def postprocess_maskoverlay(self, p: Any, ppmo: PostProcessMaskOverlayArgs) -> None:
        self._call("postprocess_maskoverlay", p, ppmo)

    def postprocess_image_after_composite(self, p: Any, pp: PostprocessImageArgs) -> None:
        self._call("postprocess_image_after_composite", p, pp)

    def postprocess(self, p: Any, processed: Any) -> None:
        self._call("postprocess", p, processed)

    def set_named_arg(self, args: list[Any], script_name: str, arg_elem_id: str, value: Any, fuzzy: bool = False) -> None:
        """Put ``value`` into ``args`` where the control of that elem_id has its place. Raises RuntimeError when there is none such."""
        script = self.script(script_name)
        if script is None:
            raise RuntimeError(f"script {script_name} not found")
        for place, control in enumerate(script.controls or (), script.args_from or 0):
            elem_id = getattr(control, "elem_id", None) or ""
            if arg_elem_id in elem_id if fuzzy else elem_id == arg_elem_id:
                args[place] = value
                return
        raise RuntimeError(f"script {script_name} has no control with elem_id {arg_elem_id}")

    # -- the page -----------------------------------------------------------------------------------------------------------

    def before_component(self, component: Any, **keywords: Any) -> None:
        self._component("before", component, **keywords)

    def after_component(self, component: Any, **keywords: Any) -> None:
        self._component("after", component, **keywords)

    def _component(self, kind: str, component: Any, **keywords: Any) -> None:
        table = self.on_before_component_elem_id if kind == "before" else self.on_after_component_elem_id
        for callback, script in table.get(keywords.get("elem_id") or "", ()):
            with _guarded(script.filename or "", f"on_{kind}_component"):
                callback(OnComponent(component=component))
        method = f"{kind}_component"
        for script in self.ordered_scripts(method):
            with _guarded(script.filename or "", method):
                getattr(script, method)(component, **keywords)


def _args_of(script: Script, p: Any) -> Sequence[Any]:
    return (p.script_args or ())[script.args_from : script.args_to] if script.args_from is not None else ()



@contextmanager
def _guarded(file: str, place: str, p: Any = None, title: str = "") -> Iterator[None]:
    """What a script raises is noted under its name, in the job's comments too, and the job goes on."""

    def note(error: BaseException) -> None:
        where = f"{os.path.basename(file)}, {place}"
        if is_occupied():
            host = current().extensions
            host.troubles.note(host.owner_of(file), where, error)
        else:
            log.error("%s failed", where, exc_info=error)
        if p is not None:
            p.comment(f"The script {title or file} failed ({place}) and was passed over: {sentence_of(error)}")

    if p is None and is_occupied():     # a start that ends in here was ended by this script
        host = current().extensions
        host.entering(host.owner_of(file))
    with contained(note):
        yield
