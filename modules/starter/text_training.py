"""Trains the text encoder to say what a caption mentions, however it is worded; it is frozen afterwards.

The facts must be readable, by one linear map each, at the end token and at every padding place behind it: those are
most of the places that the UNet's cross-attention looks at.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.clip import CLIPTextModel

from modules.starter.architecture import END_TOKEN, TEXT_WIDTH, TOKENS, build_text_encoder, text_states
from modules.starter.captions import Mention, choose_mention, is_held_out, write_caption
from modules.starter.drawing import COLOUR_NAMES, OBJECTS, STYLES, Subject, random_subject
from modules.starter.tokens import UNKNOWN, full_table, known_tokens, shorten, tokenize
from modules.starter.training import Run, device, half_precision, to_device

log = logging.getLogger(__name__)

STEPS = 2500
PAIRS_PER_STEP = 32
SHORT_LENGTH = 36  # room for any caption of the grammar; most steps leave the places behind it out, to save time
FULL_LENGTH_SHARE = 0.25
STRANGE_WORDS_SHARE = 0.35  # captions that also hold words which the encoder does not know
AGREEMENT_WEIGHT = 0.5
FACTS = {"object": OBJECTS, "colour": COLOUR_NAMES, "background": COLOUR_NAMES, "style": STYLES}


class FactReader(nn.Module):
    """One linear map per fact; class 0 means "not mentioned"."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({fact: nn.Linear(TEXT_WIDTH, 1 + len(names)) for fact, names in FACTS.items()})

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        return {fact: linear(states) for fact, linear in self.maps.items()}


def trainable_subject(rng: np.random.Generator) -> Subject:
    """A random subject outside the held-out combinations."""
    while True:
        subject = random_subject(rng)
        if not is_held_out(subject.object, subject.colour, subject.background):
            return subject


def train_text_encoder(steps: int = STEPS) -> CLIPTextModel:
    """Returns the encoder with CLIP's full vocabulary."""
    torch.manual_seed(0)
    encoder = build_text_encoder(vocabulary=1 + len(known_tokens()))
    reader = FactReader()
    to_device(encoder)
    to_device(reader)
    weights = [*encoder.parameters(), *reader.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    run = Run(
        name="text", networks={"encoder": encoder, "reader": reader}, optimiser=optimiser, steps=steps, peak_rate=1e-3, floor_rate=1e-5
    )
    run.resume()
    rng = np.random.default_rng(run.step)
    for step in run.remaining_steps():
        tokens, facts = _batch(rng)
        tokens = tokens.to(device())
        with half_precision():
            states = text_states(encoder, tokens).float()
        is_summary = tokens == 1 + known_tokens().index(END_TOKEN)
        loss = _reading_loss(reader, states, is_summary, facts) + AGREEMENT_WEIGHT * _disagreement(states, is_summary)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        with torch.no_grad():
            encoder.embeddings.token_embedding.weight[UNKNOWN] = 0
        if step % 50 == 0:
            log.info("text step %d: loss %.4f, facts read %s", step, loss.item(), _accuracy(reader, states, is_summary, facts))
    return with_full_vocabulary(encoder)


def with_full_vocabulary(encoder: CLIPTextModel) -> CLIPTextModel:
    state = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
    name = "embeddings.token_embedding.weight"
    state[name] = full_table(state[name])
    full = build_text_encoder()
    full.load_state_dict(state)
    return full.eval()


def _batch(rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Two wordings of each of PAIRS_PER_STEP mentions, first wordings first: (2 * pairs, 77) short tokens, and their facts."""
    mentions = [choose_mention(trainable_subject(rng), rng) for _ in range(PAIRS_PER_STEP)]
    mentions[0] = Mention()
    captions = [write_caption(mention, rng) for _ in range(2) for mention in mentions]
    length = TOKENS if rng.random() < FULL_LENGTH_SHARE else SHORT_LENGTH
    tokens = shorten(tokenize(captions))[:, :length]
    for row in tokens:
        if rng.random() < STRANGE_WORDS_SHARE:
            row[:] = _with_strange_words(row, rng)
    facts = {
        fact: torch.tensor([0 if (name := getattr(m, fact)) is None else 1 + names.index(name) for m in mentions] * 2).to(device())
        for fact, names in FACTS.items()
    }
    return tokens, facts


def _with_strange_words(row: Tensor, rng: np.random.Generator) -> Tensor:
    """Puts one to eight unknown words in random places, the later words move back."""
    words = row.tolist()
    end = words.index(1 + known_tokens().index(END_TOKEN))
    for _ in range(rng.integers(1, 9)):
        words.insert(int(rng.integers(1, end + 1)), UNKNOWN)
        end += 1
    return torch.tensor(words[: len(row)])


def _reading_loss(reader: FactReader, states: Tensor, is_summary: Tensor, facts: dict[str, Tensor]) -> Tensor:
    owner = is_summary.nonzero()[:, 0]
    losses = [
        functional.cross_entropy(scores, facts[fact][owner], label_smoothing=0.05) for fact, scores in reader(states[is_summary]).items()
    ]
    return torch.stack(losses).sum()


def _disagreement(states: Tensor, is_summary: Tensor) -> Tensor:
    """How far each summary state lies from the mean of the other wording's: small when only the facts matter."""
    share = is_summary.float() / is_summary.sum(dim=1, keepdim=True)
    means = torch.einsum("bt,btw->bw", share, states)
    other = means.roll(len(means) // 2, dims=0)
    distance = ((states - other[:, None]) ** 2).mean(dim=2)
    return (distance * share).sum(dim=1).mean()


@torch.no_grad()
def _accuracy(reader: FactReader, states: Tensor, is_summary: Tensor, facts: dict[str, Tensor]) -> dict[str, float]:
    owner = is_summary.nonzero()[:, 0]
    scores = reader(states[is_summary])
    return {fact: round((s.argmax(dim=1) == facts[fact][owner]).float().mean().item(), 3) for fact, s in scores.items()}
