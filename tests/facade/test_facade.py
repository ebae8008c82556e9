"""Every module name of A1111 imports, and nothing that extensions are known to use is missing."""
from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from modules.a1111.stubs import NotHere, is_stub
from modules.application.app import App
from tests.facade_coverage import coverage, symbols
from tests.floor_rules import A1111_NAMES

FACADE = Path(__file__).parents[2] / "modules" / "facade"


def test_every_module_name_imports() -> None:
    inner = {".".join(path.relative_to(FACADE).with_suffix("").parts).removesuffix(".__init__") for path in FACADE.rglob("*.py")} - {"__init__"}
    for name in sorted(A1111_NAMES | inner):
        assert importlib.import_module(f"modules.{name}").__name__ == f"modules.{name}"


def test_module_names_are_there_after_importing_the_package_alone() -> None:
    code = "import modules; modules.shared_items.sd_vae_items; modules.sd_models.checkpoint_tiles; hasattr(modules, 'no_such_part') and 1 / 0"
    subprocess.run([sys.executable, "-c", code], cwd=FACADE.parents[1], check=True)


def test_a_name_of_another_program_is_not_there_so_that_extensions_know_where_they_are() -> None:
    with pytest.raises(ImportError):
        from modules.ui import ui_system_tabs  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore[reportAttributeAccessIssue]


def test_nothing_that_extensions_use_is_missing_and_most_is_real(a1111: App) -> None:
    kinds, counts = coverage(), symbols()
    assert [name for name, kind in kinds.items() if kind == "missing"] == []
    shared = [kind for name, kind in kinds.items() if counts[name] >= 2]
    assert shared.count("real") >= 0.9 * len(shared)


def test_a_stub_imports_and_says_on_use_what_it_is(a1111: App) -> None:
    from modules.sd_hijack_optimizations import SdOptimizationSdp as Base

    from modules import interrogate, sd_hijack_optimizations

    class Mine(Base):
        pass

    assert is_stub(Base) and not isinstance(5, Base)
    with pytest.raises(NotHere, match=r"modules.interrogate.download_default_clip_interrogate_categories of A1111"):
        interrogate.download_default_clip_interrogate_categories()
    with pytest.raises(NotHere, match="split_cross_attention_forward_v1"):
        sd_hijack_optimizations.split_cross_attention_forward_v1()
    assert sd_hijack_optimizations.get_available_vram() > 2**20    # FABRIC's own attention splits its work by it
    assert not hasattr(sd_hijack_optimizations, "something_that_a1111_has_not")


def test_replacing_what_does_nothing_is_noted(a1111: App) -> None:
    from modules.sd_hijack_optimizations import SdOptimizationSdp

    SdOptimizationSdp.apply = lambda *_: None
    assert "changes nothing" in a1111.extensions.troubles.found[0].sentence


def test_flags_and_folders_are_those_of_the_server(a1111: App) -> None:
    from modules import paths, shared

    assert shared.cmd_opts.embeddings_dir == a1111.flags.embeddings_dir
    assert isinstance(vars(shared.cmd_opts), dict) and shared.cmd_opts.use_cpu == []
    for name in ("hypernetwork_dir", "lora_dir", "lyco_dir_backcompat", "ckpt_dir", "lowvram", "medvram_sdxl", "ui_config_file", "api_auth"):
        assert hasattr(shared.cmd_opts, name)
    shared.cmd_opts.of_mine = 5
    assert shared.cmd_opts.of_mine == 5
    assert paths.data_path == str(a1111.paths.data_dir) and paths.extensions_dir.endswith("extensions")

def test_the_parser_of_flags_answers_with_those_of_this_start_whatever_the_process_was_called_with(a1111: App) -> None:
    from modules import cmd_args, shared

    shared.cmd_opts.api = True
    for found in (cmd_args.parser.parse_args(), cmd_args.parser.parse_known_args()[0]):
        assert found.api is True and found.listen is False and found.port is None
    assert cmd_args.parser.parse_args(["--listen"]).listen is True and cmd_args.parser.parse_args(["--listen"]).api is False



def test_lists_show_what_is_there(a1111: App) -> None:
    from modules import sd_models, sd_samplers, sd_schedulers, sd_vae, shared

    assert [info.name for info in sd_models.checkpoints_list.values()] == ["fake.safetensors"]
    assert sd_models.get_closet_checkpoint_match("fake").model_name == "fake"
    assert sd_models.get_closet_checkpoint_match("absent") is None
    assert sd_vae.vae_dict == {}
    assert sd_samplers.all_samplers_map["Euler a"].aliases[0] == "k_euler_a"
    assert sd_samplers.find_sampler_config("k_euler").name == "Euler"
    assert sd_schedulers.schedulers_map["Karras"].name == "karras"
    assert shared.sd_model.sd_checkpoint_info.name == "fake.safetensors"
    assert "Lanczos" in [each.name for each in shared.sd_upscalers]
    assert "Automatic" not in shared.prompt_styles.styles


