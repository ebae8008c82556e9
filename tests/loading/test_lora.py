"""LoRA files: whose tensor is whose, what each form adds, and which file a name means."""

import pytest
import torch
from safetensors.torch import save_file

from modules.library.cache import FileCache
from modules.library.model_file import ModelFile
from modules.loading.lora import LoraShelf, read_lora
from modules.loading.lora_kinds import layer_change
from modules.loading.lora_names import layer_keys, original_names, place_of
from modules.schema.errors import CannotLoad

QUERY = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("tensor", "layer", "part"),
    [
        ("lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q.lora_up.weight", "unet_" + QUERY.replace(".", "_"), "lora_up.weight"),
        ("lora_unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q.alpha", "unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q", "alpha"),
        ("lora_te_text_model_encoder_layers_3_mlp_fc1.lora_down.weight", "te_encoder_layers_3_mlp_fc1", "lora_down.weight"),
        ("lora_te1_text_model_encoder_layers_3_mlp_fc1.alpha", "te_encoder_layers_3_mlp_fc1", "alpha"),
        (f"unet.{QUERY}.lora_A.weight", "unet_" + QUERY.replace(".", "_"), "lora_down.weight"),
        (f"base_model.model.{QUERY}.lora_B.default.weight", "unet_" + QUERY.replace(".", "_"), "lora_up.weight"),
        (f"unet.{QUERY}.lora.down.weight", "unet_" + QUERY.replace(".", "_"), "lora_down.weight"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora.up.weight",
         "unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0", "lora_up.weight"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight", "te_encoder_layers_0_self_attn_q_proj", "lora_down.weight"),
        ("lora_unet_mid_block_resnets_0_conv1.hada_w1_a", "unet_mid_block_resnets_0_conv1", "hada_w1_a"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha", "te2_encoder_layers_0_mlp_fc1", "alpha"),
        ("text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", "te2_encoder_layers_0_mlp_fc1", "lora_down.weight"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", "te_encoder_layers_0_self_attn_q_proj", "lora_up.weight"),
        ("text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1.lora_up.weight", "te2_encoder_layers_0_mlp_fc1", "lora_up.weight"),
        ("clip_l.text_model.encoder.layers.0.mlp.fc1.lora_down.weight", "te_encoder_layers_0_mlp_fc1", "lora_down.weight"),
        ("t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.k.lora_A.weight", "te3_encoder_block_0_layer_0_SelfAttention_k", "lora_down.weight"),
        ("transformer.img_in.lora_A.weight", "unet_img_in", "lora_down.weight"),
        ("transformer_blocks.0.attn.to_q.lora_A.weight", "unet_transformer_blocks_0_attn_to_q", "lora_down.weight"),
        ("double_blocks.3.processor.qkv_lora2.down.weight", "unet_double_blocks_3_processor_qkv_lora2", "lora_down.weight"),
        (f"unet.{QUERY}.lora_B.bias", "unet_" + QUERY.replace(".", "_"), "lora_up.bias"),
        (f"unet.{QUERY}.oft_blocks", "unet_" + QUERY.replace(".", "_"), "oft_blocks"),
        (f"unet.{QUERY}.lora_A.my_style.weight", "unet_" + QUERY.replace(".", "_"), "lora_down.weight"),
        (f"unet.{QUERY}.lora_magnitude_vector.weight", "unet_" + QUERY.replace(".", "_"), "lora_magnitude_vector"),
        ("base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight", "te_encoder_layers_0_mlp_fc1", "lora_down.weight"),
        ("lycoris_text_model_encoder_layers_0_mlp_fc1.lokr_w1", "te_encoder_layers_0_mlp_fc1", "lokr_w1"),
        (f"unet.{QUERY}.a1.weight", "unet_" + QUERY.replace(".", "_"), "a1.weight"),
    ],
)  # fmt: skip
def test_tensors_find_their_layer(tensor, layer, part):
    place = place_of(tensor)
    assert (place.layer, place.part) == (layer, part)


def test_original_layout_names_are_those_of_the_checkpoints(golden_unet_names):
    """Against the converter that renames whole checkpoints: every UNet tensor of the tiny checkpoint."""
    for ours, theirs in golden_unet_names.items():
        assert theirs.removeprefix("model.diffusion_model.").rsplit(".", 1)[0] in original_names(ours.rsplit(".", 1)[0])


@pytest.fixture(scope="module")
def golden_unet_names():
    from modules.library.header import read_header
    from modules.loading.ldm_names import unet_names
    from tests.golden.cases import checkpoint_path

    return {ours: str(theirs) for ours, theirs in unet_names(read_header(checkpoint_path()).names, {"layers_per_block": 2}).items()}


def test_a_layer_is_known_by_both_layouts():
    assert layer_keys("unet", [QUERY]) == dict.fromkeys(
        ("unet_" + QUERY.replace(".", "_"), "unet_input_blocks_2_1_transformer_blocks_0_attn1_to_q"), QUERY)


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


WEIGHT, CONV = randn(6, 8), randn(6, 8, 3, 3)
UP, DOWN = randn(6, 2), randn(2, 8)


def test_lora_adds_up_times_down_scaled_by_alpha():
    change = layer_change({"lora_up.weight": UP, "lora_down.weight": DOWN, "alpha": torch.tensor(1.0)}, WEIGHT)
    assert change is not None and torch.allclose(change.weight, UP @ DOWN / 2)


def test_lora_without_alpha_or_with_fewer_ranks():
    parts = {"lora_up.weight": UP, "lora_down.weight": DOWN}
    change = layer_change(parts, WEIGHT)
    assert change is not None and torch.allclose(change.weight, UP @ DOWN)
    change = layer_change(parts, WEIGHT, rank=1)
    assert change is not None and torch.allclose(change.weight, UP[:, :1] @ DOWN[:1])


def test_a_lora_may_add_to_the_bias_and_to_single_weights():
    parts = {"lora_up.weight": UP, "lora_down.weight": DOWN, "alpha": torch.tensor(1.0), "lora_up.bias": randn(6),
             "bias_indices": torch.tensor([[0, 5], [1, 7]]), "bias_values": torch.tensor([3.0, -2.0]), "bias_size": torch.tensor([6, 8])}
    single = torch.zeros(6, 8)
    single[0, 1], single[5, 7] = 3.0, -2.0
    change = layer_change(parts, WEIGHT)
    assert change is not None and torch.allclose(change.weight, (UP @ DOWN + single) / 2)
    assert change.bias is not None and torch.allclose(change.bias, parts["lora_up.bias"] / 2)
    with pytest.raises(ValueError, match="it adds is 6x9"):
        layer_change(parts | {"bias_size": torch.tensor([6, 9])}, WEIGHT)
    for outside in (10**6, -5):             # memory that is not the layer's
        with pytest.raises(ValueError, match="outside of the layer"):
            layer_change(parts | {"bias_indices": torch.tensor([[0, outside], [1, 7]])}, WEIGHT)


def test_locon_is_the_convolution_of_its_parts():
    parts = {"lora_up.weight": UP[..., None, None], "lora_down.weight": randn(2, 8, 3, 3)}
    image = randn(1, 8, 5, 5)
    change = layer_change(parts, CONV)
    chained = torch.conv2d(torch.conv2d(image, parts["lora_down.weight"]), parts["lora_up.weight"])
    assert change is not None and torch.allclose(torch.conv2d(image, change.weight), chained, atol=1e-4)


def test_locon_with_a_middle_is_the_convolution_of_its_three_parts():
    parts = {"lora_up.weight": UP[..., None, None], "lora_down.weight": DOWN[..., None, None], "lora_mid.weight": randn(2, 2, 3, 3)}
    image = randn(1, 8, 5, 5)
    change = layer_change(parts, CONV)
    chained = torch.conv2d(image, parts["lora_down.weight"])
    chained = torch.conv2d(torch.conv2d(chained, parts["lora_mid.weight"]), parts["lora_up.weight"])
    assert change is not None and torch.allclose(torch.conv2d(image, change.weight), chained, atol=1e-4)


def test_other_forms():
    hada = {"hada_w1_a": UP, "hada_w1_b": DOWN, "hada_w2_a": UP * 2, "hada_w2_b": DOWN, "alpha": torch.tensor(1.0)}
    assert torch.allclose(layer_change(hada, WEIGHT).weight, (UP @ DOWN) * (UP @ DOWN * 2) / 2)
    kron = {"lokr_w1": randn(2, 2), "lokr_w2_a": randn(3, 2), "lokr_w2_b": randn(2, 4), "alpha": torch.tensor(1.0)}
    assert torch.allclose(layer_change(kron, WEIGHT).weight, torch.kron(kron["lokr_w1"], kron["lokr_w2_a"] @ kron["lokr_w2_b"]) / 2)
    conv_kron = {"lokr_w1": randn(2, 2), "lokr_w2": randn(3, 4, 3, 3)}
    assert layer_change(conv_kron, CONV).weight.shape == CONV.shape
    assert torch.allclose(layer_change({"diff": WEIGHT, "diff_b": randn(6)}, WEIGHT).weight, WEIGHT)
    gain = {"weight": torch.full((6,), 0.5), "on_input": torch.tensor(False)}
    assert torch.allclose(layer_change(gain, WEIGHT).weight, WEIGHT / 2)
    norm = layer_change({"w_norm": randn(6), "b_norm": randn(6)}, randn(6))
    assert norm.bias is not None and torch.allclose(norm.weight, randn(6))


def test_a_rotation_keeps_the_length_of_every_column():
    change = layer_change({"oft_blocks": randn(2, 3, 3)}, WEIGHT)
    assert change is not None and torch.allclose((WEIGHT + change.weight).norm(dim=0), WEIGHT.norm(dim=0), atol=1e-4)
    assert not torch.allclose(change.weight, torch.zeros(6, 8))


def test_the_old_form_of_a_rotation_holds_the_matrices_themselves():
    turns = torch.linalg.qr(randn(2, 3, 3)).Q
    change = layer_change({"oft_diag": turns}, WEIGHT)
    assert change is not None and torch.allclose(WEIGHT + change.weight, torch.block_diag(*turns).T @ WEIGHT, atol=1e-6)


def test_boft_turns_pairs_of_channels_ever_further_apart():
    stages = randn(2, 2, 2, 2)              # two stages over four channels: neighbours, then those two apart
    change = layer_change({"oft_blocks": stages, "rescale": torch.full((4, 1), 0.5)}, weight := randn(4, 3))
    skew, identity = stages - stages.transpose(2, 3), torch.eye(2)
    turns = (identity + skew) @ torch.linalg.inv(identity - skew)
    expected = weight.clone()
    for stage, groups in enumerate([[(0, 1), (2, 3)], [(0, 2), (1, 3)]]):
        for block, group in enumerate(groups):
            expected[list(group)] = turns[stage, block] @ expected[list(group)]
    assert torch.allclose(change.weight, expected * 0.5 - weight, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 8), (6, 1), (6,)])
