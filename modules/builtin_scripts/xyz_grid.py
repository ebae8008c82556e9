"""X/Y/Z plot: a sheet of pictures that differ along two or three axes. Extensions find this module by its name and append axes."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

from modules.a1111.infotexts import create_infotext
from modules.a1111.patch_points import looked_up
from modules.a1111.process_images import fix_seed, get_fixed_seed, process_images
from modules.a1111.processed import Processed
from modules.a1111.running import RunningWork, running_work
from modules.a1111.script import Script as ScriptBase
from modules.a1111.script_pictures import save_grid, setting
from modules.a1111.state import state
from modules.builtin_scripts.xyz.axes import (  # noqa: F401  # extensions take these names from here
    AxisOption,
    AxisOptionImg2Img,
    AxisOptionTxt2Img,
    apply_checkpoint,
    apply_face_restore,
    apply_field,
    apply_order,
    apply_override,
    apply_prompt,
    apply_size,
    apply_styles,
    apply_uni_pc_order,
    apply_vae,
    axis_options,
    boolean_choice,
    confirm_checkpoints,
    confirm_checkpoints_or_none,
    confirm_samplers,
    do_nothing,
    find_vae,
    format_nothing,
    format_remove_path,
    format_value,
    format_value_add_label,
    format_value_join_list,
)
from modules.builtin_scripts.xyz.controls import FILL as fill_values_symbol  # noqa: F401
from modules.builtin_scripts.xyz.controls import build_controls
from modules.builtin_scripts.xyz.plots_of_others import (  # noqa: F401
    SharedSettingsStackHelper,
    confirm_range,
    csv_string_to_list_strip,
    draw_xyz_grid,
    re_range,
    re_range_count,
    re_range_count_float,
    re_range_float,
)
from modules.builtin_scripts.xyz.sheet import Cells, Labels, Place, sheets
from modules.builtin_scripts.xyz.values import joined, split_values, str_permutations, typed_values  # noqa: F401
from modules.builtin_scripts.xyz.values import joined as list_to_csv_string  # noqa: F401
from modules.schema.errors import InvalidValue, WebuiError

log = logging.getLogger(__name__)
SEEDS = ("Seed", "Var. seed")
NAMES = ("X", "Y", "Z")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a plot: values are as its option takes them, text is what was typed or chosen."""

    option: AxisOption
    values: list[Any]
    text: str = ""

    @property
    def is_used(self) -> bool:
        return self.option.label != "Nothing"


class AxisInfo(NamedTuple):
    """An axis as extensions find it in ``state.xyz_plot_x`` and its like while a plot is drawn, and after it."""

    axis: AxisOption
    values: list[Any]


