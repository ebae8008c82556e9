"""A1111's ``modules.script_callbacks``."""
from modules.a1111.callback_params import (
    AfterCFGCallbackParams, BeforeTokenCounterParams, CFGDenoisedParams, CFGDenoiserParams, ExtraNoiseParams, ImageGridLoopParams,
    ImageSaveParams, UiTrainTabParams,
)  # fmt: skip
from modules.a1111.callbacks import (
    add_callback, after_component_callback, app_reload_callback, app_started_callback, before_component_callback,
    before_image_saved_callback, before_token_counter_callback, before_ui_callback, cfg_after_cfg_callback, cfg_denoised_callback,
    cfg_denoiser_callback, clear_callbacks, enumerate_callbacks, extra_noise_callback, image_grid_callback, image_saved_callback,
    infotext_pasted_callback, list_optimizers_callback, list_unets_callback, model_loaded_callback, on_after_component, on_app_started,
    on_before_component, on_before_image_saved, on_before_reload, on_before_token_counter, on_before_ui, on_cfg_after_cfg,
    on_cfg_denoised, on_cfg_denoiser, on_extra_noise, on_image_grid, on_image_saved, on_infotext_pasted, on_list_optimizers,
    on_list_unets, on_model_loaded, on_script_unloaded, on_ui_settings, on_ui_tabs, on_ui_train_tabs, ordered_callbacks,
    remove_callbacks_for_function, remove_current_script_callbacks, script_unloaded_callback, ui_settings_callback,
    ui_tabs_callback, ui_train_tabs_callback,
)  # fmt: skip
from modules.a1111.shared_values import report_exception
from modules.a1111.stubs import late_values, stubbed
from modules.extension_host.registry import Callback as ScriptCallback

callback_map: dict = {}
