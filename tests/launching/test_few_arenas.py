"""The allocator keeps few arenas, unless whoever starts the server chose otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from modules.launching.few_arenas import limit_arenas

_COUNT = """
import ctypes, os, re, sys, threading
from modules.launching.few_arenas import limit_arenas
done = limit_arenas(os.environ)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
gate = threading.Barrier(9)
def take():
    libc.malloc(2000)
    gate.wait()
for _ in range(8):
    threading.Thread(target=take).start()
gate.wait()
sys.stdout.flush()
libc.malloc_stats()
print(done, flush=True)
"""


@pytest.mark.parametrize("environ", [{"MALLOC_ARENA_MAX": "4"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"}])
def test_own_choice_stands(environ):
    assert not limit_arenas(environ, lambda *_: pytest.fail("was limited"))


def test_eight_threads_share_two_arenas():
    environ = {name: value for name, value in os.environ.items() if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    ran = subprocess.run([sys.executable, "-c", _COUNT], env=environ, capture_output=True, text=True, check=True)
    if "True" not in ran.stdout:
        pytest.skip("this system's allocator has no arenas to limit")
    assert ran.stderr.count("Arena ") == 2
