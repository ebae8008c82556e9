"""A1111's ``modules.lowvram``: here placement is the loader's business."""
from modules.a1111.device_names import apply, cpu, is_enabled, is_needed, send_everything_to_cpu, setup_for_low_vram

module_in_gpu = None
