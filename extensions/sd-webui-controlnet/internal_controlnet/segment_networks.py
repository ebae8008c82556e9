"""Segmentation by OneFormer from its original files, run by transformers: what every pixel belongs to, in the colours of ADE20K or COCO."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from internal_controlnet.segment_colours import ADE, COCO, outlined
from internal_controlnet.tensor_names import by_patterns

KEYS = ("oneformer_ade20k", "oneformer_coco")
# key -> pixels of the shorter side as it was shown in training, and of the longer at most
_SIDES = {"oneformer_ade20k": (640, 2560), "oneformer_coco": (800, 1333)}
_PALETTES = {"oneformer_ade20k": ADE, "oneformer_coco": COCO}
_WHOLE = 32                                         # sides are filled up to multiples of it
_TASK = (49406, 518, 10549, 533, 29119, 1550, 49407)      # "the task is semantic" in CLIP's tokens; zeros follow
_HEAD = 32                                          # channels of an attention head of the backbone
_MEAN, _SPREAD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class SegmentNetwork(nn.Module):
    """transformers' OneFormer, asked for the kind of thing at every pixel."""

    def __init__(self, key: str, network: nn.Module, tokens: int) -> None:
        super().__init__()
        self.key, self.network = key, network
        self.task: Tensor
        self.register_buffer("task", torch.tensor((*_TASK, *[0] * (tokens - len(_TASK)))).float()[None], persistent=False)

    def kinds(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3), uint8, RGB -> (H, W): the number of each pixel's kind."""
        seen = Image.fromarray(picture).resize(_fitting(self.key, *picture.shape[:2]), Image.Resampling.BILINEAR)
        values = torch.from_numpy((np.asarray(seen, np.float32) - np.float32(_MEAN)) / np.float32(_SPREAD)).permute(2, 0, 1)[None].to(self.task.device)
        height, width = values.shape[2:]
        values = nn.functional.pad(values, (0, -width % _WHOLE, 0, -height % _WHOLE))
        network: Any = self.network
        found = network(pixel_values=values, task_inputs=self.task)
        masks = nn.functional.interpolate(found.masks_queries_logits.float(), values.shape[2:], mode="bilinear", align_corners=False)[:, :, :height, :width]
        masks = nn.functional.interpolate(masks, picture.shape[:2], mode="bilinear", align_corners=False)[0]
        shares = found.class_queries_logits.float().softmax(dim=-1)[0, :, :-1]
        return torch.einsum("qc,qhw->chw", shares, masks.sigmoid()).argmax(dim=0).cpu().numpy()

    def drawn(self, picture: np.ndarray) -> np.ndarray:
        return outlined(self.kinds(picture), _PALETTES[self.key])


def _fitting(key: str, height: int, width: int) -> tuple[int, int]:
    """(width, height) as the network sees the picture."""
    shorter, longest = _SIDES[key]
    scale = shorter / min(height, width)
    if scale * max(height, width) > longest:
        scale = longest / max(height, width)
    return int(width * scale + 0.5), int(height * scale + 0.5)


