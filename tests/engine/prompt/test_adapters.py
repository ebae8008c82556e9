"""LoRAs on a model: what they add while they are active, and that nothing of it is left."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from modules.compute.placement import KeepResident
from modules.engine.adapters import NetworkSwitch, _other_family
from modules.engine.extra_networks import take_out_tags
from modules.families.family import CLIP_L
from modules.library.model_file import ModelFile
from modules.loading.lora import Lora, LoraShelf

UP, DOWN = torch.ones(4, 1), torch.ones(1, 4)


def model(dtype=torch.float32):
    torch.manual_seed(0)
    unet = nn.ModuleDict({"conv_in": nn.Linear(4, 4, dtype=dtype), "conv_out": nn.Conv2d(4, 4, 1, dtype=dtype)})
    text = nn.ModuleDict({"encoder": nn.ModuleDict({"q": nn.Linear(4, 4, dtype=dtype)})})
    return SimpleNamespace(unet=unet, text_encoders=(SimpleNamespace(module=text, spec=CLIP_L),), family=SimpleNamespace(name="SD1", denoiser="unet"), placement=KeepResident())


@pytest.fixture
def shelf(tmp_path):
    def layer(name, up=UP, down=DOWN):
        return {f"{name}.lora_up.weight": up.clone(), f"{name}.lora_down.weight": down.clone()}

    files = {
        "both": layer("lora_unet_conv_in") | layer("lora_unet_conv_out", UP[..., None, None], DOWN[..., None, None]) | layer("lora_te_text_model_encoder_q"),
        "part": layer("lora_unet_conv_in") | layer("lora_unet_other"),
        "wide": layer("lora_unet_conv_in") | layer("lora_unet_conv_out", torch.ones(9, 1)),
        "foreign": layer("lora_unet_double_blocks_0_img_attn_qkv"),
        "flux": layer("lora_unet_double_blocks_0_img_attn_qkv") | layer("lora_te1_text_model_encoder_q"),
        "sd2": layer("lora_unet_blocks_0_attn") | layer("lora_te_text_model_encoder_q"),
        "not-numbers": layer("lora_unet_conv_in", UP * float("nan")),
        "bias": {"diffusion_model.conv_in.diff_b": torch.ones(4)},
        "bias-too": layer("lora_unet_conv_in") | {"lora_unet_conv_in.diff_b": torch.ones(4) * 3},
        "no-down": {"lora_unet_conv_in.lora_up.weight": UP.clone(), "lora_unet_conv_in.alpha": torch.tensor(1.0)},
        "rank-0": layer("lora_unet_conv_in", torch.ones(4, 0), torch.ones(0, 4)),
        "two-alphas": layer("lora_unet_conv_in") | {"lora_unet_conv_in.alpha": torch.ones(2)},
        "odd-halves": layer("lora_unet_conv_in", torch.ones(4, 3)),
        "half-whole": layer("lora_unet_conv_in") | {"lora_unet_conv_out.lora_up.weight": UP.clone()},
        "bundle": layer("lora_unet_conv_in") | {"bundle_emb.word.string_to_param.*": torch.ones(2, 8)},
        "full": {"lora_unet_conv_in.diff": torch.ones(4, 4), "lora_unet_conv_in.diff_b": torch.ones(4)},
    }
    for name, tensors in files.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    (tmp_path / "broken.safetensors").write_text("nothing")
    found = [ModelFile(path=path, name=path.name, kind="lora") for path in sorted(tmp_path.iterdir())]
    return LoraShelf(lambda: found)


def tensors(components):
    modules = (components.unet, components.text_encoders[0].module)
    return {f"{number}.{name}": tensor.clone() for number, module in enumerate(modules) for name, tensor in module.state_dict().items()}


def change(components, shelf, prompt):
    """What is added to each weight, where anything is; and what was said."""
    before = tensors(components)
    with NetworkSwitch(components, shelf) as switch:
        active = switch.use(take_out_tags(prompt)[1])
        during = tensors(components)
    after = tensors(components)
    assert all(torch.equal(after[name], before[name]) for name in before)
    return {name: (during[name] - before[name]).mean().item() for name in before if not torch.equal(during[name], before[name])}, active


def test_strengths_of_text_encoder_and_unet(shelf):
    added, active = change(model(), shelf, "<lora:both:0.5:2>")
    assert added == pytest.approx({"0.conv_in.weight": 2.0, "0.conv_out.weight": 2.0, "1.encoder.q.weight": 0.5}, abs=1e-6)
    assert active.comments == ()


def test_a_strength_of_zero_changes_nothing_there(shelf):
    assert set(change(model(), shelf, "<lora:both:0:1>")[0]) == {"0.conv_in.weight", "0.conv_out.weight"}
    added, active = change(model(), shelf, "<lora:both:te=1:unet=0>")
    assert set(added) == {"1.encoder.q.weight"} and active.text_key


def test_several_add_up_also_the_same_one_twice(shelf):
    assert change(model(), shelf, "<lora:part:1><lora:part:1><lora:full:0.5>")[0] == pytest.approx(
        {"0.conv_in.weight": 2.5, "0.conv_in.bias": 0.5}, abs=1e-6)


def test_a_bias_alone_or_beside_any_form(shelf):
    assert change(model(), shelf, "<lora:bias:0.5>")[0] == pytest.approx({"0.conv_in.bias": 0.5}, abs=1e-6)
    assert change(model(), shelf, "<lora:bias-too:0.5>")[0] == pytest.approx({"0.conv_in.weight": 0.5, "0.conv_in.bias": 1.5}, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_are_the_same_to_the_last_bit_afterwards(shelf, dtype):
    components = model(dtype)
    for _ in range(3):
        change(components, shelf, "<lora:both:0.3><lora:full:-1.7>")    # asserts it


def test_they_are_taken_out_after_an_error_too(shelf):
    components = model()
    before = tensors(components)
    with pytest.raises(ZeroDivisionError), NetworkSwitch(components, shelf) as switch:
        switch.use(take_out_tags("<lora:both>")[1])
        raise ZeroDivisionError
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(components).items())


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("<lora:gone:1>", "'gone' was not found"),
        ("<lora:broken:1>", "'broken' was left out. Cannot load"),
        ("<lora:foreign:1>", "'foreign' changes nothing in this checkpoint: it was trained for another kind of model than SD1"),
        ("<lora:flux:1>", "'flux' was left out: it was trained for Flux, and this checkpoint is SD1"),
        ("<lora:sd2:1>", "'sd2' was left out: it was trained for another kind of model"),
        ("<lora:not-numbers:1>", "'not-numbers' was left out. Cannot load"),
        ("<lora:part:1>", "1 of the 2 layers of the LoRA 'part' do not fit this checkpoint and were left out (the first: unet_other)"),
        ("<lora:wide:1>", "the first: unet_conv_out"),
        ("<lora:no-down:1>", "its file is damaged or incomplete (layer unet_conv_in: its tensors (alpha, lora_up.weight) are not all"),
        ("<lora:rank-0:1>", "damaged or incomplete (layer unet_conv_in: its lora_down.weight is empty)"),
        ("<lora:two-alphas:1>", "damaged or incomplete (layer unet_conv_in: its alpha holds 2 values)"),
        ("<lora:odd-halves:1>", "damaged or incomplete (layer unet_conv_in: its halves are of rank 3 and 1)"),
        ("<lora:half-whole:1>", "left out (the first: unet_conv_out: its tensors (lora_up.weight) are not all"),
        ("<lora:both:x>", "no strength"),
        ("<hypernet:a:1>", "The hypernetwork 'a' was not found"),
        ("<other:a:1>", "<other:..> was left out"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_is_used(shelf, prompt, said):
    added, active = change(model(), shelf, prompt + "<lora:full:1>")
    assert "0.conv_in.bias" in added and "1.encoder.q.weight" not in added and len(active.comments) == 1 and said in active.comments[0]


def test_facts_and_the_key_for_encoded_prompts(shelf):
    _, active = change(model(), shelf, "<lora:both:0.5><lora:part:1><lora:both:0.1>")      # named once each, as in A1111
    assert [entry.split(":")[0] for entry in str(active.facts["Lora hashes"]).split(", ")] == ["both", "part"]
    keys = {change(model(), shelf, prompt)[1].text_key for prompt in ("", "<lora:part>", "<lora:both:0:1>")}
    assert keys == {()}
    assert change(model(), shelf, "<lora:both:0.5>")[1].text_key != change(model(), shelf, "<lora:both:0.6>")[1].text_key


def test_texts_of_pictures_name_the_lora_that_an_embedding_came_in(shelf):
    """A1111 writes ``TI hashes: "word: bundle"``: the embedding has no file of its own whose hash could stand there."""
    _, active = change(model(), shelf, "<lora:bundle:1>")
    assert [(each.name, each.short_hash) for each in active.embeddings] == [("word", "bundle")]


def test_a_switch_replaces_what_was_on_and_leaves_equal_requests_alone(shelf):
    components = model()
    before = tensors(components)
    both, full = (take_out_tags(prompt)[1] for prompt in ("<lora:both>", "<lora:full>"))
    with NetworkSwitch(components, shelf) as switch:
        switch.use(both)
        weight = components.unet["conv_in"].weight.data
        switch.use(both)
        assert components.unet["conv_in"].weight.data.data_ptr() == weight.data_ptr()
        switch.use(full)
        added = tensors(components)["0.conv_in.weight"] - before["0.conv_in.weight"]
        assert added.mean().item() == pytest.approx(1.0) and torch.equal(tensors(components)["1.encoder.q.weight"], before["1.encoder.q.weight"])
        assert switch.use(()).facts == {}
        assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(components).items())
        switch.use(both)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(components).items())


def test_without_a_shelf_nothing_is_known_and_nothing_said():
    with NetworkSwitch(model(), None) as switch:
        assert switch.use(take_out_tags("<lora:both>")[1]).comments == ()


def test_a_lora_for_models_with_other_text_is_left_out_whole_and_told():
    layers = {"unet_attn2_to_k": (torch.nn.Linear(2048, 4),), "unet_attn1_to_k": (torch.nn.Linear(4, 4),)}

    def parts(width: int) -> dict[str, torch.Tensor]:
        return {"lora_down.weight": torch.zeros(2, width), "lora_up.weight": torch.zeros(4, 2)}

    def lora(width: int) -> Lora:
        file = ModelFile(path="x", name="x", kind="lora")
        return Lora(file=file, layers={"unet_attn1_to_k": parts(4), "unet_attn2_to_k": parts(width)})

    assert _other_family(lora(768), layers) == "SD 1.x"
    assert _other_family(lora(2048), layers) == ""
    assert _other_family(lora(56), layers) == "models whose text is 56 values wide"


@pytest.mark.parametrize("form", [
    {"hada_w1_a": torch.zeros(4, 2), "hada_w1_b": torch.zeros(2, 768), "hada_w2_a": torch.zeros(4, 2), "hada_w2_b": torch.zeros(2, 768)},
    {"lokr_w1": torch.zeros(2, 2), "lokr_w2_a": torch.zeros(2, 1), "lokr_w2_b": torch.zeros(1, 384)}, {"diff": torch.zeros(4, 768)},
])
def test_so_is_a_network_of_another_form(form):
    file = ModelFile(path="x", name="x", kind="lora")
    assert _other_family(Lora(file=file, layers={"unet_attn2_to_k": form}), {"unet_attn2_to_k": (torch.nn.Linear(2048, 4),)}) == "SD 1.x"


ODD = {
    "a bias of another size": {"diff_b": torch.ones(3)},
    "a bias of another size beside its ranks": {"lora_up.weight": UP, "lora_down.weight": DOWN, "lora_up.bias": torch.ones(9)},
    "single numbers": {"lora_up.weight": torch.ones(4), "lora_down.weight": torch.tensor(1.0)},
    "factors without sides": {"lokr_w1": torch.ones(3), "lokr_w2": torch.ones(2)},
    "an alpha of several": {"lora_up.weight": UP, "lora_down.weight": DOWN, "alpha": torch.ones(4)},
}  # fmt: skip


@pytest.mark.parametrize("parts", ODD.values(), ids=ODD)
def test_a_layer_of_no_possible_shape_is_left_out_and_told(parts, tmp_path):
    components = model()
    components.unet["attn2_to_k"] = nn.Linear(4, 4)
    layers = {f"lora_unet_{layer}.{part}": tensor.clone() for layer in ("conv_in", "attn2_to_k") for part, tensor in parts.items()}
    save_file(layers | {"lora_unet_conv_out.diff": torch.ones(4, 4, 1, 1)}, tmp_path / "odd.safetensors")
    shelf = LoraShelf(lambda: [ModelFile(path=tmp_path / "odd.safetensors", name="odd.safetensors", kind="lora")])
    added, active = change(components, shelf, "<lora:odd:1>")
    assert list(added) == ["0.conv_out.weight"] and "2 of the 3 layers of the LoRA 'odd' do not fit" in active.comments[0]


def test_memory_that_runs_out_is_not_taken_for_a_layer_that_does_not_fit(shelf, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("modules.engine.adapters.layer_change", full)
    with pytest.raises(torch.OutOfMemoryError):
        change(model(), shelf, "<lora:both:1>")
