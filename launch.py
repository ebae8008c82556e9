"""`python launch.py` prepares the environment and starts the web UI. Extensions' install.py import the names below from here."""
import os
import sys
import traceback

if not (3, 11) <= sys.version_info[:2] <= (3, 13) and "--skip-python-version-check" not in sys.argv:
    from modules.launching.other_python import continue_elsewhere

    continue_elsewhere(os.path.dirname(os.path.abspath(__file__)))

from pathlib import Path

from modules.extension_host.discover import enabled_folders, loose_folders, read_switches
from modules.launching.console import take_every_letter
from modules.launching.extension_names import (
    commit_hash,
    git,
    git_clone,
    git_tag,
    index_url,
    is_installed,
    launch_flags,
    python,
    run,
    run_pip,
)
from modules.launching.failure import CANNOT_SERVE
from modules.launching.prepare import STOPPED_BY_USER, Launch, new_version, prepare
from modules.launching.restart import end_as_by_ctrl_c, next_start, offer_restart, start_again
from modules.schema.flags import Flags, parse_flags

ROOT = Path(__file__).absolute().parent
__all__ = ["commit_hash", "git", "git_clone", "git_tag", "index_url", "is_installed", "python", "run", "run_pip"]  # and ``args``: the flags, read when first asked for


def __getattr__(name: str) -> Flags:
    if name == "args":
        return launch_flags()
    raise AttributeError(f"launch has no name {name!r}")


def extension_folders(flags: Flags) -> tuple[Path, ...]:
    switches = read_switches(Path(flags.ui_settings_file), disable_all=flags.disable_all_extensions, disable_extra=flags.disable_extra_extensions)
    single = (each.path for each in loose_folders([ROOT, Path(flags.data_dir)], switches) if each.is_enabled)
    return *enabled_folders(Path(flags.data_dir) / "extensions", switches), *single


def main() -> int:
    take_every_letter()
    launch = Launch(
        root=ROOT, script=ROOT / "launch.py", arguments=tuple(sys.argv[1:]), environ=os.environ, extensions=extension_folders
    )
    try:
        code = served(launch)
    except KeyboardInterrupt:
        code = STOPPED_BY_USER
    except Exception:               # whatever it is: it may be a new version's fault, which is then left again
        traceback.print_exc()
        code = 1
    if new_version(launch).ended(code, print, by_user=code in (STOPPED_BY_USER, CANNOT_SERVE)):
        start_again(launch.script, launch.arguments, launch.environ)
    return 1 if code == CANNOT_SERVE else code


def served(launch: Launch) -> int:
    """The exit code of a whole start; a restart that was asked for does not come back."""
    code = prepare(launch)
    if code is not None:
        return code
    new_version(launch).begins()
    end_as_by_ctrl_c()
    import webui

    asked = offer_restart(os.environ, Path(parse_flags(sys.argv[1:], os.environ).flags.data_dir) / "cache" / "launch")
    code = webui.main(sys.argv[1:])
    again = next_start(asked, sys.argv[1:], os.environ)
    if again is not None:
        new_version(launch).ended(code, print, by_user=True)
        start_again(ROOT / "launch.py", again, os.environ)
    return code


if __name__ == "__main__":
    sys.exit(main())
