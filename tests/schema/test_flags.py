"""A1111's command lines are read as A1111 reads them; an unknown flag stops nothing."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from modules.schema.errors import InvalidValue
from modules.schema.flag_table import METADATA_KEY, SCRIPT_PATH, FlagInfo
from modules.schema.flags import Flags, ignored_flags, option, parse_flags, split_arguments
from tests.schema.recorded import recorded

FIELDS = {each.name: each for each in dataclasses.fields(Flags)}
OURS = {"ckpt_dirs", "vae_dirs", "lora_dirs", "text_encoder_dirs", "run_tests", "exit", "update", "listen_without_password", "use_flash_attention", "use_sage_attention"}


def flags(*argv: str, line: str = "") -> Flags:
    return parse_flags(argv, {"COMMANDLINE_ARGS": line}).flags


def test_names_and_defaults_are_a1111s():
    theirs = recorded("flags_defaults")
    assert set(FIELDS) - OURS == set(theirs)
    made = flags("--data-dir", "/DATA")
    for name, default in theirs.items():
        ours = getattr(made, name)
        ours = list(ours) if isinstance(ours, tuple) else ours
        text = str(ours).replace(SCRIPT_PATH, "SCRIPT").replace("/DATA", "DATA").replace("'", "")
        assert text == str(default).replace("'", ""), name


@pytest.mark.parametrize("name", FIELDS)
def test_every_flag_is_read(name: str):
    info: FlagInfo = FIELDS[name].metadata[METADATA_KEY]
    texts = {"max_batch_count": "3", "ngrok_options": '{"a": 1}', "precision": "full"}
    expected: dict[str, Any] = {"max_batch_count": 3, "ngrok_options": {"a": 1}, "precision": "full"}
    value = texts.get(name, "7")
    parsed = parse_flags([option(name)] if info.form == "switch" else [option(name), value], {})
    held = getattr(parsed.flags, name)
    assert parsed.unknown == () and name in parsed.given
    if info.form == "switch":
        assert held is info.given
    elif info.path:
        assert held == ((str(Path("7").absolute()),) if info.form == "repeat" else str(Path("7").absolute()))
    elif info.form in ("list", "repeat"):
        assert held[-1] == "7"
    elif isinstance(held, int):
        assert held == int(value)
    else:
        assert held == expected.get(name, "7")


def test_commandline_args_come_last_and_win():
    assert flags("--port", "1", line="--port 2 --medvram").port == 2
    assert flags("--port", "1", line="--medvram").medvram


def test_quotes_and_windows_paths():
    assert flags(line="--data-dir '/tmp/a b'").data_dir == "/tmp/a b"
    assert split_arguments(r"--ckpt-dir D:\models\sd --api", windows=True) == ["--ckpt-dir", r"D:\models\sd", "--api"]
    assert split_arguments(r"--ckpt-dir /a\ b #1", windows=False) == ["--ckpt-dir", "/a b", "#1"]
    with pytest.raises(InvalidValue, match="COMMANDLINE_ARGS"):
        split_arguments('--data-dir "/tmp')


def test_abbreviations():
    assert flags("--lyco-dir", "/x").lyco_dir_backcompat == "/x"
    assert flags("--nowebu").nowebui
    with pytest.raises(InvalidValue, match="--no-half"):
        flags("--no-hal")


def test_unknown_flags_are_kept():
    parsed = parse_flags(["--no-half", "--my-extension-path", "/x", "extra"], {"COMMANDLINE_ARGS": "--zzz"})
    assert parsed.unknown == ("--my-extension-path", "/x", "extra", "--zzz")
    assert parsed.flags.no_half


def test_an_extension_adds_its_own():
    def preload(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--tagger-dir", default="tags")
        parser.add_argument("--tagger-fast", action="store_true")

    assert parse_flags(["--tagger-fast"], {}, preload).extra == {"tagger_fast": True, "tagger_dir": "tags"}


@pytest.mark.parametrize("argv", [("--port", "x"), ("--precision", "tenth"), ("--ngrok-options", "{"), ("--port",)])
def test_a_wrong_value_is_a_sentence_that_names_the_flag(argv: tuple[str, ...]):
    with pytest.raises(InvalidValue, match=argv[0]):
        flags(*argv)


def test_directories_follow_data_dir_and_models_dir():
    made = flags("--data-dir", "/d")
    assert (made.models_path, made.embeddings_dir, made.lora_dir) == ("/d/models", "/d/embeddings", "/d/models/Lora")
    assert made.ui_settings_file == "/d/config.json" and made.styles_file == ("/d/styles.csv",)
    made = flags("--data-dir", "/d", "--models-dir", "/m")
    assert (made.models_path, made.lora_dir, made.embeddings_dir) == ("/m", "/m/Lora", "/d/embeddings")
    assert flags("--models-dir", "m").models_path == str(Path("m").absolute())
    assert Flags(data_dir="/d").lora_dir == "/d/models/Lora"


def test_lists():
    assert flags("--use-cpu", "ALL", "Interrogate").use_cpu == ("all", "interrogate")
    assert flags("--styles-file", "a.csv", "--styles-file", "b*.csv").styles_file == ("a.csv", "b*.csv")
    assert flags("--data-dir", "/d", "--gradio-allowed-path", "/x").gradio_allowed_path == ("/d", "/x")


@pytest.mark.parametrize("argv", [("--listen",), ("--share",), ("--server-name", "0.0.0.0"), ("--ngrok", "t")])
@pytest.mark.group("S7")
def test_strangers_may_not_install_extensions(argv: tuple[str, ...]):
    assert flags(*argv).webui_is_non_local and flags(*argv).disable_extension_access
    assert not flags(*argv, "--enable-insecure-extension-access").disable_extension_access
    assert not flags().webui_is_non_local


def test_named_checkpoint_and_ignored_flags():
    assert flags().named_checkpoint is None
    assert flags("--ckpt", "/a.safetensors").named_checkpoint == "/a.safetensors"
    assert list(ignored_flags(parse_flags(["--deepdanbooru", "--api"], {}))) == ["--deepdanbooru"]


def test_every_flag_acts_or_is_said_to_have_no_effect():
    root = Path(__file__).parents[2]
    files = [root / "launch.py", root / "webui.py", *(root / "modules").rglob("*.py"), *(root / "extensions").rglob("*.py")]
    texts = [file.read_text("utf-8") for file in files if file.name != "flag_table.py"]
    words = {word for text in texts for word in re.findall(r"[\w-]+", text)}
    infos = {each.name: each.metadata[METADATA_KEY] for each in dataclasses.fields(Flags)}
    assert [name for name, info in infos.items() if not info.ignored and not {name, option(name)} & words] == []
    assert [name for name, info in infos.items() if info.ignored and "effect" not in info.meaning and "anyway" not in info.meaning] == []
    assert [name for name, info in infos.items() if info.ignored and any(re.search(rf"\bflags\.{name}\b", text) for text in texts)] == [], "something reads these"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--always-low-vram --attention-pytorch --gpu-device-id 1", {"medvram": True, "opt_sdp_attention": True, "device_id": "1"}),
        ("--auth me:secret --freeze --vae=x.pt", {"gradio_auth": "me:secret", "freeze_settings": True, "vae_path": str(Path("x.pt").absolute())}),
        ("--always-cpu --api", {"use_cpu": ("all",), "api": True}),
        ("--ckpt-dirs /a --lora-dirs /l1 --ckpt-dirs /b --lora-dirs /l2 --sage", {"ckpt_dirs": ("/a", "/b"), "lora_dirs": ("/l1", "/l2"), "use_sage_attention": True}),
        ("--embeddings-dir /e --forge-ref-comfy-home /comfy/", {"lora_dirs": ("/comfy/models/loras",), "vae_dirs": ("/comfy/models/vae",), "embeddings_dir": "/e"}),
        ("--forge-ref-comfy-home '/my comfy/models'", {"ckpt_dirs": tuple(f"/my comfy/models/{name}" for name in ("checkpoints", "diffusion_models", "unet"))}),
        ("--forge-ref-a1111-home '/old/sd web' --api", {"ckpt_dir": "/old/sd web/models/Stable-diffusion", "lora_dir": "/old/sd web/models/Lora", "embeddings_dir": "/old/sd web/embeddings", "api": True}),
    ],
)  # fmt: skip
def test_flags_of_forge_and_sd_next_act_where_the_same_is_here(line: str, expected: dict[str, object]) -> None:
    parsed = parse_flags([], {"COMMANDLINE_ARGS": line})
    assert {name: getattr(parsed.flags, name) for name in expected} == expected
    assert not parsed.unknown and not parsed.said


def test_flags_of_forge_and_sd_next_that_are_not_here_say_what_to_do() -> None:
    parsed = parse_flags(["--cuda-malloc", "--use-directml", "--backend", "diffusers", "--unet-in-fp8-e4m3fn", "--api"], {})
    assert [each.split(":")[0] for each in parsed.said] == ["--cuda-malloc", "--use-directml", "--backend", "--unet-in-fp8-e4m3fn"]
    assert parsed.flags.api and not parsed.unknown


def test_a_flag_that_an_extension_adds_stays_its_own() -> None:
    parsed = parse_flags(["--controlnet-dir", "x"], {}, extend=lambda parser: parser.add_argument("--controlnet-dir") and None)
    assert parsed.extra == {"controlnet_dir": "x"} and not parsed.said
