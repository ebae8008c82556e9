"""IP-Adapter files -> modules: what CLIP saw of a picture, or whose face is in it, becomes tokens, which every cross-attention of the UNet reads beside the prompt's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from modules.compute.placement import KeepResident, Placement
from modules.families.family import Shapes
from modules.loading.control_kinds import ControlKind, is_instant_id
from modules.loading.fill import Piece, prepared
from modules.loading.weights import Weights
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from modules.library.model_file import ModelFile
    from modules.loading.clip_vision import Seen

_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."
_PERCEIVER = "perceiver_resampler."                 # of FaceID Plus
_HEAD_WIDTH = 64


class ImagePrompter(nn.Module):
    """projection: what CLIP saw -> tokens (B, T, width). keys, values: of each cross-attention, in diffusers' order: encoder, decoder, middle."""

    def __init__(self, projection: nn.Module, sizes: list[tuple[int, int]]) -> None:
        super().__init__()
        self.projection = projection
        self.keys = nn.ModuleList([nn.Linear(width, inner, bias=False) for inner, width in sizes])
        self.values = nn.ModuleList([nn.Linear(width, inner, bias=False) for inner, width in sizes])


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePromptNetwork:
    """A loaded IP-Adapter. reads_patches: it looks at CLIP's last layer but one, not at its embedding of the whole. reads: how wide that is.

    face: how many numbers it reads of whose face it is (FaceID, InstantID), 0 for the others. Plain FaceID and InstantID do not look at what CLIP saw: they read 0 of it.
    is_instant_id: it reads a face of any length, as FaceID does not, told by another network.
    """

    module: ImagePrompter
    file: ModelFile
    reads_patches: bool
    reads: int
    face: int = 0
    is_instant_id: bool = False
    kind: ControlKind = ControlKind.IP_ADAPTER
    base: nn.Module | None = None
    placement: Placement = field(default_factory=KeepResident)
    leaves: bool = False

    @property
    def dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.module,)

    @torch.no_grad()
    def tokens(self, seen: list[Seen], nothing: Callable[[], Seen]) -> tuple[Tensor, Tensor]:
        """(with the pictures, without), each (1, T, width): several pictures count equally. nothing: what CLIP sees of no picture, where that is needed."""
        with self.placement.beside(self.module, leaves=self.leaves):
            if self.reads_patches:
                shown = [self._projected(each.hidden) for each in seen]
                return torch.stack(shown).mean(dim=0), self._projected(nothing().hidden)
            shown = [self._projected(each.embeds) for each in seen]
            return torch.stack(shown).mean(dim=0), self._projected(torch.zeros_like(seen[0].embeds))

    def _projected(self, seen: Tensor, patches: Tensor | None = None) -> Tensor:
        where: Any = {"device": self.placement.device, "dtype": self.dtype}
        if patches is not None:
            self.module.projection.clip_embeds = patches[:, None].to(**where)  # diffusers' way to hand it a second input
        return self.module.projection(seen.to(**where))

    @torch.no_grad()
    def face_tokens(self, faces: list[Tensor], seen: list[Seen], nothing: Callable[[], Seen]) -> tuple[Tensor, Tensor]:
        """``tokens`` of FaceID and InstantID. faces: (1, 512) of each picture. seen, nothing: asked where it looks at the picture, too."""
        faces = [face[:, None] for face in faces] if self.is_instant_id else faces      # one patch of a picture, to its layers
        looked = [each.hidden for each in seen] if self.reads else [None] * len(faces)
        with self.placement.beside(self.module, leaves=self.leaves):
            shown = [self._projected(face, hidden) for face, hidden in zip(faces, looked, strict=True)]
            return torch.stack(shown).mean(dim=0), self._projected(torch.zeros_like(faces[0]), nothing().hidden if self.reads else None)

    @torch.no_grad()
    def keys_and_values(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of every cross-attention; all at once, so that the adapter comes to the device once."""
        with self.placement.beside(self.module, leaves=self.leaves):
            return [(key(tokens), value(tokens)) for key, value in zip(self.module.keys, self.module.values, strict=True)]


def image_prompt_network(file: ModelFile, weights: Weights, *, dtype: torch.dtype, device: torch.device) -> ImagePromptNetwork:
    """Raises CannotLoad for a layout that is not known, or parts that are missing."""
    shapes = weights.header.shapes
    numbers = sorted({int(found[1]) for name in shapes if (found := re.fullmatch(r"ip_adapter\.(\d+)\.to_k_ip\.weight", name))})
    try:
        sizes = [(shapes[f"{_LAYERS}{number}.to_k_ip.weight"][0], shapes[f"{_LAYERS}{number}.to_k_ip.weight"][1]) for number in numbers]
        with torch.device("meta"):
            projection, names, patches, reads = _projection(shapes)
            module = ImagePrompter(projection, sizes)
    except (KeyError, IndexError) as error:
        raise CannotLoad(file.path, f"the IP-Adapter is incomplete: it lacks {error}", "Download the file again.") from error
    pieces: dict[str, str | Piece] = {f"projection.{ours}": source for ours, source in names.items()}
    for place, number in enumerate(numbers):
        pieces[f"keys.{place}.weight"] = f"{_LAYERS}{number}.to_k_ip.weight"
        pieces[f"values.{place}.weight"] = f"{_LAYERS}{number}.to_v_ip.weight"
    missing = next((name for each in pieces.values() if (name := each.name if isinstance(each, Piece) else each) not in shapes), None)
    if missing is not None or not numbers:
        raise CannotLoad(file.path, f"the IP-Adapter is incomplete: it lacks {missing or 'its layers'}", "Download the file again.")
    filled = prepared(module, pieces, weights, part="IP-Adapter").fill(dtype=dtype, device=device)
    if reads_face(shapes) and patches:
        filled.projection.shortcut = "v2" in file.path.stem.lower()     # type: ignore[assignment]  # nothing in the file says so
    return ImagePromptNetwork(module=filled, file=file, reads_patches=patches, reads=reads, face=reads_face(shapes), is_instant_id=is_instant_id(shapes))


def reads_face(shapes: Shapes) -> int:
    """How many numbers a FaceID or InstantID adapter reads of a face; 0 for other files."""
    if is_instant_id(shapes):
        return shapes[f"{_PROJECTION}proj_in.weight"][1]
    if f"{_PROJECTION}proj.2.weight" not in shapes or f"{_PROJECTION}proj.3.weight" in shapes:
        return 0
    return shapes.get(f"{_PROJECTION}proj.0.weight", (0, 0))[1]


def reads_of(shapes: Shapes) -> tuple[bool, int] | None:
    """Which of CLIP's outputs an IP-Adapter reads (its last layer but one, or its embedding of the whole), and how wide; None for other files, plain FaceID and InstantID."""
    if reads_face(shapes):
        perceiver = shapes.get(f"{_PROJECTION}{_PERCEIVER}proj_in.weight")
        return None if perceiver is None else (True, perceiver[1])
    patches = next((shapes[name][1] for name in (f"{_PROJECTION}proj_in.weight", f"{_PROJECTION}proj.0.weight") if name in shapes), None)
    if patches is not None:
        return True, patches
    whole = shapes.get(f"{_PROJECTION}proj.weight")
    return None if whole is None else (False, whole[1])


def _projection(shapes: Shapes) -> tuple[nn.Module, Mapping[str, str | Piece], bool, int]:
    """The module, its names in the file, and which of CLIP's outputs it reads, how wide."""
    from diffusers.models.embeddings import ImageProjection, IPAdapterFullImageProjection, IPAdapterPlusImageProjection

    own = {name.removeprefix(_PROJECTION): shape for name, shape in shapes.items() if name.startswith(_PROJECTION)}
    width = next(shape[1] for name, shape in shapes.items() if name.endswith(".to_k_ip.weight"))
    if "proj.weight" in own:
        rows, reads = own["proj.weight"]
        return ImageProjection(reads, width, rows // width), {re.sub(r"^proj\.", "image_embeds.", name): _PROJECTION + name for name in own}, False, reads
    if "proj.3.weight" in own:
        reads = own["proj.0.weight"][1]
        return IPAdapterFullImageProjection(reads, width), _renamed(own, {"proj.0": "ff.net.0.proj", "proj.2": "ff.net.2", "proj.3": "norm"}), True, reads
    instant = is_instant_id(shapes)
    if reads_face(shapes) and not instant:
        return _face_projection(own, width)
    _, queries, hidden = own["latents"]
    depth = len({name.split(".")[1] for name in own if name.startswith("layers.")})
    heads = own["layers.0.0.to_q.weight"][0] // _HEAD_WIDTH
    ratio = own["layers.0.1.1.weight"][0] / hidden
    module = IPAdapterPlusImageProjection(
        embed_dims=own["proj_in.weight"][1], output_dims=own["proj_out.weight"][0], hidden_dims=hidden, depth=depth, dim_head=_HEAD_WIDTH, heads=heads,
        num_queries=queries, ffn_ratio=ratio,
    )
    return module, dict(_resampler_names(own)), not instant, 0 if instant else own["proj_in.weight"][1]


def _face_projection(own: Shapes, width: int) -> tuple[nn.Module, Mapping[str, str | Piece], bool, int]:
    """``_projection`` of FaceID, which diffusers has under other names."""
    from diffusers.models.embeddings import IPAdapterFaceIDImageProjection, IPAdapterFaceIDPlusImageProjection

    (inner, face), rows = own["proj.0.weight"], own["proj.2.weight"][0]
    perceiver = {name.removeprefix(_PERCEIVER): shape for name, shape in own.items() if name.startswith(_PERCEIVER)}
    if not perceiver:
        places = {"proj.0": "ff.net.0.proj", "proj.2": "ff.net.2", "norm": "norm"}
        module: nn.Module = IPAdapterFaceIDImageProjection(face, width, inner // face, rows // width)
        return module, _renamed(own, places), False, 0
    hidden, reads = perceiver["proj_in.weight"]
    depth = len({name.split(".")[1] for name in perceiver if name.startswith("layers.")})
    module = IPAdapterFaceIDPlusImageProjection(
        embed_dims=hidden, output_dims=perceiver["proj_out.weight"][0], hidden_dims=reads, id_embeddings_dim=face, depth=depth, dim_head=_HEAD_WIDTH,
        heads=perceiver["layers.0.0.to_q.weight"][0] // _HEAD_WIDTH, num_tokens=rows // hidden, ffn_ratio=perceiver["layers.0.1.1.weight"][0] / hidden,
        ffproj_ratio=inner // face)
    head = {name: shape for name, shape in own.items() if not name.startswith(_PERCEIVER)}
    names = _renamed(head, {"proj.0": "proj.net.0.proj", "proj.2": "proj.net.2", "norm": "norm"})
    return module, {**names, **dict(_resampler_names(perceiver, _PROJECTION + _PERCEIVER))}, True, reads


def _renamed(own: Shapes, places: Mapping[str, str]) -> dict[str, str | Piece]:
    """Ours -> the file's name. places: the file's module -> ours."""
    return {f"{places[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": _PROJECTION + name for name in own}


_RESAMPLER = {
    "0.norm1": "ln0", "0.norm2": "ln1", "0.to_q": "attn.to_q", "0.to_out": "attn.to_out.0", "1.0": "ff.0", "1.1": "ff.1.net.0.proj", "1.3": "ff.1.net.2",
}  # fmt: skip


def _resampler_names(own: Mapping[str, Any], prefix: str = _PROJECTION) -> list[tuple[str, str | Piece]]:
    """Names within the projection; key and value are one tensor in the files."""
    found: list[tuple[str, str | Piece]] = []
    for name in own:
        layer = re.fullmatch(r"layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if layer is None:
            found.append((name, prefix + name))
        elif layer[2] == "0.to_kv":
            found += [(f"layers.{layer[1]}.attn.{part}.{layer[3]}", Piece(prefix + name, index=index, of=2)) for index, part in enumerate(("to_k", "to_v"))]
        else:
            found.append((f"layers.{layer[1]}.{_RESAMPLER.get(layer[2], layer[2])}.{layer[3]}", prefix + name))
    return found
