"""Reaches into the model as A1111's extensions do: its VAE's halves, its text stage, its LoRAs' layers. Its argument says which."""
import types

import lora
import network
import networks
import sgm.modules
import torch
from ldm.modules.diffusionmodules.model import AttnBlock, ResnetBlock
from modules import img2img, prompt_parser, scripts
from modules.script_callbacks import on_cfg_denoised, on_cfg_denoiser
from modules.sd_hijack import model_hijack
from modules.sd_hijack_clip import FrozenCLIPEmbedderWithCustomWordsBase

import gradio as gr

heard = []
heard_of_sgm = []
undo = []
asked = [""]


def by_hand(decoder, z):
    """The decoder put together from its parts, in CompVis' order."""
    h = decoder.conv_in(z)
    h = decoder.mid.block_2(decoder.mid.attn_1(decoder.mid.block_1(h)))
    for level in reversed(range(decoder.num_resolutions)):
        for number in range(decoder.num_res_blocks + 1):
            h = decoder.up[level].block[number](h)
        if level:
            h = decoder.up[level].upsample(h)
    heard.append(("kinds", isinstance(decoder.mid.attn_1, AttnBlock), isinstance(decoder.up[0].block[0], ResnetBlock), decoder.up[0].block[0].out_channels))
    return decoder.conv_out(torch.nn.functional.silu(decoder.norm_out(h)))


def attention_by_hand(block, h):
    q, k, v = (each(h).flatten(2) for each in (block.q, block.k, block.v))
    weights = torch.softmax(q.transpose(1, 2) @ k * q.shape[1] ** -0.5, dim=2)
    return block.proj_out((v @ weights.transpose(1, 2)).reshape(h.shape))


def straight():
    """As such extensions leave it: PyTorch's own, on every layer."""
    for layer in model_hijack.layers:
        if type(layer) == torch.nn.Conv2d:
            layer._conv_forward = types.MethodType(torch.nn.Conv2d._conv_forward, layer)


def around(layer, input, weight, bias):
    """A convolution whose picture goes on at the other side."""
    up, left = layer.padding
    bent = torch.nn.functional.pad(input, (left, left, up, up), mode="circular")
    return torch.nn.functional.conv2d(bent, weight, bias, layer.stride, 0, layer.dilation, layer.groups)


