"""Custom code: Python typed in the browser makes the pictures. Only where the server was started with --allow-code."""

from __future__ import annotations

import ast
import traceback
from types import CodeType
from typing import Any

from modules.a1111.places import command_line, flags
from modules.a1111.processed import Processed
from modules.a1111.running import running_work
from modules.a1111.script import Script as ScriptBase
from modules.engine.hooks import Interrupted
from modules.schema.errors import InvalidValue, WebuiError

FILE = "<custom code>"
EXAMPLE = """import modules.processing

p.steps = 10
processed = modules.processing.process_images(p)

return processed
"""


class Script(ScriptBase):
    def title(self) -> str:
        return "Custom code"

    def show(self, is_img2img: bool) -> bool:
        return flags().allow_code

    def ui(self, is_img2img: bool) -> list[Any]:
        import gradio as gr

        code = gr.Code(value=EXAMPLE, language="python", label="Python code", elem_id=self.elem_id("code"))
        indent = gr.Number(value=2, precision=0, label="Indent level", visible=False, elem_id=self.elem_id("indent_level"))
        return [code, indent]       # the second keeps the place that A1111's programs fill; code keeps its own indents here

    def check_request(self, p: Any, settings: Any, code: str = EXAMPLE, indent_level: Any = 2) -> None:
        _compiled(code)

    def run(self, p: Any, code: str = EXAMPLE, indent_level: Any = 2) -> Processed:
        work = running_work()
        if work is None or not work.app.flags.allow_code:       # a job may have waited since a start that allowed it
            raise WebuiError("This server does not run code typed in the browser.", "Start it with --allow-code.")
        shown: list[Any] = [[], -1, ""]

        def display(images: list[Any], seed: Any = -1, info: str = "") -> None:
            shown[:] = images, seed, info

        names: dict[str, Any] = {"__name__": FILE, "p": p, "display": display, "Processed": Processed, "cmd_opts": command_line()}
        try:
            exec(_compiled(code), names)
            result = names["typed"]()
        except (WebuiError, Interrupted):
            raise
        except Exception as error:
            lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == FILE]
            place = f", line {lines[-1]}" if lines else ""
            raise WebuiError(f"Custom code{place}: {type(error).__name__}: {error}", "Correct the code and generate again.") from error
        return result if isinstance(result, Processed) else Processed(p, *shown)


def _compiled(code: str) -> CodeType:
    """The code as the body of a function ``typed``: it may ``return`` what was made, as in A1111."""
    try:
        whole = ast.parse("def typed(): pass")
        function = whole.body[0]
        assert isinstance(function, ast.FunctionDef)
        function.body = [*ast.parse(str(code), FILE).body, ast.Pass()]
        return compile(ast.fix_missing_locations(whole), FILE, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InvalidValue(f"Custom code is no Python: {error}.", "Correct it and generate again.", field="script_args") from error
