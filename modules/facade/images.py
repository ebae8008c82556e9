"""A1111's ``modules.images``."""
import re
import string

from PIL import Image

from modules.a1111.picture_files import (
    FilenameGenerator, Grid, GridAnnotation, combine_grid, draw_grid_annotations, draw_prompt_matrix, fix_image, fix_png_transparency, flatten,
    get_next_sequence_number, get_sampler_scheduler_str, get_scheduler_str, image_data, image_grid, read, read_info_from_image, resize_image, sanitize_filename_part, save_image,
    save_image_with_geninfo, split_grid,
)  # fmt: skip
from modules.a1111.shared_values import get_font
from modules.a1111.stubs import stubbed
from modules.imaging.filenames import NOTHING

LANCZOS = Image.Resampling.LANCZOS
invalid_filename_chars = '#<>:"/\\|?*\n\r\t'
invalid_filename_prefix = " "
invalid_filename_postfix = " ."
max_filename_part_length = 128
re_nonletters = re.compile(r"[\s" + string.punctuation + "]+")
NOTHING_AND_SKIP_PREVIOUS_TEXT = NOTHING
