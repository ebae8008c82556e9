"""A1111's ``modules.ui``."""
from modules.a1111.stubs import stubbed
from modules.gradio_ui.foreign_components import FormRow, ToolButton
from modules.gradio_ui.foreign_output import create_output_panel, save_files
from modules.gradio_ui.foreign_panels import create_refresh_button, gr_show, versions_html
from modules.gradio_ui.foreign_toprow import (
    apply_styles, calc_resolution_hires, create_override_settings_dropdown, ordered_ui_categories, resize_from_to_html, send_gradio_gallery_to_image,
    update_negative_prompt_token_counter, update_token_counter,
)  # fmt: skip
from modules.gradio_ui.foreign_words import plaintext_to_html
from modules.a1111.infotext_names import image_from_url_text
from modules.a1111.queued_calls import wrap_gradio_call, wrap_gradio_gpu_call, wrap_queued_call
from modules.a1111.shared_values import paste_field_values

random_symbol = "\U0001f3b2\ufe0f"
reuse_symbol = "\u267b\ufe0f"
paste_symbol = "\u2199\ufe0f"
refresh_symbol = "\U0001f504"
save_style_symbol = "\U0001f4be"
apply_style_symbol = "\U0001f4cb"
clear_prompt_symbol = "\U0001f5d1\ufe0f"
extra_networks_symbol = "\U0001F3B4"
switch_values_symbol = "\U000021C5"
restore_progress_symbol = "\U0001F300"
detect_image_size_symbol = "\U0001F4D0"
__getattr__ = stubbed(__name__, "process_interrogate interrogate interrogate_deepbooru connect_clear_prompt setup_progressbar apply_setting create_ui create_sampler_and_steps_selection html_head setup_ui_api create_seed_inputs connect_reuse_seed visit_components css_hide_progressbar", paste_field_values)
