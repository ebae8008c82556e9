"""A1111's ``modules.masking``."""
from modules.a1111.picture_files import expand_crop_region, expand_too_small_crop_region, fill, get_crop_region, get_crop_region_v2
