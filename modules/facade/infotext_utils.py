"""A1111's ``modules.infotext_utils``."""
import re

from modules.a1111.infotext_names import (
    ParamBinding, PasteField, create_override_settings_dict, create_override_settings_list, get_override_settings, image_from_url_text, infotext_to_setting_name_mapping,
    parse_generation_parameters, paste_fields, paste_value, quote, registered_param_bindings, reset, restore_old_hires_fix_params, send_image_and_dimensions, unquote,
    register_paste_params_button, add_paste_fields, parametric_fields,
)  # fmt: skip
from modules.gradio_ui.param_bindings import bind_buttons, connect_paste, connect_paste_params_buttons, create_buttons
from modules.a1111.stubs import stubbed

re_param_code = r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)'
re_param = re.compile(re_param_code)
re_imagesize = re.compile(r"^(\d+)x(\d+)$")
re_hypernet_hash = re.compile(r"\(([0-9a-f]+)\)$")
type_of_gr_update = dict
__getattr__ = stubbed(__name__, "check_tabname_is_registered find_hypernetwork_key")
