"""A1111's ``modules.torch_utils``."""
from modules.a1111.device_names import float64, get_param
