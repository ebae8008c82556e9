"""A1111's ``modules.sd_disable_initialization``: within these, modules were made without values, which spares time; here they are made as always."""
from contextlib import contextmanager

from modules.a1111.stubs import stubbed


@contextmanager
def DisableInitialization(disable_clip=True):
    yield


@contextmanager
def InitializeOnMeta():
    yield


@contextmanager
def LoadStateDictOnMeta(state_dict, device, weight_dtype_conversion=None):
    yield


__getattr__ = stubbed(__name__, "ReplaceHelper")
