"""A1111's ``modules.devices``."""
from modules.a1111.device_names import (
    NansException, autocast, cond_cast_float, cond_cast_unet, cpu, device_value, enable_tf32, first_time_calculation, get_device_for,
    get_optimal_device, get_optimal_device_name, has_mps, has_xpu, manual_cast, test_for_nans, torch_gc, without_autocast,
)  # fmt: skip
from modules.a1111.noise_names import randn, randn_like, randn_local, randn_without_seed
from modules.a1111.stubs import stubbed

fp8 = False
force_fp16 = False
__getattr__ = stubbed(__name__, "torch_npu_set_device cuda_no_autocast manual_cast_forward patch_module_type patch_module_types backend_name", device_value)
