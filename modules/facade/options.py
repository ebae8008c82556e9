"""A1111's ``modules.options``."""
from modules.a1111.option_info import OptionHTML, OptionInfo, options_section
from modules.a1111.options import Options
from modules.a1111.shared_values import OptionsCategories, OptionsCategory, categories
