"""A1111's ``modules.infotext_versions``."""
from modules.a1111.infotext_names import backcompat, v160, v170_tsnr, v180, v180_hr_styles
