"""The page: prompts, gallery, layout, infotext, live previews, canvas."""

from __future__ import annotations

from modules.schema.setting import RELOAD_PAGE, section, setting
from modules.schema.widgets import Checkbox, CheckboxGroup, Dropdown, Number, Radio, Slider, TextArea

UI_PROMPT_EDITING = section(
    "Prompt editing",
    "ui_prompt_editing",
    "ui",
    setting("keyedit_precision_attention", 0.1, "Ctrl+Up/Down step for (word:1.1)", Slider(0.01, 0.2, 0.001)),
    setting("keyedit_precision_extra", 0.05, "Ctrl+Up/Down step for <lora:name:0.9>", Slider(0.01, 0.2, 0.001)),
    setting("keyedit_delimiters", ".,\\/!?%^*;:{}=`~() ", "Characters between words for Ctrl+Up/Down", TextArea()),
    setting(
        "keyedit_delimiters_whitespace",
        ("Tab", "Carriage Return", "Line Feed"),
        "White space between words for Ctrl+Up/Down",
        CheckboxGroup(("Tab", "Carriage Return", "Line Feed")),
    ),
    setting("keyedit_move", True, "Alt+Left/Right moves parts of the prompt", Checkbox()),
    setting("disable_token_counters", False, "Hide token counters", Checkbox()),
    setting("include_styles_into_token_counters", True, "Count the styles' tokens too", Checkbox()),
)

UI_GALLERY = section(
    "Gallery",
    "ui_gallery",
    "ui",
    setting("return_grid", True, "Show grid in gallery", Checkbox()),
    setting("do_not_show_images", False, "No pictures in the gallery", Checkbox()),
    setting("js_modal_lightbox", True, "Open a picture on the full page", Checkbox()),
    setting("js_modal_lightbox_initially_zoomed", True, "Zoomed in when opened", Checkbox()),
    setting("js_modal_lightbox_gamepad", False, "Gamepad moves through the pictures", Checkbox()),
    setting("js_modal_lightbox_gamepad_repeat", 250, "Gamepad repeat time, ms", Number(0)),
    setting("sd_webui_modal_lightbox_icon_opacity", 1.0, "Opacity of the viewer's icons", Slider(0.0, 1.0, 0.01), needs=RELOAD_PAGE),
    setting("sd_webui_modal_lightbox_toolbar_opacity", 0.9, "Opacity of the viewer's bar", Slider(0.0, 1.0, 0.01), needs=RELOAD_PAGE),
    setting("gallery_height", "", "Gallery height", TextArea(), needs=RELOAD_PAGE, description="A CSS length; empty for the usual."),
    setting(
        "open_dir_button_choice",
        "Subdirectory",
        "What the folder button opens",
        Radio(("Output Root", "Subdirectory", "Subdirectory (even temp dir)")),
    ),
)

UI_ALTERNATIVES = section(
    "UI alternatives",
    "ui_alternatives",
    "ui",
    setting(
        "compact_prompt_box",
        False,
        "Compact prompt layout",
        Checkbox(),
        needs=RELOAD_PAGE,
        description="Prompts stand inside the Generation tab.",
    ),
    setting("samplers_in_dropdown", True, "Samplers in a dropdown, not as buttons", Checkbox(), needs=RELOAD_PAGE),
    setting("dimensions_and_batch_together", True, "Size and batch in one row", Checkbox(), needs=RELOAD_PAGE),
    setting("sd_checkpoint_dropdown_use_short", False, "Checkpoint names without folders and endings", Checkbox()),
    setting("hires_fix_show_sampler", False, "Hires fix: show checkpoint and sampler", Checkbox(), needs=RELOAD_PAGE),
    setting("hires_fix_show_prompts", False, "Hires fix: show prompts", Checkbox(), needs=RELOAD_PAGE),
    setting("txt2img_settings_accordion", False, "Fold the txt2img settings", Checkbox(), needs=RELOAD_PAGE),
    setting("img2img_settings_accordion", False, "Fold the img2img settings", Checkbox(), needs=RELOAD_PAGE),
    setting("interrupt_after_current", True, "Interrupt waits for the current image", Checkbox()),
)

UI = section(
    "User interface",
    "ui",
    "ui",
    setting("localization", "None", "Localization", Dropdown("localizations", first=("None",)), needs=RELOAD_PAGE),
    setting(
        "quicksettings_list",
        ("sd_model_checkpoint",),
        "Quicksettings list",
        Dropdown("settings", multiple=True),
        needs=RELOAD_PAGE,
        description="Settings shown at the top of the page.",
    ),
    setting("ui_tab_order", (), "UI tab order", Dropdown("tabs", multiple=True), needs=RELOAD_PAGE),
    setting("hidden_tabs", (), "Hidden UI tabs", Dropdown("tabs", multiple=True), needs=RELOAD_PAGE),
    setting(
        "ui_reorder_list", (), "Order of parts on txt2img and img2img", Dropdown("generation_blocks", multiple=True), needs=RELOAD_PAGE
    ),
    setting("gradio_theme", "Default", "Gradio theme", Dropdown("themes", first=("Default",)), needs=RELOAD_PAGE),
    setting("gradio_themes_cache", True, "Keep themes on disk", Checkbox()),
    setting("show_progress_in_title", True, "Progress in the window title", Checkbox()),
    setting("send_seed", True, "Send-to carries the seed", Checkbox()),
    setting("send_size", True, "Send-to carries the size", Checkbox()),
    setting("enable_reloading_ui_scripts", False, "Reload UI loads the page's code again too", Checkbox()),
)

