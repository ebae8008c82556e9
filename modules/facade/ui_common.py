"""A1111's ``modules.ui_common``."""
from modules.a1111.infotext_names import image_from_url_text
from modules import call_queue, infotext_utils as parameters_copypaste, shared  # pyright: ignore[reportAttributeAccessIssue]
from modules.gradio_ui.foreign_components import ToolButton
from modules.gradio_ui.foreign_output import OutputPanel, create_output_panel, open_folder, save_files, update_generation_info
from modules.gradio_ui.foreign_panels import create_refresh_button, folder_symbol, refresh_symbol, setup_dialog, update_logfile
from modules.gradio_ui.foreign_words import infotext_to_html, plaintext_to_html
