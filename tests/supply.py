"""``python -m tests.supply lock|sbom|audit``: what the program is made of, for a release.

lock: writes .release/requirements.lock, every package with its version and the SHA-256 of the file that this machine gets (asks the package index).
sbom: prints a bill of materials (CycloneDX 1.6, JSON) of what is installed. audit: holds what is installed against .release/advisories.json, offline.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ("requirements.txt", "requirements-alone.txt")
LOCK = ROOT / ".release" / "requirements.lock"
ADVISORIES = ROOT / ".release" / "advisories.json"
_LOCKED = re.compile(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """A known hole of a package: there below ``fixed``, gone from it on."""

    package: str
    id: str
    fixed: str
    severity: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """Why a hole does not count here. until: a date (YYYY-MM-DD) after which it has to be looked at again."""

    package: str
    id: str
    reason: str
    until: str


def requirements(root: Path = ROOT) -> list[Requirement]:
    """Ours, as their files state them; torch, which the launcher chooses, is one of them."""
    lines = (line.split("#")[0].strip() for name in REQUIREMENTS for line in (root / name).read_text(encoding="utf-8").splitlines())
    return [*(Requirement(line) for line in lines if line), Requirement("torch")]


def closure(named: Sequence[Requirement]) -> dict[str, Distribution]:
    """The installed packages that these need, with what those need, by name."""
    found: dict[str, Distribution] = {}
    waiting = list(named)
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        if name in found or (asked.marker and not asked.marker.evaluate({"extra": ""})):
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue                    # for another system, or not installed here
        waiting += [Requirement(each) for each in found[name].requires or ()]
    return dict(sorted(found.items()))


def read_advisories(path: Path = ADVISORIES) -> tuple[list[Advisory], list[Waiver]]:
    """Raises ValueError or TypeError for a file that is not of their form."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Advisory(**each) for each in content["advisories"]], [Waiver(**each) for each in content["waivers"]]


def holes(versions: Mapping[str, str], advisories: Sequence[Advisory], waivers: Sequence[Waiver], today: date) -> Iterator[str]:
    """A sentence for each known hole in these versions (name -> version) that nobody waived, and for each waiver that is over."""
    waived = {(canonicalize_name(each.package), each.id): each for each in waivers}
    for each in advisories:
        name = canonicalize_name(each.package)
        if name not in versions or Version(versions[name].partition("+")[0]) >= Version(each.fixed):
            continue
        waiver = waived.get((name, each.id))
        if waiver is None or date.fromisoformat(waiver.until) < today:
            over = f"; its waiver ended on {waiver.until}" if waiver else ""
            yield f"{each.package} {versions[name]}: {each.id} ({each.severity}): {each.what}. Fixed in {each.fixed}{over}."


def locked(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> (version, hashes) of a lock file's text."""
    return {canonicalize_name(name): (version, re.findall(r"sha256:([0-9a-f]{64})", hashes)) for name, version, hashes in _LOCKED.findall(text)}


def resolution(*asked: str) -> list[dict[str, Any]]:
    """What pip would install for these arguments, as its report tells it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", str(report), *asked], check=True)
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return found


def lock_text(resolved: Sequence[Mapping[str, Any]]) -> str:
    """The lock file for these entries of pip's installation report."""
    lines = [f"# made by `python -m tests.supply lock` on {platform.system()} {platform.machine()}, Python {'.'.join(platform.python_version_tuple()[:2])}; the packages that hold compiled code",
             "# have other files elsewhere. torch is not in it: the launcher chooses its build for the machine. Install with: pip install --require-hashes --no-deps -r .release/requirements.lock"]  # fmt: skip
    for each in sorted(resolved, key=lambda each: canonicalize_name(each["metadata"]["name"])):
        name, version = canonicalize_name(each["metadata"]["name"]), each["metadata"]["version"]
        digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}")
    return "\n".join(lines) + "\n"


def bill() -> dict[str, Any]:
    """CycloneDX 1.6: the program and every package that it runs on."""
    hashes = locked(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    components: list[dict[str, Any]] = []
    for name, each in closure(requirements()).items():
        licence = each.metadata["License-Expression"] or (each.metadata["License"] or "").split("\n")[0][:80]
        component: dict[str, Any] = {"type": "library", "bom-ref": f"pkg:pypi/{name}@{each.version}", "name": name, "version": each.version, "purl": f"pkg:pypi/{name}@{each.version}"}
        if licence:
            component["licenses"] = [{"license": {"name": licence}}]
        if name in hashes and hashes[name][0] == each.version:
            component["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in hashes[name][1]]
        components.append(component)
    program = {"type": "application", "bom-ref": "stable-diffusion-webui", "name": "stable-diffusion-webui", "licenses": [{"license": {"id": "MIT"}}]}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": program}, "components": components}


def audit(today: date | None = None) -> list[str]:
    """What is wrong with the packages that are installed here."""
    versions = {name: each.version for name, each in closure(requirements()).items()}
    return list(holes(versions, *read_advisories(), today or date.today()))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.supply", description="Lock file, bill of materials and audit of the packages.")
    parser.add_argument("act", choices=("lock", "sbom", "audit"))
    act = parser.parse_args(arguments).act
    if act == "lock":
        resolved = [*resolution("-r", str(ROOT / REQUIREMENTS[0])), *resolution("--no-deps", "-r", str(ROOT / REQUIREMENTS[1]))]
        LOCK.write_text(lock_text(resolved), encoding="utf-8")
    elif act == "sbom":
        sys.stdout.write(json.dumps(bill(), indent=2) + "\n")
    else:
        found = audit()
        sys.stdout.write("".join(f"{each}\n" for each in found) or "No known hole in the installed packages is left without a waiver.\n")
        return int(bool(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
