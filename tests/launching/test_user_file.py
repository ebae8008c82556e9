"""A1111's webui-user files are read as data: what they set is set, and nothing in them runs."""
from __future__ import annotations

from pathlib import Path

import pytest

from modules.launching.user_file import read_user_file, take_user_file

SHELL = r'''#!/bin/bash
#########################################################
# Install directory without trailing slash
#install_dir="/home/$(whoami)"
export COMMANDLINE_ARGS="--medvram --opt-split-attention \
--no-half"      # as always
python_cmd="python3.11"
venv_dir='my $venv'
export TORCH_COMMAND="pip install torch==2.13.0 --index-url $HERE/whl"
clone_dir="stable-diffusion-webui"
export HSA_OVERRIDE_GFX_VERSION=10.3.0
NO_TCMALLOC="True"
if true; then
    export HF_HOME=${CACHE:-/tmp/cache}
fi
touch made-by-the-file
export PYTORCH_X=$(touch made-by-the-file)
export CUDA_VISIBLE_DEVICES=`touch made-by-the-file`
'''
BATCH = (
    "@echo off\r\nrem set COMMANDLINE_ARGS=--no\r\n:: set PYTHON=x\r\n\r\nset PYTHON=\r\nset GIT=\r\nset VENV_DIR=D:\\my venv\r\n"
    'set "commandline_args=--api ^\r\n--ckpt-dir "D:\\Models & more" --port 7999"\r\n'
    "set COMMANDLINE_ARGS=%COMMANDLINE_ARGS% --autolaunch\r\n@set CUDA_VISIBLE_DEVICES=1\r\ndel everything\r\n\r\ncall webui.bat\r\n"
)


def write(root: Path, name: str, text: str) -> Path:
    (root / name).write_text(text, "utf-8", newline="")
    return root / name


def test_a_shell_file_is_read_as_the_shell_would_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_user_file(write(tmp_path, "webui-user.sh", SHELL), {"HERE": "https://example.org"})
    assert found is not None
    assert found.values == {
        "COMMANDLINE_ARGS": "--medvram --opt-split-attention --no-half", "python_cmd": "python3.11", "venv_dir": "my $venv",
        "TORCH_COMMAND": "pip install torch==2.13.0 --index-url https://example.org/whl", "HSA_OVERRIDE_GFX_VERSION": "10.3.0", "HF_HOME": "/tmp/cache",
    }  # fmt: skip
    assert not (tmp_path / "made-by-the-file").exists()
    said = " ".join(found.said)
    assert "PYTORCH_X is left out" in said and "CUDA_VISIBLE_DEVICES is left out" in said and "clone_dir, NO_TCMALLOC mean nothing" in said
    assert all("\n" not in each for each in found.said)


def test_flags_that_a_shell_file_puts_together_line_by_line_are_all_taken(tmp_path: Path) -> None:
    found = read_user_file(write(tmp_path, "webui-user.sh", 'COMMANDLINE_ARGS="--api"\nCOMMANDLINE_ARGS+=" --listen"\nexport COMMANDLINE_ARGS+=" --no-half"\n'), {})
    assert found is not None and found.values == {"COMMANDLINE_ARGS": "--api --listen --no-half"}


def test_a_batch_file_is_read_as_windows_would(tmp_path: Path) -> None:
    found = read_user_file(write(tmp_path, "webui-user.bat", BATCH), {})
    assert found is not None and not found.said
    assert found.values == {
        "VENV_DIR": "D:\\my venv", "COMMANDLINE_ARGS": '--api --ckpt-dir "D:\\Models & more" --port 7999 --autolaunch', "CUDA_VISIBLE_DEVICES": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('export TORCH_COMMAND="pip install torch==2.1.2 torchvision==0.16.2"', "2.10 or newer"),
        ('python_cmd="python3.10"', "3.11 to 3.13"),
        ('PYTHON="/opt/Python39/python3.9"', "3.11 to 3.13"),
    ],
)
def test_what_was_right_for_a1111_and_is_too_old_here_is_left_out_with_a_reason(tmp_path: Path, line: str, word: str) -> None:
    found = read_user_file(write(tmp_path, "webui-user.sh", line), {})
    assert found is not None and not found.values
    assert len(found.said) == 1 and word in found.said[0]


def test_what_the_user_set_beats_the_file_and_values_stay_off_the_screen(tmp_path: Path) -> None:
    write(tmp_path, "webui-user.sh", 'export COMMANDLINE_ARGS="--gradio-auth me:secret"\nvenv_dir=other\n')
    environ = {"COMMANDLINE_ARGS": "--api"}
    lines = take_user_file(tmp_path, environ, "Linux")
    assert environ == {"COMMANDLINE_ARGS": "--api", "venv_dir": "other"}
    assert lines == ("webui-user.sh: venv_dir is taken from it.",)
    environ = {}
    assert "secret" not in " ".join(take_user_file(tmp_path, environ, "Darwin")) and "secret" in environ["COMMANDLINE_ARGS"]