def oneformer(key: str, table: Mapping[str, Tensor]) -> SegmentNetwork:
    """From the original's tensors; sizes are read off them."""
    from transformers import OneFormerConfig, OneFormerForUniversalSegmentation, SwinConfig
    from transformers.models.swin.modeling_swin import SwinRelativePositionBias

    table = {re.sub(r"^sem_seg_head\.(?!predictor\.|pixel_decoder\.)", "sem_seg_head.pixel_decoder.", name): tensor for name, tensor in table.items()}
    blocks = [_count(table, rf"backbone\.layers\.{stage}\.blocks\.(\d+)\.") for stage in range(_count(table, r"backbone\.layers\.(\d+)\."))]
    first, encoder, predictor = "backbone.layers.0.blocks.0", "sem_seg_head.pixel_decoder.transformer.encoder.layers", "sem_seg_head.predictor"
    embedded = table["backbone.patch_embed.proj.weight"].shape[0]
    backbone = SwinConfig(
        embed_dim=embedded, depths=blocks, num_heads=[embedded * 2**stage // _HEAD for stage in range(len(blocks))],
        window_size=(int(table[f"{first}.attn.relative_position_bias_table"].shape[0] ** 0.5) + 1) // 2,
        mlp_ratio=table[f"{first}.mlp.fc1.weight"].shape[0] // embedded, out_features=[f"stage{stage + 1}" for stage in range(len(blocks))],
    )  # fmt: skip
    config = OneFormerConfig(
        backbone_config=backbone, num_queries=table[f"{predictor}.query_embed.weight"].shape[0], num_labels=table[f"{predictor}.class_embed.weight"].shape[0] - 1,
        conv_dim=table["sem_seg_head.pixel_decoder.mask_features.weight"].shape[1], mask_dim=table["sem_seg_head.pixel_decoder.mask_features.weight"].shape[0],
        hidden_dim=table[f"{predictor}.query_embed.weight"].shape[1], encoder_layers=_count(table, rf"{re.escape(encoder)}\.(\d+)\."),
        encoder_feedforward_dim=table[f"{encoder}.0.linear1.weight"].shape[0], dim_feedforward=table[f"{predictor}.transformer_ffn_layers.0.linear1.weight"].shape[0],
        decoder_layers=_count(table, rf"{re.escape(predictor)}\.transformer_ffn_layers\.(\d+)\.") + 1, task_seq_len=table["task_mlp.layers.0.weight"].shape[1],
        query_dec_layers=_count(table, rf"{re.escape(predictor)}\.class_transformer\.decoder\.layers\.(\d+)\."),
    )  # fmt: skip
    with torch.device("meta"):
        network = OneFormerForUniversalSegmentation(config)
    found = renamed(table)
    unused = {name: torch.zeros(tensor.shape) for name, tensor in network.state_dict().items() if name.startswith(("criterion.", _LAST_NORM))}
    network.load_state_dict({**unused, **found}, assign=True)
    for module in network.modules():
        if isinstance(module, SwinRelativePositionBias):        # it holds numbers that are in no file
            module.relative_position_index = type(module)(1, module.window_size).relative_position_index
    return SegmentNetwork(key, network, config.task_seq_len)


def _count(table: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max(int(found[1]) for name in table if (found := re.match(pattern, name)))


def renamed(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The original's tensors by transformers' names."""
    found = by_patterns(table, _NAMES, joined=r"backbone\.(layers\.\d+\.blocks\.\d+)\.attn\.qkv\.(weight|bias)",
                        parts=[rf"{_SWIN}.encoder.\1.attention.{part}_proj.\2" for part in "qkv"])
    return found | by_patterns(table, (), joined=r"sem_seg_head\.predictor\.transformer_self_attention_layers\.(\d+)\.self_attn\.in_proj_(weight|bias)",
                               parts=[rf"{_DECODER}.layers.\1.self_attn.self_attn.{part}_proj.\2" for part in "qkv"])


_SWIN, _PIXELS, _DECODER = "model.pixel_level_module.encoder.swin", "model.pixel_level_module.decoder", "model.transformer_module.decoder"
_LAST_NORM = f"{_SWIN}.layernorm."                  # of a classifier; OneFormer norms every stage by itself
_PREDICTOR = r"^sem_seg_head\.predictor\."
_NAMES = (
    (r"^backbone\.patch_embed\.proj\.", f"{_SWIN}.embeddings.patch_embeddings.projection."),
    (r"^backbone\.patch_embed\.norm\.", f"{_SWIN}.embeddings.norm."),
    (r"^backbone\.(layers\.\d+\.blocks\.\d+)\.attn\.proj\.", rf"{_SWIN}.encoder.\1.attention.o_proj."),
    (r"^backbone\.(layers\.\d+\.blocks\.\d+)\.attn\.relative_position_bias_table$", rf"{_SWIN}.encoder.\1.attention.relative_position_bias.relative_position_bias_table"),
    (r"^backbone\.(layers\.\d+\.blocks\.\d+)\.norm1\.", rf"{_SWIN}.encoder.\1.layernorm_before."),
    (r"^backbone\.(layers\.\d+\.blocks\.\d+)\.norm2\.", rf"{_SWIN}.encoder.\1.layernorm_after."),
    (r"^backbone\.(layers\.\d+\.(?:blocks\.\d+\.mlp\.fc[12]|downsample\.(?:reduction|norm)))\.", rf"{_SWIN}.encoder.\1."),
    *((rf"^backbone\.norm{stage}\.", f"model.pixel_level_module.encoder.hidden_states_norms.stage{stage + 1}.") for stage in range(4)),
    (r"^sem_seg_head\.pixel_decoder\.input_proj\.", f"{_PIXELS}.input_projections."),
    (r"^sem_seg_head\.pixel_decoder\.transformer\.level_embed$", f"{_PIXELS}.level_embed"),
    (r"^sem_seg_head\.pixel_decoder\.transformer\.encoder\.(layers\.\d+\.self_attn)\.", rf"{_PIXELS}.encoder.\1."),
    *((rf"^sem_seg_head\.pixel_decoder\.transformer\.encoder\.(layers\.\d+)\.{theirs}\.", rf"{_PIXELS}.encoder.\1.{ours}.")
      for theirs, ours in (("norm1", "self_attn_layer_norm"), ("norm2", "final_layer_norm"), ("linear1", "fc1"), ("linear2", "fc2"))),
    (r"^sem_seg_head\.pixel_decoder\.mask_features\.", f"{_PIXELS}.mask_projection."),
    (r"^sem_seg_head\.pixel_decoder\.(adapter|layer)_1\.norm\.", rf"{_PIXELS}.\1_1.1."),
    (r"^sem_seg_head\.pixel_decoder\.(adapter|layer)_1\.", rf"{_PIXELS}.\1_1.0."),
    (rf"{_PREDICTOR}class_transformer\.", f"{_DECODER}.query_transformer."),
    (rf"{_PREDICTOR}transformer_self_attention_layers\.(\d+)\.(self_attn\.out_proj|norm)\.", rf"{_DECODER}.layers.\1.self_attn.\2."),
    (rf"{_PREDICTOR}transformer_cross_attention_layers\.(\d+)\.", rf"{_DECODER}.layers.\1.cross_attn."),
    (rf"{_PREDICTOR}transformer_ffn_layers\.(\d+)\.", rf"{_DECODER}.layers.\1.ffn."),
    (rf"{_PREDICTOR}mask_embed\.layers\.(\d)\.", rf"{_DECODER}.mask_embed.layers.\1.0."),
    (rf"{_PREDICTOR}(decoder_norm|class_embed)\.", rf"{_DECODER}.\1."),
    (rf"{_PREDICTOR}class_input_proj\.", f"{_DECODER}.query_input_projection."),
    (rf"{_PREDICTOR}query_embed\.", "model.transformer_module.queries_embedder."),
    (rf"{_PREDICTOR}level_embed\.", "model.transformer_module.level_embed."),
    (r"^task_mlp\.layers\.(\d)\.", r"model.task_encoder.task_mlp.layers.\1.0."),
)  # fmt: skip
