"""The house. A1111's module names live in ``facade/``; putting it on the package path lets ``modules.shared`` and friends import."""
from pathlib import Path

__path__.append(str(Path(__file__).parent / "facade"))