def test_a_checkpoint_that_an_extension_registers_is_listed_and_can_be_chosen(a1111: App, tmp_path: Path) -> None:
    """Mergers and trainers register the file that they have just written, which may lie in a folder of their own."""
    from modules import sd_models, sd_models_config, shared

    inside, outside = a1111.paths.data_dir / "models" / "Stable-diffusion" / "merged.safetensors", tmp_path / "trained" / "mine.safetensors"
    for path in (inside, outside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
        sd_models.CheckpointInfo(str(path)).register()
        assert path.name in sd_models.checkpoint_tiles() and sd_models.get_closet_checkpoint_match(path.stem).filename == str(path)
    sd_models.list_models()
    assert sorted(sd_models.checkpoint_tiles()) == ["fake.safetensors", "merged.safetensors", "mine.safetensors"]
    shared.opts.sd_model_checkpoint = "mine.safetensors"
    assert sd_models.select_checkpoint().filename == str(outside)
    assert shared.sd_model.used_config == sd_models_config.find_checkpoint_config({}, sd_models.select_checkpoint())


def test_prompts_are_read_as_the_engine_reads_them(a1111: App) -> None:
    from modules.sd_hijack import model_hijack

    from modules import extra_networks, prompt_parser

    assert prompt_parser.parse_prompt_attention("a (b:1.5)") == [["a ", 1.0], ["b", 1.5]]
    assert prompt_parser.get_learned_conditioning_prompt_schedules(["[a:b:5]"], 10) == [[[5, "a"], [10, "b"]]]
    assert prompt_parser.get_multicond_prompt_list(["a AND b :0.5"])[0] == [[(0, 1.0), (1, 0.5)]]
    text, found = extra_networks.parse_prompt("cat <lora:x:0.5:te=1> dog")
    assert text == "cat  dog" and found["lora"][0].positional == ["x", "0.5"] and found["lora"][0].named == {"te": "1"}
    assert model_hijack.get_prompt_lengths("a red circle")[0] == 3
    assert model_hijack.embedding_db.word_embeddings | model_hijack.embedding_db.skipped_embeddings == {}


def test_embeddings_have_their_file_and_shape(a1111: App) -> None:
    """As tagcomplete asks: the file's absolute path below --embeddings-dir, and the width of its vectors."""
    import json
    import struct

    from modules.sd_hijack import model_hijack

    from modules import shared

    header = json.dumps({"emb_params": {"dtype": "F32", "shape": [2, 768], "data_offsets": [0, 6144]}}).encode()
    folder = Path(shared.cmd_opts.embeddings_dir)
    folder.mkdir()
    (folder / "mine.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(6144))
    model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    found = (model_hijack.embedding_db.skipped_embeddings | model_hijack.embedding_db.word_embeddings)["mine"]
    assert (found.shape, found.vectors) == (768, 2)
    assert Path(found.filename).relative_to(folder.absolute()).as_posix() == "mine.safetensors"


def test_pictures_are_saved_and_read_back(a1111: App) -> None:
    from modules.api.api import decode_base64_to_image, encode_pil_to_base64
    from PIL import Image

    from modules import images, infotext_utils

    picture = Image.new("RGB", (16, 8), "red")
    path, _ = images.save_image(picture, "outputs/mine", "", seed=5, prompt="cat", extension="png", info="cat\nSteps: 20, Sampler: Euler, Seed: 5")
    with Image.open(path) as saved:
        text, _items = images.read_info_from_image(saved)
    assert infotext_utils.parse_generation_parameters(text)["Seed"] == "5"
    assert decode_base64_to_image(encode_pil_to_base64(picture).decode()).size == (16, 8)
    grid = images.split_grid(Image.new("RGB", (100, 60), "blue"), 64, 64, 16)
    assert images.combine_grid(grid).getpixel((50, 30)) == (0, 0, 255)


def test_samplers_of_a_list_that_stands_in_the_place_of_a1111s_can_be_chosen_and_the_later_of_one_name_counts(a1111: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from modules import sd_samplers, sd_samplers_common, sd_samplers_kdiffusion
    from modules.a1111 import sampler_list
    from modules.engine.sampler_registry import remove_added_samplers, samplers

    def of_its_own(model: object) -> sd_samplers_kdiffusion.KDiffusionSampler:
        made = sd_samplers_kdiffusion.KDiffusionSampler("sample_euler", model)
        made.model_wrap = "its own"
        return made

    before = list(sampler_list.all_samplers)
    data = [sd_samplers_common.SamplerData(name, of_its_own, ["k_euler"], {}) for name in ("Euler Max", "Euler Max2", "Euler Max")]
    monkeypatch.setattr(sd_samplers, "all_samplers", [*before[:1], *data, *before[1:]])
    monkeypatch.setattr(sampler_list, "all_samplers_map", dict(sampler_list.all_samplers_map))
    try:
        sd_samplers.set_samplers()
        assert {"Euler Max", "Euler Max2"} <= {spec.name for spec in samplers()} and "Euler Max2" in sd_samplers.visible_sampler_names()
        assert sampler_list.find_sampler_config("Euler Max") is data[2] and [each.name for each in sd_samplers.samplers][1:3] == ["Euler Max", "Euler Max2"]
        assert sd_samplers.create_sampler("Euler Max", None).model_wrap == "its own"
    finally:
        sampler_list.all_samplers[:] = before
        remove_added_samplers()
