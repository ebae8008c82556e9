"""Prompts to conditioning on a small text encoder: laws that hold for any weights."""

from types import SimpleNamespace

import pytest
import torch

from modules.engine.conditioning import ConditioningPart, PromptConditioning, ScheduledConditioning
from modules.engine.conditioning_cache import ConditioningCache
from modules.engine.encode_prompt import encode_empty_prompt, encode_prompts
from modules.engine.resolved import SamplingOptions
from modules.families.family import CLIP_L
from modules.families.sd15 import SD1
from modules.library.model_file import ModelFile
from modules.loading.components import TextEncoder
from modules.schema.errors import InvalidValue

WIDTH = 8


@pytest.fixture(scope="module")
def components():
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = CLIPTextConfig(vocab_size=49408, hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, pad_token_id=1)
    module = CLIPTextModel(config).eval()
    for parameter in module.final_layer_norm.parameters():     # an untrained norm leaves a mean of zero
        parameter.data += torch.rand(WIDTH)
    return SimpleNamespace(text_encoders=(TextEncoder(built=module, tokenizer=None, spec=CLIP_L),), family=SD1, checkpoint=ModelFile(path="x", name="x", kind="checkpoint"))


def encode(components, positive, negative="", *, steps=8, hires_steps=None, cache=None, **options):
    positive, negative = ([each] if isinstance(each, str) else each for each in (positive, negative))
    return encode_prompts(positive, negative, components, steps=steps, hires_steps=hires_steps, options=SamplingOptions(**options), cache=cache)


def rows(conditioning, step=0):
    return conditioning.at(step).cond


def test_shapes_of_a_batch_with_parts(components):
    now = encode(components, ["a AND b :0.5", "c"], ["", ""]).at(0)
    assert now.cond.shape == (3, 77, WIDTH) and now.uncond.shape == (2, 77, WIDTH)
    assert now.cond_weights == (((0, 1.0), (1, 0.5)), ((2, 1.0),))


def test_an_image_of_a_batch_has_what_it_has_alone(components):
    together = rows(encode(components, ["a cat", "(a dog:1.4) " * 40], ["", ""]))
    assert torch.equal(together[0, :77], rows(encode(components, "a cat"))[0])
    assert torch.equal(together[0, 77:], together[0, 76:77].expand(77, -1))     # the shorter one repeats its last token


def test_lengths_of_positive_and_negative_may_differ(components):
    now = encode(components, "cat " * 100, "dog").at(0)
    assert now.cond.shape[1] == 154 and now.uncond.shape[1] == 77


def test_editing_switches_after_its_step_and_equal_steps_share_a_tensor(components):
    conditioning = encode(components, "a [cat:dog:4]")
    cat, dog = rows(encode(components, "a cat")), rows(encode(components, "a dog"))
    for step in range(9):
        assert torch.allclose(rows(conditioning, step), cat if step <= 4 else dog, atol=1e-6)
    assert conditioning.at(0).cond is conditioning.at(3).cond
    assert conditioning.at(0).uncond is conditioning.at(7).uncond


def test_past_the_last_step_the_first_text_comes_back(components):
    conditioning = encode(components, "a [cat:dog:4]")
    assert torch.equal(rows(conditioning, 9), rows(conditioning, 0))


def test_the_hires_pass_runs_on_its_own_timeline(components):
    conditioning = encode(components, "a [cat:dog:0.5]", hires_steps=4)
    assert torch.allclose(rows(conditioning), rows(encode(components, "a dog")), atol=1e-6)


@pytest.mark.parametrize("emphasis", ["None", "Ignore"])
def test_modes_without_weights_leave_plain_text_alone(components, emphasis):
    assert torch.equal(rows(encode(components, "a cat", emphasis=emphasis)), rows(encode(components, "a cat")))


def test_ignore_reads_brackets_and_weighs_nothing(components):
    assert torch.equal(rows(encode(components, "(a:1.5) cat", emphasis="Ignore")), rows(encode(components, "a cat")))


def test_original_restores_the_mean_and_no_norm_does_not(components):
    plain, original = rows(encode(components, "a cat")), rows(encode(components, "(a:1.5) cat"))
    assert original.mean().item() == pytest.approx(plain.mean().item(), rel=1e-4)
    no_norm = rows(encode(components, "(a:1.5) cat", emphasis="No norm"))
    assert torch.allclose(no_norm[0, 1], plain[0, 1] * 1.5) and torch.equal(no_norm[0, 2:], plain[0, 2:])


