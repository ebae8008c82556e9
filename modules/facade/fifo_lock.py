"""A1111's ``modules.fifo_lock``."""
from modules.a1111.queued_calls import FIFOLock