def test_dora_gives_each_channel_its_trained_magnitude(shape):
    magnitude = randn(*shape).abs() + 1
    change = layer_change({"lora_up.weight": UP, "lora_down.weight": DOWN, "dora_scale": magnitude}, WEIGHT)
    assert change is not None
    assert torch.allclose((WEIGHT + change.weight).norm(dim=0 if shape == (1, 8) else 1), magnitude.flatten(), atol=1e-4)


@pytest.mark.parametrize("weight", [WEIGHT, CONV])
def test_pefts_magnitudes_are_of_output_channels_in_any_shape(weight):
    magnitude = randn(6).abs() + 1
    parts = {"lora_up.weight": UP, "lora_down.weight": randn(2, *weight.shape[1:]), "lora_magnitude_vector": magnitude.reshape(1, 6, *[1] * (weight.ndim - 2))}
    change = layer_change(parts, weight)
    assert change is not None and torch.allclose((weight + change.weight).flatten(1).norm(dim=1), magnitude, atol=1e-4)


def test_shapes_that_do_not_fit_and_unknown_forms():
    with pytest.raises(ValueError, match="its change is 6x8, the layer 6x9"):
        layer_change({"lora_up.weight": UP, "lora_down.weight": DOWN}, randn(6, 9))
    assert layer_change({"lora_up.weight": UP, "something": DOWN}, WEIGHT) is None


