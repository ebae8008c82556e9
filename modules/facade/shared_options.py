"""A1111's ``modules.shared_options``."""
from modules.a1111.option_info import OptionHTML, OptionInfo, options_section
from modules.a1111.options import opts
from modules.a1111.shared_values import categories
from modules.a1111.stubs import late_values, stubbed

__getattr__ = stubbed(__name__, "", late_values({"options_templates": lambda: opts.data_labels, "restricted_opts": lambda: opts.restricted_opts}))
