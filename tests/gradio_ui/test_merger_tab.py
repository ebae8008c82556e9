"""The merger's tab without a browser: A1111's ids are there, and every field goes into the request."""
from __future__ import annotations

from dataclasses import fields

import gradio as gr

from modules.application.merging import MergeRequest
from modules.gradio_ui.choices import ChoiceSources
from modules.gradio_ui.merger_tab import EXPLAINED, MergerTab
from modules.loading.merge import METHODS
from tests.gradio_ui.conftest import BuiltPage

A1111_IDS = """tab_modelmerger modelmerger_interp_description modelmerger_models modelmerger_primary_model_name refresh_checkpoint_A
modelmerger_secondary_model_name refresh_checkpoint_B modelmerger_tertiary_model_name refresh_checkpoint_C modelmerger_custom_name
modelmerger_interp_amount modelmerger_interp_method modelmerger_checkpoint_format modelmerger_save_as_half modelmerger_config_method
modelmerger_bake_in_vae modelmerger_refresh_bake_in_vae modelmerger_discard_weights modelmerger_save_metadata modelmerger_add_recipe
modelmerger_copy_metadata modelmerger_merge modelmerger_results_container modelmerger_results_panel modelmerger_result""".split()  # noqa: SIM905


def test_a1111s_ids_are_there(page: BuiltPage) -> None:
    assert [each for each in A1111_IDS if each not in page.components] == []


def test_the_fields_are_the_requests_with_its_defaults(page: BuiltPage) -> None:
    with gr.Blocks():
        tab = MergerTab(page.app, ChoiceSources.of(page.app))
    assert set(tab.fields) == {each.name for each in fields(MergeRequest)}
    values = {name: getattr(component, "value", None) for name, component in tab.fields.items()}
    assert MergeRequest.checked(values | {"primary_model_name": "a"}) == MergeRequest(primary_model_name="a")
    assert set(EXPLAINED) == set(METHODS)


def test_a_page_that_is_opened_lists_the_files_that_came_after_the_start(page: BuiltPage) -> None:
    files: list[str] = []
    with gr.Blocks() as blocks:
        tab = MergerTab(page.app, lambda source: files)
        tab.wire(blocks, ())
    (load,) = [each.fn for each in blocks.fns.values() if each.targets == [(blocks._id, "load")]]
    files.append("late.safetensors")
    assert load is not None
    *models, vae = load()
    assert [each["choices"] for each in models] == [files] * 3 and vae["choices"] == ["None", *files]