class Script(ScriptBase):
    def title(self) -> str:
        return "X/Y/Z plot"

    def offered(self) -> list[AxisOption]:
        """The axes of this tab, extensions' too; where a script was read again the newest of each, where it is gone none."""
        here = [option for option in axis_options if option.is_img2img is None or option.is_img2img == self.is_img2img]
        return list({(option.label, option.file): option for option in here if not option.file.endswith(".py") or os.path.exists(option.file)}.values())

    def ui(self, is_img2img: bool) -> list[Any]:
        self.current_axis_options = self.offered()
        return build_controls(self, self.current_axis_options)

    def run(
        self, p: Any, x_type: Any, x_values: str, x_dropdown: Any, y_type: Any, y_values: str, y_dropdown: Any, z_type: Any, z_values: str, z_dropdown: Any,
        legend: bool, include_pictures: bool, include_sheets: bool, keep_random: bool, vary_x: bool, vary_y: bool, vary_z: bool, margin: float,
        csv_mode: bool,
    ) -> Processed:
        work = running_work()
        assert work is not None
        if not keep_random:
            fix_seed(p)
        if not setting(p, "return_grid"):
            p.batch_size = 1
        typed = ((x_type, x_values, x_dropdown), (y_type, y_values, y_dropdown), (z_type, z_values, z_dropdown))
        axes = self._axes(p, typed, csv_mode=bool(csv_mode))
        if not keep_random:
            for axis in axes:
                if axis.option.label in SEEDS:
                    axis.values[:] = [get_fixed_seed(value) for value in axis.values]
        cells = Cells((len(axes[0].values), len(axes[1].values), len(axes[2].values)))
        self._check_size(p, cells, setting(p, "img_max_size_mp"))
        state.job_count = len(cells.places) * p.n_iter
        state.xyz_plot_x, state.xyz_plot_y, state.xyz_plot_z = (AxisInfo(axis.option, axis.values) for axis in axes)
        plot = _Plot(p, work, axes, cells, (bool(vary_x), bool(vary_y), bool(vary_z)), keep_random=bool(keep_random), title=self.title())
        plot.run()
        return plot.answer(legend=bool(legend), margin=int(margin), pictures=bool(include_pictures), sub_sheets=bool(include_sheets))

    def check_request(self, p: Any, settings: Any, *args: Any) -> None:
        """What is wrong with the axes, and a sheet too large, is said when the plot is asked for."""
        try:
            axes = self._axes(p, (args[0:3], args[3:6], args[6:9]), csv_mode=bool(args[-1]))
        except WebuiError:
            raise
        except Exception:       # an extension's axis, which may need the running job: it will speak for itself then
            return
        self._check_size(p, Cells((len(axes[0].values), len(axes[1].values), len(axes[2].values))), settings.get("img_max_size_mp"))

    def _axes(self, p: Any, typed: Sequence[Sequence[Any]], *, csv_mode: bool) -> list[Axis]:
        return [self._axis(p, *each, csv_mode=csv_mode) for each in typed]

    def _axis(self, p: Any, kind: Any, text: str, chosen: Any, *, csv_mode: bool) -> Axis:
        option = self._option(kind)
        if option.label == "Nothing":
            return Axis(option=option, values=[0])
        if option.choices and not csv_mode and chosen:
            texts: Sequence[Any] = list(chosen) if isinstance(chosen, list | tuple) else [chosen]
            text = joined(texts)
        elif option.prepare is not None:
            texts = option.prepare(text)
        else:
            texts = split_values(text or "", blanks=option.type is str and not option.choices)      # "cat,,dog": Prompt S/R leaves the word out
        values = typed_values(option.label, option.type, texts)
        if not values:
            raise InvalidValue(f"The axis {option.label} has no values.", "Write some, or choose Nothing.", field="script_args")
        if option.confirm is not None:
            option.confirm(p, values)
        return Axis(option=option, values=values, text=text)

    def _option(self, kind: Any) -> AxisOption:
        """By its place in the list, as A1111's clients send it, or by its label."""
        options = self.offered()
        if isinstance(kind, str) and not kind.isdigit():
            found = next((option for option in options if option.label.lower() == kind.lower()), None)
            if found is None:
                raise InvalidValue(f"X/Y/Z plot has no axis {kind[:60]!r} here.", f"There are: {', '.join(each.label for each in options)}.",
                                   field="script_args")
            return found
        place = int(kind or 0)
        if not 0 <= place < len(options):
            raise InvalidValue(f"X/Y/Z plot has {len(options)} axes here; there is no number {place}.", field="script_args")
        return options[place]

    def _check_size(self, p: Any, cells: Cells, most: float) -> None:
        """Before the first picture, not after the last."""
        megapixels = round(len(cells.places) * p.width * p.height / 1_000_000)
        if megapixels > most:
            raise InvalidValue(
                f"The sheet of {' x '.join(map(str, cells.size))} pictures would have {megapixels} megapixels; the settings allow {most:g}.",
                "Use fewer values or a smaller size, or raise Settings > Saving images/grids > Maximum image size.", field="script_args")


