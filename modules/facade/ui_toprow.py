"""A1111's ``modules.ui_toprow``."""
from modules.gradio_ui.foreign_toprow import Toprow