def lora_file(folder, name, metadata=None, **tensors):
    path = folder / f"{name}.safetensors"
    save_file(tensors or {"lora_unet_conv_in.lora_up.weight": UP.clone()}, path, metadata)
    return ModelFile(path=path, name=path.name, kind="lora", size=path.stat().st_size, modified=path.stat().st_mtime)


def test_a_file_is_found_by_its_name_then_by_the_alias_of_one_file_alone(tmp_path):
    files = [lora_file(tmp_path, "one", {"ss_output_name": "style"}), lora_file(tmp_path, "two", {"ss_output_name": "shared"}),
             lora_file(tmp_path, "three", {"ss_output_name": "shared"}), lora_file(tmp_path, "four", {"ss_output_name": "one"}),
             lora_file(tmp_path, "five", {"ss_output_name": "None"})]
    shelf = LoraShelf(lambda: files)
    found = {name: file.stem if (file := shelf.find(name)) else None for name in ("one", "style", "shared", "two", "None", "gone", "ONE")}
    assert found == {"one": "one", "style": "one", "shared": None, "two": "two", "None": None, "gone": None, "ONE": None}


def test_a_file_put_there_later_is_found_after_one_refresh(tmp_path):
    files = []
    shelf = LoraShelf(lambda: files, refresh=lambda: files.append(lora_file(tmp_path, "late")))
    assert shelf.find("late") is not None and len(files) == 1


