"""A1111's ``modules.ui_common``."""
from modules.gradio_ui.foreign_panels import (
    OutputPanel, create_output_panel, create_refresh_button, folder_symbol, infotext_to_html, open_folder, plaintext_to_html, refresh_symbol, save_files,
    setup_dialog, update_generation_info, update_logfile,
)  # fmt: skip
