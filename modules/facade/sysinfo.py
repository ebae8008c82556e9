"""A1111's ``modules.sysinfo``."""
from modules.a1111.shared_values import system_info as get
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "check get_dict format_traceback format_exception get_exceptions get_environment get_argv get_torch_sysinfo get_extensions get_config get_packages checksum")
