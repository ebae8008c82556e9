"""Everything beside generation: networks, upscaling, faces, API, captions, training."""

from __future__ import annotations

from modules.schema.setting import RELOAD_PAGE, section, setting
from modules.schema.widgets import Checkbox, CheckboxGroup, Dropdown, Hidden, Number, Radio, Slider, TextArea

EXTRA_NETWORKS = section(
    "Extra Networks",
    "extra_networks",
    "sd",
    setting("extra_networks_show_hidden_directories", True, "Show hidden directories", Checkbox()),
    setting("extra_networks_dir_button_function", False, "Directory buttons select that directory exactly", Checkbox()),
    setting(
        "extra_networks_hidden_models",
        "When searched",
        "Cards of models in hidden directories",
        Radio(("Always", "When searched", "Never")),
    ),
    setting("extra_networks_default_multiplier", 1.0, "Weight written by a click on a card", Slider(0.0, 2.0, 0.01)),
    setting("extra_networks_card_width", 0, "Card width in pixels; 0 for the usual", Number(0)),
    setting("extra_networks_card_height", 0, "Card height in pixels; 0 for the usual", Number(0)),
    setting("extra_networks_card_text_scale", 1.0, "Card text scale", Slider(0.0, 2.0, 0.01)),
    setting("extra_networks_card_show_desc", True, "Show description on card", Checkbox()),
    setting("extra_networks_card_description_is_html", False, "Read card descriptions as HTML", Checkbox()),
    setting(
        "extra_networks_card_order_field",
        "Path",
        "Cards are sorted by",
        Dropdown(("Path", "Name", "Date Created", "Date Modified")),
        needs=RELOAD_PAGE,
    ),
    setting("extra_networks_card_order", "Ascending", "Cards are sorted", Dropdown(("Ascending", "Descending")), needs=RELOAD_PAGE),
    setting("extra_networks_tree_view_style", "Dirs", "Directory view of cards", Radio(("Tree", "Dirs")), needs=RELOAD_PAGE),
    setting("extra_networks_tree_view_default_enabled", True, "Directory view open at first", Checkbox(), needs=RELOAD_PAGE),
    setting("extra_networks_tree_view_default_width", 180, "Width of the directory view in pixels", Number(0), needs=RELOAD_PAGE),
    setting("extra_networks_add_text_separator", " ", "Text put before an inserted network", TextArea()),
    setting("ui_extra_networks_tab_reorder", "", "Extra networks tab order", TextArea(), needs=RELOAD_PAGE),
    setting("textual_inversion_print_at_load", False, "List embeddings in the console when a model is loaded", Checkbox()),
    setting("textual_inversion_add_hashes_to_infotext", True, "Embedding hashes in infotext", Checkbox()),
    setting("sd_hypernetwork", "None", "Add hypernetwork to prompt", Dropdown("hypernetworks", first=("None",))),
    setting("sd_lora", "None", "Add network to prompt", Dropdown("loras", first=("None",))),
    setting("lora_preferred_name", "Alias from file", "Name that a LoRA card inserts", Radio(("Alias from file", "Filename"))),
    setting("lora_add_hashes_to_infotext", True, "LoRA hashes in infotext", Checkbox()),
    setting("lora_bundled_ti_to_infotext", True, "Embeddings inside a LoRA among the embedding hashes", Checkbox()),
    setting("lora_show_all", False, "List LoRAs of other model families too", Checkbox()),
    setting("lora_hide_unknown_for_versions", (), "Hide LoRAs of unknown family for", CheckboxGroup(("SD1", "SD2", "SDXL"))),
    setting("lora_in_memory_limit", 0, "LoRA files kept in memory", Number(0)),
    setting("lora_not_found_warning_console", False, "Missing LoRA: warn in the console", Checkbox()),
    setting("lora_not_found_gradio_warning", False, "Missing LoRA: warn on the page", Checkbox()),
)

UPSCALING = section(
    "Upscaling",
    "upscaling",
    "postprocessing",
    setting("ESRGAN_tile", 192, "ESRGAN: tile size in pixels, 0 for none", Slider(0, 512, 16)),
    setting("ESRGAN_tile_overlap", 8, "ESRGAN: tile overlap in pixels", Slider(0, 48, 1)),
    setting(
        "realesrgan_enabled_models",
        ("R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B"),
        "Real-ESRGAN models to list before their files are here",
        CheckboxGroup(
            (
                "R-ESRGAN General 4xV3",
                "R-ESRGAN General WDN 4xV3",
                "R-ESRGAN AnimeVideo",
                "R-ESRGAN 4x+",
                "R-ESRGAN 4x+ Anime6B",
                "R-ESRGAN 2x+",
            )
        ),
    ),
    setting("dat_enabled_models", ("DAT x2", "DAT x3", "DAT x4"), "DAT models to list before their files are here", CheckboxGroup(("DAT x2", "DAT x3", "DAT x4"))),
    setting("DAT_tile", 192, "DAT: tile size in pixels, 0 for none", Slider(0, 512, 16)),
    setting("DAT_tile_overlap", 8, "DAT: tile overlap in pixels", Slider(0, 48, 1)),
    setting(
        "upscaler_for_img2img",
        None,
        "Upscaler for img2img",
        Dropdown("upscalers"),
        description="Upscaler used when img2img enlarges its input",
    ),
    setting("set_scale_by_when_changing_upscaler", False, "Take the scale from the upscaler's name", Checkbox()),
    setting("SCUNET_tile", 256, "ScuNET: tile size in pixels, 0 for none", Slider(0, 512, 16)),
    setting("SCUNET_tile_overlap", 8, "ScuNET: tile overlap in pixels", Slider(0, 64, 1)),
    setting("SWIN_tile", 192, "SwinIR: tile size in pixels", Slider(16, 512, 16)),
    setting("SWIN_tile_overlap", 8, "SwinIR: tile overlap in pixels", Slider(0, 48, 1)),
    setting("SWIN_torch_compile", False, "SwinIR: use torch.compile", Checkbox()),
    setting("ldsr_steps", 100, "LDSR: steps", Slider(1, 200, 1)),
    setting("ldsr_cached", False, "LDSR: keep the model in memory", Checkbox()),
)

