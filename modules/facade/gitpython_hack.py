"""A1111's ``modules.gitpython_hack``: GitPython's own classes, which need no mending any more. It is installed where an extension imports it."""
from importlib import import_module

from modules.a1111.stubs import UNKNOWN, stubbed

def _of_gitpython(name):
    try:
        return getattr(import_module("git"), name) if name in ("Git", "Repo") else UNKNOWN
    except ImportError:
        return UNKNOWN

__getattr__ = stubbed(__name__, "Git Repo", _of_gitpython)
