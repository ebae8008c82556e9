from hooks_library import calls
from scripts.third import VALUE  # the namespace package

from modules import script_callbacks

calls.append(("loaded", __name__, VALUE))
script_callbacks.on_before_ui(lambda: calls.append(("before_ui", "second")))
