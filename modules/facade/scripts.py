"""A1111's ``modules.scripts``."""
from modules.a1111.script import (
    AlwaysVisible, MaskBlendArgs, OnComponent, PostprocessBatchListArgs, PostprocessImageArgs, PostProcessMaskOverlayArgs, PostSampleArgs, Script,
    ScriptBuiltinUI, ScriptClassData,
)  # fmt: skip
from modules.a1111.extras_functions import runner as scripts_postproc
from modules.a1111.script_names import ScriptFile, basedir, list_files_with_name, list_scripts, script_value
from modules.a1111.app_slot import current
from modules.a1111.script_reload import reload_script_bodies
from modules.a1111.script_runner import ScriptRunner
from modules.a1111.shared_values import topological_sort
from modules.a1111.stubs import stubbed
from modules import script_callbacks  # pyright: ignore[reportAttributeAccessIssue]

postprocessing_scripts_data: list = []
__getattr__ = stubbed(__name__, "load_scripts reload_scripts wrap_call add_classes_to_gradio_component", script_value)


def reload_script_body_only() -> None:
    reload_script_bodies(current())
