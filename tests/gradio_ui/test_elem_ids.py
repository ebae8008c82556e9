"""A1111's elem_ids: by them extensions, user styles and bookmarklets find their way about the page."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import gradio as gr
import pytest

from tests.golden.cases import a1111_said

ENOUGH = 0.95

# Ids that this page does not have, and why.
REASONS = {
    "fields of a card's dialog: made when it is opened": r"checpoint_edit_user_metadata",
    "there once the user wants settings on the tab": r"extra_options_(txt|img)2img",
    "a picture is dropped on the prompt itself": r"(txt|img)2img_prompt_image",
    "Gradio 3's slider trick and a hidden button behind Resize by": r"img2img_unused_scale_by_slider|img2img_update_resize_to",
    "there for what extensions register, and here are none": r"settings_callbacks|column_settings_callbacks|setting_prioritized_callbacks_",
    "X/Y/Z plot stands on both tabs: its rows have no id": r"axis_options",
    "the Extensions tab is one page": r"tabs_extensions$",
    "a list of boxes needs no button to look again": r"refresh_interrogate_clip_skip_categories",
    "hashes are computed one after the other": r"calculate_all_checkpoint_hash_threads",
    "a script adds it, as the last thing of the page": r"settings_json$",
}


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """All ids of a page with its scripts: of components and in our own HTML."""
    from modules.a1111.script_host import install_scripts
    from modules.application.build import build_app
    from modules.gradio_ui.build import build_ui
    from modules.schema.flags import parse_flags

    app = build_app(parse_flags(["--data-dir", str(tmp_path_factory.mktemp("ids"))], {}).flags)
    install_scripts(app, gr.Blocks)
    page = build_ui(app)
    components = page.get_config_file()["components"]
    found = [each["props"]["elem_id"] for each in components if each["props"].get("elem_id")]
    found += re.findall(r' id="([^"]+)"', " ".join([*(str(each["props"].get("value")) for each in components if each["type"] == "html"), *page.pieces.values()]))
    yield found
    app.close()


def test_a1111s_elem_ids_are_there_or_listed_with_a_reason(ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    elements = a1111_said("ui-elem-ids")["elements"]
    wanted = list(dict.fromkeys(each["elem_id"] for each in elements))
    missing = [each for each in wanted if each not in set(ids)]
    share = 1 - len(missing) / len(wanted)
    reasons = Counter(reason for each in missing for reason, pattern in REASONS.items() if re.match(pattern, each))
    with capsys.disabled():
        print(f"\nA1111's elem_ids in the page: {len(wanted) - len(missing)} of {len(wanted)}, {share:.1%}. Missing:")
        for reason, count in reasons.most_common():
            print(f"  {count:3} {reason}")
    assert [each for each in missing if not any(re.match(pattern, each) for pattern in REASONS.values())] == []
    assert share >= ENOUGH


def test_no_id_stands_twice(ids: list[str]) -> None:
    repeated = {each for each, times in Counter(ids).items() if times > 1}
    assert repeated <= {"script_list", "xyz_grid_fill_x_tool_button", "xyz_grid_fill_y_tool_button", "xyz_grid_fill_z_tool_button", "axis_options", "swap_axes",
                        "xy_grid_swap_axes_button", "yz_grid_swap_axes_button", "xz_grid_swap_axes_button"}   # A1111 has these on both tabs, too
