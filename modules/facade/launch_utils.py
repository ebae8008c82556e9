"""A1111's ``modules.launch_utils``."""
from modules.a1111.launch_names import (
    check_python_version, commit_hash, git, git_pull_recursive, git_tag, index_url, is_installed, launch_value, list_extensions, python, run, run_extension_installer, run_extensions_installers, run_pip, check_run_python, requirements_met,
)  # fmt: skip
from modules.a1111.stubs import stubbed
from modules.launching.extension_names import git_clone

default_command_live = False
dir_repos = "repositories"
__getattr__ = stubbed(__name__, "prepare_environment configure_for_tests start dump_sysinfo version_check git_fix_workspace run_git repo_dir startup_timer", launch_value)