def test_a_file_that_was_written_anew_is_read_anew_and_one_that_is_gone_is_what_it_was(tmp_path):
    file = lora_file(tmp_path, "trained")
    shelf = LoraShelf(lambda: [file])
    first = shelf.load(file)
    assert shelf.load(file) is first
    lora_file(tmp_path, "trained", **{"lora_unet_conv_in.lora_up.weight": randn(2, 3)})
    second = shelf.load(file)
    assert list(second.layers["unet_conv_in"]["lora_up.weight"].shape) == [2, 3]
    file.path.unlink()
    assert shelf.load(second.file) is second


def test_the_hash_is_of_the_tensors_unless_the_trainer_wrote_one(tmp_path):
    one, two = lora_file(tmp_path, "one"), lora_file(tmp_path, "two", {"ss_output_name": "other header"})
    shelf = LoraShelf(lambda: [one, two])
    assert shelf.short_hash(one) == shelf.short_hash(two) and len(shelf.short_hash(one)) == 12
    assert shelf.short_hash(lora_file(tmp_path, "three", {"sshs_model_hash": "ab" * 32})) == "ab" * 6


def test_a_file_that_was_used_before_the_restart_is_found_by_its_hash(tmp_path):
    file, kept = lora_file(tmp_path, "renamed since"), tmp_path / "models.json"
    digits = LoraShelf(lambda: [file], facts=FileCache(kept)).short_hash(file)
    assert LoraShelf(lambda: [file], facts=FileCache(kept)).find_by_hash(digits) == file
    assert LoraShelf(lambda: [file]).find_by_hash(digits) is None


def test_old_pickles_and_bundled_embeddings_are_read(tmp_path):
    torch.save({"lora_unet_conv_in.lora_up.weight": UP}, tmp_path / "old.pt")
    assert list(read_lora(ModelFile(path=tmp_path / "old.pt", name="old.pt", kind="lora")).layers) == ["unet_conv_in"]
    lora = read_lora(lora_file(tmp_path, "with", **{"lora_te_x.alpha": torch.tensor(1.0), "bundle_emb.word.string_to_param.*": UP}))
    assert lora.touches_text_encoder and [(embedding.name, embedding.vector_count) for embedding in lora.embeddings] == [("word", 6)]


@pytest.mark.group("R6")
def test_a_damaged_file_says_so(tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(lora_file(tmp_path, "whole").path.read_bytes()[:-3])
    with pytest.raises(CannotLoad, match="truncated"):
        read_lora(ModelFile(path=path, name=path.name, kind="lora"))