class ModelInsides(scripts.Script):
    def title(self):
        return "Model insides"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(label="Which")]

    def process(self, p, which):
        heard.clear()
        heard_of_sgm[:] = [sgm.modules.encoders.modules.GeneralConditioner is sgm.modules.GeneralConditioner]
        asked[0] = which
        if which == "seamless":
            for layer in model_hijack.layers:
                if type(layer) == torch.nn.Conv2d:
                    layer._conv_forward = types.MethodType(around, layer)
            undo.append(straight)
        decoder, stage = p.sd_model.first_stage_model.decoder, p.sd_model.cond_stage_model
        own = decoder.forward
        if which == "decoder by hand":
            decoder.forward = lambda z: by_hand(decoder, z)
        if which == "attention by hand":
            block = decoder.mid.attn_1
            block.forward = lambda x: x + attention_by_hand(block, block.norm(x))
            undo.append(lambda: block.__dict__.pop("forward"))
        if which == "decoder upside down":
            decoder.forward = lambda z: own(z).flip(2)
        if which == "decoder fails":
            decoder.forward = lambda z: z.nonsense
        if "decoder" in which:
            undo.append(lambda: decoder.__dict__.pop("forward"))
        if which == "text hook":
            undo.append(stage.register_forward_hook(self.hook).remove)
        if which == "text tokens":
            own_tokens = stage.process_tokens
            stage.process_tokens = lambda tokens, multipliers: own_tokens(tokens, multipliers)
            undo.append(lambda: stage.__dict__.pop("process_tokens"))
        if which == "other prompt reader":
            own_list = prompt_parser.get_multicond_prompt_list
            prompt_parser.get_multicond_prompt_list = lambda prompts: own_list([each.replace("cat", "dog AND a house :0.5") for each in prompts])
            undo.append(lambda: setattr(prompt_parser, "get_multicond_prompt_list", own_list))
        if which == "part by its name":
            found = [part for part in p.sd_model.network_layer_mapping.values() if "middle_block_1_transformer_blocks_0_attn1" in part.network_layer_name]
            heard.append([(type(part).__name__, part.network_layer_name.rpartition("attn1")[2]) for part in found])
            undo.append(found[0].register_forward_hook(lambda module, inputs, output: output * 0).remove)
        if which == "mapping of its own":
            p.sd_model.network_layer_mapping = {"one": stage}
            heard.append(list(p.sd_model.network_layer_mapping))
            undo.append(lambda: setattr(p.sd_model, "network_layer_mapping", None))
        if which == "text nonsense":
            undo.append(stage.register_forward_hook(lambda module, inputs, output: "nothing").remove)

    def hook(self, stage, inputs, output):
        heard.append(("text", isinstance(stage, FrozenCLIPEmbedderWithCustomWordsBase), inputs[0], tuple(output.shape)))
        return torch.zeros_like(output) if "cat" in inputs[0][0] else None

    def process_batch(self, p, which, **kwargs):
        if not lora.loaded_loras or "lora" not in which:
            return
        net = networks.loaded_networks[0]
        if which == "lora halved":
            net.unet_multiplier = net.te_multiplier = 0.5
        if which == "lora halved inside":
            for module in net.modules.values():
                module.up_model.weight = torch.nn.Parameter(module.up_model.weight * 0.5)
            net.name += "_changed"
        if which == "lora without the unet":
            for key, module in net.modules.items():
                if "diffusion_model" in key:
                    module.alpha = 0.0
            net.name += "_changed"
        if which == "lora by hand":
            own = torch.nn.Linear.forward

            def forward(layer, x):
                networks.network_restore_weights_from_backup(layer)
                networks.network_reset_cached_weight(layer)
                found, module = own(layer, x), net.modules.get(getattr(layer, "network_layer_name", None))
                if module is None:
                    return found
                heard.append(type(layer) is torch.nn.Linear and p.sd_model.network_layer_mapping[layer.network_layer_name] is layer)
                return found + x @ (module.up_model.weight @ module.down_model.weight).to(x.dtype).T * (module.calc_scale() * module.multiplier())

            torch.nn.Linear.forward = forward
            undo.append(lambda: setattr(torch.nn.Linear, "forward", own))
        if which == "lora away":
            lora.loaded_loras.clear()
        if which == "lora looked at":
            heard.append(("keys", sorted(net.modules), isinstance(next(iter(net.modules.values())), network.NetworkModule)))

    def process_before_every_sampling(self, p, which, **kwargs):
        inner = p.sampler.model_wrap_cfg.inner_model
        if which == "inner model in halves":
            own = inner.forward

            def halves(x, sigma, cond):
                heard.append((type(inner).__name__, tuple(x.shape), sorted(cond), tuple(cond["c_concat"][0].shape)))
                rows = [{"c_crossattn": [cond["c_crossattn"][0][n : n + 1]], "c_concat": [cond["c_concat"][0][n : n + 1]]} for n in range(len(x))]
                return torch.cat([own(x[n : n + 1], sigma[n : n + 1], cond=rows[n]) for n in range(len(x))])

            inner.forward = halves
        if which == "tiles":
            own_forward = inner.forward
            inner.forward = lambda x, sigma, cond: torch.cat([own_forward(each, sigma, cond=cond) for each in x.chunk(2, dim=3)], dim=3)
        if which == "apply model":
            model, own_apply = p.sd_model, p.sd_model.apply_model
            model.apply_model = lambda x, t, cond: own_apply(x, t, cond)
            undo.append(lambda: model.__dict__.pop("apply_model"))
        if which == "inner model fails":
            inner.forward = lambda x, sigma, cond: x.nonsense

    def postprocess(self, p, processed, which):
        while undo:
            undo.pop()()


class Folder(scripts.Script):
    def title(self):
        return "Folder"

    def show(self, is_img2img):
        return is_img2img

    def ui(self, is_img2img):
        return [gr.Textbox(label="Folder"), gr.Textbox(label="Output")]

    def run(self, p, folder, output):
        return img2img.process_batch(p, folder, output, "", [], use_png_info=True, png_info_props=["Prompt", "Steps"])


def denoiser(params):
    if asked[0] == "lora stops" and params.denoiser.step >= 1:
        for net in networks.loaded_networks:
            net.unet_multiplier = 0


def once_more(model, x, sigma, params):
    """The model's answer to the rows that it was just asked about."""
    picture = x.new_zeros(len(x), 5, 1, 1)
    return model(x, sigma, cond={"c_crossattn": [torch.cat([params.text_cond, params.text_uncond])], "c_concat": [picture]})


def before(params):
    if asked[0].startswith("once more"):
        heard[:] = [params]
    if asked[0] == "guided by a callback":
        params.denoiser.combine_denoised = lambda x_out, conds_list, uncond, cond_scale: x_out[-len(conds_list):]
    if asked[0] == "once more outside":
        inner = params.denoiser.inner_model
        heard[:] = [params, once_more(inner, params.x, params.sigma, params)]


def after(params):
    if asked[0].startswith("once more"):
        told = heard[0]
        found = heard[1] if asked[0] == "once more outside" else once_more(params.inner_model, told.x, told.sigma, told)
        differs.append(float((found - params.x).abs().max()))
        if asked[0] == "once more, elsewhere":
            params.x.copy_(once_more(params.inner_model, told.x, told.sigma * 0.5, told))


differs = []
on_cfg_denoiser(denoiser)
on_cfg_denoiser(before)
on_cfg_denoised(after)
