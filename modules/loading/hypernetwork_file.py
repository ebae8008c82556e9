"""A hypernetwork as it is trained: its layers under A1111's names, what its file says of them, and that file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from modules.loading.hypernetwork import activations, read_file, renamed
from modules.schema.errors import CannotLoad, InvalidValue
from modules.schema.params_training import INITS

_USUAL_DROPOUT = 0.3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How the networks are made. structure: how many times as wide as its input each layer's output is, 1 first and last. dropout: after each of them."""

    structure: tuple[float, ...] = (1, 2, 1)
    activation: str = "linear"
    init: str = "Normal"
    norm: bool = False
    dropout: tuple[float, ...] = ()
    activates_output: bool = False

    def check(self) -> None:
        """Raises InvalidValue."""
        if len(self.structure) < 2 or self.structure[0] != 1 or self.structure[-1] != 1 or not all(0 < each <= 64 for each in self.structure):
            raise InvalidValue("The layer structure must begin and end with 1.", "Write it as 1, 2, 1.", field="layer_structure")
        if self.activation != "linear" and self.activation not in activations():
            raise InvalidValue(f"There is no activation {self.activation[:40]!r}.", f"Choose linear, {', '.join(activations())}.", field="activation_func")
        if self.init not in INITS:
            raise InvalidValue(f"There is no initialization {self.init[:40]!r}.", f"Choose {', '.join(INITS)}.", field="weight_init")
        if self.dropout and (len(self.dropout) != len(self.structure) or self.dropout[-1] != 0 or not all(0 <= each < 1 for each in self.dropout)):
            raise InvalidValue("The dropout structure must have as many numbers as the layers, from 0 up to 1, the last one 0.", "Write it as 0, 0.1, 0.", field="dropout_structure")


@dataclass(kw_only=True, eq=False)
class TrainableHypernetwork:
    """layers: width -> networks for keys and values; each gives the change, to be added. step: of its training. extra: what else its file says."""

    name: str
    shape: Shape
    layers: Mapping[int, tuple[nn.Sequential, nn.Sequential]]
    step: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, name: str, shape: Shape, widths: Sequence[int]) -> TrainableHypernetwork:
        """With weights of chance. Raises InvalidValue."""
        shape.check()
        layers = {width: (_fresh(width, shape), _fresh(width, shape)) for width in widths}
        found = cls(name=name, shape=shape, layers=layers)
        found.check()
        return found

    @classmethod
    def read(cls, path: Path) -> TrainableHypernetwork:
        """Of a file. Raises CannotLoad."""
        values, pairs = read_file(path)
        try:
            shape = _shape_of(values)
            shape.check()
            layers = {width: (_filled(width, shape, pair[0]), _filled(width, shape, pair[1])) for width, pair in pairs.items()}
        except (InvalidValue, RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise CannotLoad(path, f"its layers are not those that it names ({str(error)[:120]})", "Choose another one to train on.") from error
        step = values.get("step")
        kept = {key: values[key] for key in ("optional_info",) if key in values}
        return cls(name=path.stem, shape=shape, layers=layers, step=step if isinstance(step, int) else 0, extra=kept)

    def check(self) -> None:
        """Whether the layers lead from each width back to it: some activations halve it. Raises InvalidValue."""
        for width, pair in self.layers.items():
            try:
                fits = all(part(torch.zeros(1, 1, width)).shape[-1] == width for part in pair)
            except (RuntimeError, ValueError):
                fits = False
            if not fits:
                raise InvalidValue(f"Layers of {self.shape.structure} with {self.shape.activation} do not fit the width {width}.", "Choose others.", field="layer_structure")

    def write(self, file: BinaryIO, *, name: str, model_hash: str, model_name: str) -> None:
        """As A1111's file, in torch's first form, which A1111 still reads. model_hash, model_name: of the checkpoint that it was trained on, "" before."""
        shape = self.shape
        values: dict[Any, Any] = {width: tuple(_saved(part) for part in pair) for width, pair in self.layers.items()}
        values |= {
            "step": self.step, "name": name, "layer_structure": list(shape.structure), "activation_func": shape.activation, "is_layer_norm": shape.norm,
            "weight_initialization": shape.init, "sd_checkpoint": model_hash or None, "sd_checkpoint_name": model_name or None,
            "activate_output": shape.activates_output, "use_dropout": any(shape.dropout), "dropout_structure": list(shape.dropout) or [0] * len(shape.structure),
            "last_layer_dropout": bool(shape.dropout) and shape.dropout[-2] != 0, "optional_info": None,
        }  # fmt: skip
        torch.save(values | dict(self.extra), file, _use_new_zipfile_serialization=False)


def _layers(width: int, shape: Shape) -> nn.Sequential:
    found: list[nn.Module] = []
    last = len(shape.structure) - 2
    for place in range(last + 1):
        into, out = (int(width * each) for each in shape.structure[place : place + 2])
        found.append(nn.Linear(into, out))
        if shape.activation != "linear" and (place < last or shape.activates_output):
            found.append(activations()[shape.activation]())
        if shape.norm:
            found.append(nn.LayerNorm(out))
        if shape.dropout and shape.dropout[place + 1] > 0:
            found.append(nn.Dropout(shape.dropout[place + 1]))
    return nn.Sequential(*found)


def _fresh(width: int, shape: Shape) -> nn.Sequential:
    made = _layers(width, shape)
    for layer in made:
        if isinstance(layer, nn.LayerNorm) or (isinstance(layer, nn.Linear) and shape.init == "Normal"):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            kind, rectifier = getattr(nn.init, _INIT_OF[shape.init]), "leaky_relu" if shape.activation == "leakyrelu" else "relu"
            kind(layer.weight, **({"nonlinearity": rectifier} if "Kaiming" in shape.init else {}))
            nn.init.zeros_(layer.bias)
    return made.requires_grad_(False).eval()


_INIT_OF = {"KaimingUniform": "kaiming_uniform_", "KaimingNormal": "kaiming_normal_", "XavierUniform": "xavier_uniform_", "XavierNormal": "xavier_normal_"}


def _filled(width: int, shape: Shape, saved: Mapping[str, Any]) -> nn.Sequential:
    made = _layers(width, shape)
    made.load_state_dict({renamed(name).partition(".")[2]: tensor for name, tensor in saved.items()})
    return made.requires_grad_(False).eval()


def _saved(part: nn.Sequential) -> dict[str, Any]:
    return {f"linear.{name}": tensor.detach().cpu().clone() for name, tensor in part.state_dict().items()}


def _shape_of(values: Mapping[Any, Any]) -> Shape:
    structure = tuple(float(each) for each in values.get("layer_structure") or (1, 2, 1))
    dropout = values.get("dropout_structure")
    if dropout is None and values.get("use_dropout"):
        inner = [_USUAL_DROPOUT] * (len(structure) - 3)
        dropout = [0, *inner, _USUAL_DROPOUT if values.get("last_layer_dropout") else 0, 0]
    numbers = tuple(float(each) for each in dropout or ())
    return Shape(
        structure=structure, activation=values.get("activation_func") or "linear", init=values.get("weight_initialization") or "Normal",
        norm=bool(values.get("is_layer_norm")), dropout=numbers if any(numbers) else (), activates_output=bool(values.get("activate_output", True)))
