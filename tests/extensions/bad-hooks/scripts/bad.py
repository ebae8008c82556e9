"""Each hook misbehaves in another way."""
import sys

from modules import script_callbacks, scripts, shared


def fails(*_, **__):
    raise ValueError("broken on purpose")


script_callbacks.on_ui_tabs(lambda: "junk")
script_callbacks.on_ui_tabs(lambda: [("no blocks", "Title", "bad_tab")])
script_callbacks.on_ui_settings(fails)
script_callbacks.on_before_ui(lambda: sys.exit(1))
script_callbacks.on_app_started(fails)
script_callbacks.on_after_component(fails)
script_callbacks.on_model_loaded(fails)
shared.opts.add_option("bad_choice", shared.OptionInfo("a", "Bad", None, lambda: {}["absent"], section=("bad", "Bad")))


class Bad(scripts.Script):
    def title(self):
        return "Bad"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        raise ValueError("broken on purpose")