class _Plot:
    """One plot at work."""

    def __init__(self, p: Any, work: RunningWork, axes: list[Axis], cells: Cells, vary: tuple[bool, bool, bool], *, keep_random: bool, title: str) -> None:
        self.p, self.work, self.axes, self.cells, self.vary = p, work, axes, cells, vary
        self.keep_random, self.title = keep_random, title
        self.whole_text = ""
        self.texts: dict[int, str] = {}

    def run(self) -> None:
        """All cells; the dearest axis changes least often. An interrupt leaves the rest out."""
        by_cost = sorted(range(3), key=lambda n: self.axes[n].option.cost, reverse=True)
        order = sorted(self.cells.places, key=lambda place: [place[n] for n in (*by_cost,)]) if self.axes[by_cost[0]].option.cost else self.cells.places
        for place in order:
            if self.work.stopped:
                break
            made = self._cell(place)
            if made is not None and made.images:
                self.cells.made[place] = made

    def _cell(self, place: Place) -> Processed | None:
        """One cell; one that fails is named and stays blank."""
        pc = copy(self.p)
        pc.styles, pc.override_settings = list(self.p.styles), dict(self.p.override_settings)
        pc.extra_generation_params, pc.own_params = dict(self.p.extra_generation_params), set()
        try:
            for axis, n in zip(self.axes, place):
                axis.option.apply(pc, axis.values[n], axis.values)
            pc.seed = self._seed(pc.seed, place)
            processed = process_images(pc)
            self._note_texts(pc, place)
        except (WebuiError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            if self.work.cancel.interrupted:
                return None
            log.exception("a cell of the plot failed")
            values = ", ".join(f"{axis.option.label}: {axis.values[n]}" for axis, n in zip(self.axes, place) if axis.is_used)
            self.p.comment(f"The picture for {values} could not be made: {error}")
            return None
        return processed

    def _seed(self, seed: Any, place: Place) -> Any:
        if not any(self.vary) or not isinstance(seed, int):
            return seed
        step = 1
        for n, varies in enumerate(self.vary):
            if varies:
                seed += place[n] * step
                step *= self.cells.size[n]
        return seed

    def _note_texts(self, pc: Any, place: Place) -> None:
        """The text of a sheet is its first picture's, and tells how the sheet is made; that of the whole tells of z too."""
        if place[:2] == (0, 0):
            self.texts[place[2]] = self._text(pc, self.axes[:2])
        if not self.whole_text:                 # the first cell's, or where it failed that of the first that was made
            self.whole_text = self._text(pc, self.axes)

    def _text(self, pc: Any, axes: Sequence[Axis]) -> str:
        pc.extra_generation_params = params = {**pc.extra_generation_params, "Script": self.title}
        for name, axis in zip(NAMES, axes):
            if axis.is_used:
                params[f"{name} Type"] = axis.option.label
                params[f"{name} Values"] = axis.text
                if axis.option.label in SEEDS and not self.keep_random:
                    params[f"Fixed {name} Values"] = ", ".join(map(str, axis.values))
        return looked_up("modules.processing", "create_infotext", create_infotext)(pc, pc.all_prompts, pc.all_seeds, pc.all_subseeds)

    def answer(self, *, legend: bool, margin: int, pictures: bool, sub_sheets: bool) -> Processed:
        """The sheets first, then what else is wanted."""
        p, first = self.p, self.cells.first()
        names = Labels(**{name.lower(): [str(axis.option.format_value(p, axis.option, value)) for value in axis.values] for name, axis in zip(NAMES, self.axes)})
        made = sheets(p, self.cells, names, legend=legend, margin=margin)
        if made is None or first is None:
            return Processed(p, [], p.seed, "")
        whole, subs = made
        text = self.whole_text or first.infotexts[0]
        images, infotexts = [whole], [text]
        save_grid(p, images[0], text, name="xyz_grid", prompt=first.prompt, seed=first.seed)
        if sub_sheets:
            for z, sub in enumerate(subs):              # the only one shows what the whole shows: as in A1111, but one file
                if len(subs) > 1:
                    save_grid(p, sub, self.texts.get(z, text), name="xyz_grid", prompt=first.prompt, seed=first.seed)
                images.append(sub)
                infotexts.append(self.texts.get(z, text))
        sheets_shown = len(images)
        cells = [self.cells.made[place] for place in self.cells.places if place in self.cells.made]
        if pictures:
            images += [each.images[0] for each in cells]
            infotexts += [each.infotexts[0] for each in cells]
        answer = copy(first)                        # in what is one for all cells A1111 describes the first of them
        answer.images, answer.infotexts, answer.info, answer.index_of_first_image = images, infotexts, text, sheets_shown
        answer.all_prompts, answer.all_negative_prompts = [each.prompt for each in cells], [each.negative_prompt for each in cells]
        answer.all_seeds, answer.all_subseeds = [each.seed for each in cells], [each.subseed for each in cells]
        answer.extra_images, answer.comments = [], "".join(f"{comment}\n" for comment in p.comments)
        return answer