FACE_RESTORATION = section(
    "Face restoration",
    "face-restoration",
    "postprocessing",
    setting("face_restoration", False, "Restore faces", Checkbox(), infotext="Face restoration", description="On every result."),
    setting("face_restoration_model", "CodeFormer", "Face restoration model", Radio("face_restorers")),
    setting(
        "code_former_weight", 0.5, "CodeFormer weight", Slider(0.0, 1.0, 0.01), description="0 is the strongest effect, 1 the weakest."
    ),
    setting("face_restoration_unload", False, "Move the face restoration model to RAM after use", Checkbox()),
)

POSTPROCESSING = section(
    "Postprocessing",
    "postprocessing",
    "postprocessing",
    setting(
        "postprocessing_enable_in_main_ui",
        (),
        "Extras operations shown on txt2img and img2img",
        Dropdown("main_operations", multiple=True),
        needs=RELOAD_PAGE,
    ),
    setting(
        "postprocessing_disable_in_extras", (), "Operations hidden in Extras", Dropdown("postprocessing_operations", multiple=True), needs=RELOAD_PAGE
    ),
    setting("postprocessing_operation_order", (), "Postprocessing operation order", Dropdown("postprocessing_operations", multiple=True)),
    setting("upscaling_max_images_in_cache", 5, "Upscaled images kept in memory", Slider(0, 10, 1)),
    setting(
        "postprocessing_existing_caption_action", "Ignore", "Action for existing captions", Radio(("Ignore", "Keep", "Prepend", "Append"))
    ),
)

API = section(
    "API",
    "API",
    "system",
    setting("api_enable_requests", True, "API may fetch input images by http(s)", Checkbox()),
    setting("api_forbid_local_requests", True, "API may not fetch from local addresses", Checkbox()),
    setting("api_useragent", "", "User agent of those requests", TextArea()),
)

INTERROGATE = section(
    "Interrogate",
    "interrogate",
    "postprocessing",
    setting("interrogate_keep_models_in_memory", False, "Keep interrogation models on the device", Checkbox()),
    setting("interrogate_return_ranks", False, "Show scores of tags", Checkbox()),
    setting("interrogate_clip_num_beams", 1, "BLIP: beams", Slider(1, 16, 1)),
    setting("interrogate_clip_min_length", 24, "BLIP: shortest description", Slider(1, 128, 1)),
    setting("interrogate_clip_max_length", 48, "BLIP: longest description", Slider(1, 256, 1)),
    setting("interrogate_clip_dict_limit", 1500, "CLIP: lines read per category; 0 for all", Number(0)),
    setting("interrogate_clip_skip_categories", (), "CLIP: categories left out", CheckboxGroup("interrogate_categories")),
    setting("interrogate_deepbooru_score_threshold", 0.5, "DeepBooru: score threshold", Slider(0.0, 1.0, 0.01)),
    setting("deepbooru_sort_alpha", True, "DeepBooru: sort tags by alphabet", Checkbox()),
    setting("deepbooru_use_spaces", True, "DeepBooru: spaces in tags", Checkbox()),
    setting("deepbooru_escape", True, "DeepBooru: escape brackets", Checkbox()),
    setting("deepbooru_filter_tags", "", "DeepBooru: tags left out, separated by commas", TextArea()),
)

TRAINING = section(
    "Training",
    "training",
    "training",
    setting("unload_models_when_training", False, "Move VAE and text encoder to RAM while training", Checkbox()),
    setting("pin_memory", False, "Pinned memory for training data", Checkbox()),
    setting("save_optimizer_state", False, "Save the optimizer state beside the embedding", Checkbox()),
    setting("save_training_settings_to_txt", True, "Write training settings to a text file", Checkbox()),
    setting("dataset_filename_word_regex", "", "Filename word regex", TextArea(), description="Words taken from dataset file names"),
    setting("dataset_filename_join_string", " ", "Filename join string", TextArea()),
    setting("training_image_repeats_per_epoch", 1, "Repeats of an image per epoch; for display", Number(0)),
    setting("training_write_csv_every", 500, "Steps between lines of the loss file; 0 for none", Number(0)),
    setting("training_xattention_optimizations", False, "Attention optimisation while training", Checkbox()),
    setting("training_enable_tensorboard", False, "Write a tensorboard log", Checkbox()),
    setting("training_tensorboard_save_images", False, "Images in the tensorboard log", Checkbox()),
    setting("training_tensorboard_flush_every", 120, "Seconds between writes of the tensorboard log", Number(0)),
)

HIDDEN_OPTIONS = section(
    "Hidden options",
    "",
    "",
    setting("disabled_extensions", (), "Disabled extensions", Hidden()),
    setting("disable_all_extensions", "none", "Extensions disabled altogether", Hidden()),
    setting("restore_config_state_file", "", "Extension state to restore at the next start", Hidden()),
    setting("sd_checkpoint_hash", "", "Hash of the current checkpoint", Hidden()),
)

SECTIONS = (EXTRA_NETWORKS, UPSCALING, FACE_RESTORATION, POSTPROCESSING, API, INTERROGATE, TRAINING, HIDDEN_OPTIONS)