INFOTEXT = section(
    "Infotext",
    "infotext",
    "ui",
    setting("enable_pnginfo", True, "Write infotext into image files", Checkbox()),
    setting("save_txt", False, "Write infotext to a text file beside each image", Checkbox()),
    setting("add_model_name_to_info", True, "Model name in infotext", Checkbox()),
    setting("add_model_hash_to_info", True, "Model hash in infotext", Checkbox()),
    setting("add_vae_name_to_info", True, "VAE name in infotext", Checkbox()),
    setting("add_vae_hash_to_info", True, "VAE hash in infotext", Checkbox()),
    setting("add_user_name_to_info", False, "User's name in infotext", Checkbox()),
    setting("add_version_to_infotext", True, "Program version in infotext", Checkbox()),
    setting("disable_weights_auto_swap", True, "Pasting never changes the checkpoint", Checkbox()),
    setting("infotext_skip_pasting", (), "Fields that are never pasted", Dropdown("infotext_keys", multiple=True)),
    setting("infotext_styles", "Apply if any", "Text of styles in a pasted prompt", Radio(("Ignore", "Apply", "Discard", "Apply if any"))),
)

LIVE_PREVIEWS = section(
    "Live previews",
    "ui",
    "ui",
    setting("show_progressbar", True, "Show progressbar", Checkbox()),
    setting("live_previews_enable", True, "Show previews while images are made", Checkbox()),
    setting("live_previews_image_format", "png", "Live preview file format", Radio(("jpeg", "png", "webp"))),
    setting("show_progress_grid", True, "Preview of a whole batch as a grid", Checkbox()),
    setting(
        "show_progress_every_n_steps",
        10,
        "Live preview display period",
        Slider(-1, 32, 1),
        description="Steps between previews; -1 only after each batch.",
    ),
    setting("show_progress_type", "Approx NN", "Live preview method", Radio(("Full", "Approx NN", "Approx cheap", "TAESD"))),
    setting("live_preview_allow_lowvram_full", False, "Full previews even with --medvram and --lowvram", Checkbox()),
    setting("live_preview_content", "Prompt", "Live preview subject", Radio(("Combined", "Prompt", "Negative prompt"))),
    setting("live_preview_refresh_period", 1000, "Progress and preview are asked for every, ms", Number(0)),
    setting("live_preview_fast_interrupt", False, "An interrupted image is decoded by the preview method", Checkbox()),
    setting("js_live_preview_in_modal_lightbox", False, "Preview on the full page too", Checkbox()),
    setting("prevent_screen_sleep_during_generation", True, "Keep the screen awake while images are made", Checkbox()),
)

CANVAS_HOTKEY = section(
    "Canvas Hotkeys",
    "canvas_hotkey",
    "",
    setting("canvas_hotkey_zoom", "Alt", "Zoom canvas", Radio(("Shift", "Ctrl", "Alt"))),
    setting("canvas_hotkey_adjust", "Ctrl", "Adjust brush size", Radio(("Shift", "Ctrl", "Alt"))),
    setting("canvas_hotkey_shrink_brush", "Q", "Smaller brush", TextArea()),
    setting("canvas_hotkey_grow_brush", "W", "Larger brush", TextArea()),
    setting("canvas_hotkey_move", "F", "Move the canvas", TextArea()),
    setting("canvas_hotkey_fullscreen", "S", "Fit to the screen", TextArea()),
    setting("canvas_hotkey_reset", "R", "Reset zoom and position", TextArea()),
    setting("canvas_hotkey_overlap", "O", "Toggle overlap", TextArea()),
    setting("canvas_show_tooltip", True, "Help on the canvas", Checkbox()),
    setting("canvas_auto_expand", True, "Enlarge a picture that does not fit", Checkbox()),
    setting("canvas_blur_prompt", False, "Working on the canvas takes the focus off the prompt", Checkbox()),
    setting(
        "canvas_disabled_functions",
        ("Overlap",),
        "Canvas functions turned off",
        CheckboxGroup(
            (
                "Zoom",
                "Adjust brush size",
                "Hotkey enlarge brush",
                "Hotkey shrink brush",
                "Moving canvas",
                "Fullscreen",
                "Reset Zoom",
                "Overlap",
            )
        ),
    ),
)

SETTINGS_IN_UI = section(
    "Settings in UI",
    "settings_in_ui",
    "ui",
    setting("extra_options_txt2img", (), "Settings for txt2img", Dropdown("settings", multiple=True), needs=RELOAD_PAGE),
    setting("extra_options_img2img", (), "Settings for img2img", Dropdown("settings", multiple=True), needs=RELOAD_PAGE),
    setting("extra_options_cols", 1, "Columns of added settings", Slider(1, 20, 1), needs=RELOAD_PAGE),
    setting("extra_options_accordion", False, "Added settings in an accordion", Checkbox(), needs=RELOAD_PAGE),
)

SECTIONS = (UI_PROMPT_EDITING, UI_GALLERY, UI_ALTERNATIVES, UI, INFOTEXT, LIVE_PREVIEWS, CANVAS_HOTKEY, SETTINGS_IN_UI)
