"""A1111's ``modules.xlmr_m18``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "BertSeriesConfig RobertaSeriesConfig BertSeriesModelWithTransformation RobertaSeriesModelWithTransformation")
