"""A1111's ``modules.textual_inversion.learn_schedule``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "LearnScheduleIterator LearnRateScheduler")