@pytest.mark.parametrize(("system", "expected"), [("Windows", "--bat"), ("Linux", "--sh"), ("Darwin", "--sh")])
def test_each_system_has_its_own_file_and_takes_the_other_where_that_says_nothing(tmp_path: Path, system: str, expected: str) -> None:
    shell, batch = write(tmp_path, "webui-user.sh", "export COMMANDLINE_ARGS=--sh"), write(tmp_path, "webui-user.bat", "set COMMANDLINE_ARGS=--bat")
    environ: dict[str, str] = {}
    take_user_file(tmp_path, environ, system)
    assert environ["COMMANDLINE_ARGS"] == expected
    own, other = (batch, shell) if system == "Windows" else (shell, batch)
    own.write_text("@echo off\nset COMMANDLINE_ARGS=\n" if own is batch else "#export COMMANDLINE_ARGS=\n")
    environ.clear()
    take_user_file(tmp_path, environ, system)
    assert environ["COMMANDLINE_ARGS"] == ("--sh" if other is shell else "--bat")


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\x00=\x00", b"export A='never closed\nCOMMANDLINE_ARGS=\"open", b"=" * 300_000])
def test_a_damaged_file_is_no_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "webui-user.sh").write_bytes(text)
    environ: dict[str, str] = {}
    take_user_file(tmp_path, environ, "Linux")
    assert environ == {}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('export COMMANDLINE_ARGS="--api --listen"; export OTHER=1\n', "--api --listen"),
        ('MODELS="/mnt/my models"\nexport COMMANDLINE_ARGS="--ckpt-dir \'$MODELS\'" GIT=git && echo done\n', "--ckpt-dir '/mnt/my models'"),
        ('[ -z "$COMMANDLINE_ARGS" ] && export COMMANDLINE_ARGS="--api"\n', "--api"),
        ('if [ -f x ]; then export COMMANDLINE_ARGS="--api"; fi\n', "--api"),
        ('declare -x COMMANDLINE_ARGS="--api\n --listen" # both; of them\n', "--api\n --listen"),
        ("COMMANDLINE_ARGS=--no ./webui.sh\nCOMMANDLINE_ARGS=--api\n", "--api"),
    ],
)
def test_several_statements_in_a_line_of_a_shell_file_are_told_apart_and_its_own_variables_are_filled_in(tmp_path: Path, text: str, flags: str) -> None:
    found = read_user_file(write(tmp_path, "webui-user.sh", text), {})
    assert found is not None and found.values["COMMANDLINE_ARGS"] == flags
    assert ("COMMANDLINE_ARGS is set under a condition" in " ".join(found.said)) == ("[ -" in text)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("set COMMANDLINE_ARGS=--api & set GIT=git\r\n", "--api"),
        ("set COMMANDLINE_ARGS=--api && call webui.bat\r\n", "--api"),
        ('set A1111_HOME=D:/sd\r\nset COMMANDLINE_ARGS=--ckpt-dir "%a1111_home%/models" ^\r\n--api\r\n', '--ckpt-dir "D:/sd/models" --api'),
        ("if not defined COMMANDLINE_ARGS (set COMMANDLINE_ARGS=--api)\r\n", "--api"),
        ("set COMMANDLINE_ARGS=--filenames 100%%\r\n", "--filenames 100%"),
    ],
)
def test_several_statements_in_a_line_of_a_batch_file_are_told_apart_and_its_own_variables_are_filled_in(tmp_path: Path, text: str, flags: str) -> None:
    found = read_user_file(write(tmp_path, "webui-user.bat", text), {})
    assert found is not None and found.values["COMMANDLINE_ARGS"] == flags
    assert "A1111_HOME" not in " ".join(found.said)


def test_the_folder_of_the_file_and_the_encodings_of_windows_are_understood(tmp_path: Path) -> None:
    text = "set COMMANDLINE_ARGS=--ckpt-dir %~dp0Modèles\r\n"
    for encoding in ("utf-16", "utf-8-sig", "cp1252"):
        (tmp_path / "webui-user.bat").write_bytes(text.encode(encoding))
        found = read_user_file(tmp_path / "webui-user.bat", {})
        assert found is not None and found.values["COMMANDLINE_ARGS"] == f"--ckpt-dir {tmp_path / 'Modèles'}"


def test_what_only_running_the_file_would_tell_is_named(tmp_path: Path) -> None:
    found = read_user_file(write(tmp_path, "webui-user.sh", 'HERE=$(dirname "$0")\nexport COMMANDLINE_ARGS="--ckpt-dir $HERE/models"\nsource ./mine.sh\n'), {})
    assert found is not None and not found.values
    assert [each.split(":")[0] for each in found.said] == ["COMMANDLINE_ARGS is left out", "./mine.sh is not read, for nothing in this file is run"]