def test_original_counts_a_text_as_often_as_the_schedule_has_it(components):
    """Alternation over an odd number of steps: the mean is of all steps' texts, not of the distinct ones."""
    texts = ["(a:1.5) cat", "(a:1.5) dog"]
    plain = [rows(encode(components, text, emphasis="Ignore"))[0] for text in texts]
    weighted = [rows(encode(components, text, emphasis="No norm"))[0] for text in texts]
    shares = torch.tensor([2 / 3, 1 / 3])
    ratio = (torch.stack([z.mean() for z in plain]) * shares).sum() / (torch.stack([z.mean() for z in weighted]) * shares).sum()
    assert torch.allclose(rows(encode(components, "(a:1.5) [cat|dog]", steps=3))[0], weighted[0] * ratio, rtol=1e-4)


def test_clip_skip_takes_an_earlier_layer_and_refuses_one_that_is_not_there(components):
    module = components.text_encoders[0].module
    states = module(input_ids=torch.tensor([[49406, *[49407] * 76]]), output_hidden_states=True).hidden_states
    assert torch.allclose(rows(encode(components, "", clip_skip=2)), module.final_layer_norm(states[-2]), atol=1e-6)
    with pytest.raises(InvalidValue, match="Clip skip 5"):
        encode(components, "", clip_skip=5)


def test_tags_in_the_positive_prompt_are_left_out_and_in_the_negative_one_they_are_words(components):
    plain = encode(components, "a cat", "a cat")
    tagged = encode(components, "a cat<lora:x:1>", "a cat<lora:x:1>")
    assert torch.equal(rows(tagged), rows(plain)) and not torch.equal(tagged.at(0).uncond, plain.at(0).uncond)


def test_facts_for_the_infotext(components):
    assert encode(components, "(a) cat").facts == {}
    assert encode(components, "(a) cat", emphasis="No norm").facts == {"Emphasis": "No norm"}
    assert encode(components, "a cat", emphasis="No norm").facts == {}
    assert encode(components, "[a:b:1.0]", use_old_scheduling=True).facts == {"Old prompt editing timelines": True}
    assert encode(components, "[a:b:0.5]", use_old_scheduling=True).facts == {}


def test_the_cache_answers_equal_requests_and_only_those(components):
    cache, calls = ConditioningCache(), []
    hook = components.text_encoders[0].module.register_forward_hook(lambda *_: calls.append(1))
    try:
        first = rows(encode(components, "a cat", cache=cache))
        assert len(calls) == 2
        assert torch.equal(rows(encode(components, "a cat", cache=cache)), first) and len(calls) == 2
        encode(components, "a cat", cache=cache, clip_skip=2)
        assert len(calls) == 4
        encode_prompts(["a cat"], [""], components, steps=8, options=SamplingOptions(), cache=cache, networks=("other weights",))
        assert len(calls) == 6
    finally:
        hook.remove()


def test_the_cache_drops_the_oldest_beyond_its_size():
    cache = ConditioningCache(max_bytes=80)
    for key in "abc":
        cache.get(key, lambda: torch.zeros(10))
    assert len(cache) == 2
    cache.get("big", lambda: torch.zeros(100))
    assert len(cache) == 2


def test_old_emphasis_says_what_it_cut_off(components):
    conditioning = encode(components, "cat " * 80, use_old_emphasis_implementation=True)
    assert rows(conditioning).shape[1] == 77 and "5 tokens too long" in conditioning.comments[0]


def test_the_padding_of_pad_cond_uncond_is_the_empty_prompt(components):
    empty = encode(components, "", pad_cond_uncond=True).empty_prompt
    assert empty is not None and torch.equal(empty, encode_empty_prompt(components, SamplingOptions()))
    assert encode(components, "").empty_prompt is None


def test_nothing_of_the_encoder_is_left_changed(components):
    module = components.text_encoders[0].module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    encode(components, "(a:1.2) cat", clip_skip=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not module.get_input_embeddings()._forward_hooks


def test_parts_can_be_built_by_hand():
    entry = ScheduledConditioning(until=2, tensor=torch.ones(77, 4))
    conditioning = PromptConditioning([[ConditioningPart(entries=(entry,), weight=-0.5)]], [ConditioningPart(entries=(entry,))])
    assert conditioning.at(7).cond_weights == (((0, -0.5),),)
