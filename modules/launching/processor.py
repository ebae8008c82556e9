"""What NumPy and torch must find in the environment where NumPy's matrix products are the quicker ones: ``modules/compute/products.py`` uses them then."""
from __future__ import annotations

import sys
from collections.abc import Container, MutableMapping
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",    # of NumPy's products: they are shared out between threads before
    "GOMP_SPINCOUNT": "10000",      # of torch's threads: idle ones soon leave their core to those
}
VARIABLE, CHOICE = "WEBUI_PRODUCTS", "numpy"


def set_processor_environment(environ: MutableMapping[str, str], cpu_info: str, imported: Container[str] = sys.modules) -> None:
    """Choose NumPy's products on an AMD processor under Linux, where that was measured. Left alone: what is read already, and whoever chose otherwise.

    cpu_info: as ``read_cpu_info``.
    """
    is_amd = any(line.startswith("vendor_id") and "AuthenticAMD" in line for line in cpu_info.splitlines())
    if not is_amd or VARIABLE in environ or "numpy" in imported or "torch" in imported:
        return
    if all(environ.setdefault(name, value) == value for name, value in ENVIRONMENT.items()):
        environ[VARIABLE] = CHOICE


def read_cpu_info() -> str:
    """What Linux says about the processor; nothing elsewhere."""
    try:
        return CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
