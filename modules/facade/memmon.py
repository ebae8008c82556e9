"""A1111's ``modules.memmon``."""
from modules.a1111.shared_values import MemUsageMonitor
