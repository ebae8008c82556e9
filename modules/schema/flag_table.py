"""Every command-line flag: one line each, A1111's spellings, types and defaults.

A field ``no_half_vae`` is the flag ``--no-half-vae``. Paths that hang on another flag are written as templates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modules.schema.own_hosts import is_own_host

METADATA_KEY = "flag"
SCRIPT_PATH = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, kw_only=True)
class FlagInfo:
    """How a flag is written on the command line.

    form: "switch", "value" (one), "list" (several after one flag) or "repeat" (one each time the flag is given).
    given: the value of a switch that is given. path: the text is made an absolute path.
    ignored: accepted so that old command lines go on working, but nothing reads it.
    """

    meaning: str
    form: str
    given: bool = True
    path: bool = False
    choices: tuple[str, ...] = ()
    ignored: bool = False


def switch(meaning: str, *, default: bool | None = False, given: bool = True, ignored: bool = False) -> Any:
    """A flag without a value."""
    return field(default=default, metadata={METADATA_KEY: FlagInfo(meaning=meaning, form="switch", given=given, ignored=ignored)})


def value(
    default: Any, meaning: str, *, form: str = "value", path: bool = False, choices: tuple[str, ...] = (), ignored: bool = False
) -> Any:
    """A flag with a value. ``default`` may begin with "{script}", "{data}" or "{models}", filled in when Flags is made."""
    metadata = {METADATA_KEY: FlagInfo(meaning=meaning, form=form, path=path, choices=choices, ignored=ignored)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags of this run, frozen. Directory defaults follow ``data_dir`` and ``models_dir`` as they were at making."""

    f: bool = switch("let the shell launcher run as root")
    update_all_extensions: bool = switch("launcher: `git pull --autostash` every extension repo before starting")
    skip_python_version_check: bool = switch("launcher: no word about an untried Python version")
    skip_torch_cuda_test: bool = switch("launcher: do not abort when `torch.cuda.is_available()` is false; needed on CPU and on Mac")
    reinstall_xformers: bool = switch("no effect: `pip install xformers` does it")
    reinstall_torch: bool = switch("launcher: run TORCH_COMMAND again even if torch is present")
    update: bool = switch("launcher: bring the newest version of the program first; one that does not start is left again by itself")
    update_check: bool = switch("launcher: tell at the start whether there is a newer version of the program")
    test_server: bool = switch("no effect: --run-tests starts servers of its own", ignored=True)
    log_startup: bool = switch("no effect: where the start's seconds went is always told", ignored=True)
    skip_prepare_environment: bool = switch("launcher: no package, repo or extension installation at all")
    skip_install: bool = switch("launcher: no pip installs (also skips extension install.py)")
    dump_sysinfo: bool = switch("write what Settings, Sysinfo shows into a file and end")
    loglevel: str | None = value(None, "Python logging level name")
    do_not_download_clip: bool = switch("no effect: nothing is downloaded unasked", ignored=True)
    data_dir: str = value("{script}", "root for user data: models, outputs, extensions, settings; most paths below hang on it", path=True)
    models_dir: str | None = value(None, "root for models; beats data-dir/models", path=True)
    config: str = value("{script}/configs/v1-inference.yaml", "model description for a checkpoint that gives no hint", path=True)
    ckpt: str = value("{script}/model.ckpt", "one checkpoint file to add to the list and load first", path=True)
    ckpt_dir: str | None = value(None, "additional directory scanned for checkpoints", path=True)
    vae_dir: str | None = value(None, "additional directory scanned for VAEs", path=True)
    gfpgan_dir: str = value("./GFPGAN", "older GFPGAN directory", path=True)
    gfpgan_model: str | None = value(None, "GFPGAN weights file name", path=True)
    no_half: bool = switch("keep the whole model in fp32")
    no_half_vae: bool = switch("keep only the VAE in fp32")
    no_progressbar_hiding: bool = switch("no effect: Gradio's own progress bar is not used", ignored=True)
    max_batch_count: int = value(16, "no effect (kept so old command lines parse)", ignored=True)
    embeddings_dir: str = value("{data}/embeddings", "textual-inversion embeddings directory", path=True)
    textual_inversion_templates_dir: str = value("{script}/textual_inversion_templates", "training template directory", path=True)
    hypernetwork_dir: str = value("{models}/hypernetworks", "hypernetwork directory", path=True)
    localizations_dir: str = value("{script}/localizations", "directory of localisation JSON files", path=True)
    allow_code: bool = switch("offer the script that runs Python typed in the browser")
    medvram: bool = switch("keep one of {text encoder, VAE, UNet} on the GPU at a time")
    medvram_sdxl: bool = switch("--medvram, but only when an SDXL model is loaded")
    lowvram: bool = switch("additionally stream UNet blocks one by one (very slow)")
    lowram: bool = switch("nothing to change: weights always go straight from the file to where they are used")
    always_batch_cond_uncond: bool = switch("positive and negative prompt in one batch, with --lowvram too")
    unload_gfpgan: bool = switch("no effect", ignored=True)
    precision: str = value("autocast", "full: float32; half: float16; autocast: mixed", choices=("full", "half", "autocast"))
    upcast_sampling: bool = switch("weights stay fp16, sampling arithmetic in fp32; the Mac default; ignored with --no-half")
    share: bool = switch("Gradio public tunnel; also locks the extensions tab")
    ngrok: str | None = value(None, "ngrok token, another public tunnel")
    ngrok_region: str = value("", "no effect", ignored=True)
    ngrok_options: Mapping[str, Any] = value({}, "JSON object of ngrok options")
    enable_insecure_extension_access: bool = switch("allow installing extensions although other machines can reach the server")
    codeformer_models_path: str = value("{models}/Codeformer", "CodeFormer weights directory", path=True)
    gfpgan_models_path: str = value("{models}/GFPGAN", "GFPGAN weights directory", path=True)
    esrgan_models_path: str = value("{models}/ESRGAN", "ESRGAN weights directory", path=True)
    bsrgan_models_path: str = value("{models}/BSRGAN", "BSRGAN weights directory", path=True)
    realesrgan_models_path: str = value("{models}/RealESRGAN", "Real-ESRGAN weights directory", path=True)
    dat_models_path: str = value("{models}/DAT", "DAT weights directory", path=True)
    clip_models_path: str | None = value(None, "directory with the CLIP model for interrogation", path=True)
    xformers: bool = switch("install and prefer xformers attention (CUDA capability 6.0-9.0 only)")
    force_enable_xformers: bool = switch("xformers attention without asking what the GPU can do")
    xformers_flash_attention: bool = switch("flash op inside xformers, for reproducibility (SD2-type heads)")
    deepdanbooru: bool = switch("no effect", ignored=True)
    opt_split_attention: bool = switch("prefer Doggettx split attention in the automatic choice")
    opt_sub_quad_attention: bool = switch("prefer sub-quadratic chunked attention")
    sub_quad_q_chunk_size: int = value(1024, "query chunk of sub-quadratic attention")
    sub_quad_kv_chunk_size: int | None = value(None, "key/value chunk of sub-quadratic attention; computed where left out")
    sub_quad_chunk_threshold: int | None = value(None, "chunk only above this percentage of GPU memory")
    opt_split_attention_invokeai: bool = switch("prefer InvokeAI's split attention (auto choice on CPU-only hosts)")
    opt_split_attention_v1: bool = switch("prefer the first, simpler split attention")
    opt_sdp_attention: bool = switch("prefer PyTorch scaled dot product attention")
    opt_sdp_no_mem_attention: bool = switch("the same without its memory-efficient kernel, deterministic")
    disable_opt_split_attention: bool = switch("prefer plain attention")
    disable_nan_check: bool = switch("do not raise on NaN output; the picture comes out black instead")
    use_cpu: tuple[str, ...] = value((), "parts kept on the CPU: all, sd, interrogate, gfpgan, esrgan ...", form="list")
    use_ipex: bool = switch("Intel XPU through IPEX; also implies --skip-torch-cuda-test")
    disable_model_loading_ram_optimization: bool = switch("nothing to change: no model has weights before the file's are read")
    listen: bool = switch("bind 0.0.0.0; also locks the extensions tab")
    port: int | None = value(None, "TCP port; 7860 or the next free one where left out")
    show_negative_prompt: bool = switch("no effect", ignored=True)
    ui_config_file: str = value("{data}/ui-config.json", "file for UI default values")
    hide_ui_dir_config: bool = switch("hide every path field and the params.txt restore (for shared servers)")
    freeze_settings: bool = switch("make all settings read-only")
    freeze_settings_in_sections: str | None = value(None, "comma list of section ids made read-only")
    freeze_specific_settings: str | None = value(None, "comma list of setting keys made read-only")
    ui_settings_file: str = value("{data}/config.json", "file for settings")
    gradio_debug: bool = switch("no effect: what goes wrong on the page is always told in the console", ignored=True)
    gradio_auth: str | None = value(None, "user:password[,user:password] for the page")
    gradio_auth_path: str | None = value(None, "file holding user:password pairs for the page", path=True)
    gradio_img2img_tool: str | None = value(None, "no effect", ignored=True)
    gradio_inpaint_tool: str | None = value(None, "no effect", ignored=True)
    gradio_allowed_path: tuple[str, ...] = value(("{data}",), "one more directory to serve files from; repeatable", form="repeat")
    opt_channelslast: bool = switch("channels_last memory format for the model")
    styles_file: tuple[str, ...] = value(("{data}/styles.csv",), "styles file, or a pattern with *; repeatable", form="repeat")
    autolaunch: bool = switch("open the browser at start")
    theme: str | None = value(None, "light or dark")
    use_textbox_seed: bool = switch("no effect: the seed stays a field for numbers", ignored=True)
    disable_console_progressbars: bool = switch("no progress bars in the console")
    enable_console_prompts: bool = switch("only the initial value of the setting of the same name")
    vae_path: str | None = value(None, "fixed VAE; disables every VAE setting", path=True)
    disable_safe_unpickle: bool = switch("no effect: code inside a .ckpt or .pt file is never run", ignored=True)
    api: bool = switch("mount /sdapi/v1 next to the page")
    api_auth: str | None = value(None, "user:password[,user:password] for the API")
    api_log: bool = switch("log every API request")
    nowebui: bool = switch("API only (default port 7861)")
    ui_debug_mode: bool = switch("start the page without loading a model")
    device_id: str | None = value(None, "CUDA device index")
    administrator: bool = switch("no effect", ignored=True)
    cors_allow_origins: str | None = value(None, "origins allowed to call from a browser, separated by commas")
    cors_allow_origins_regex: str | None = value(None, "the same as one regular expression")
    tls_keyfile: str | None = value(None, "TLS key")
    tls_certfile: str | None = value(None, "TLS certificate")
    disable_tls_verify: bool | None = switch("no effect: self-signed certificates are taken as they are", default=None, given=False, ignored=True)
    server_name: str | None = value(None, "bind address or host name; counts as non-local")
    gradio_queue: bool = switch("no effect (the queue is always on)", default=True, ignored=True)
    no_gradio_queue: bool = switch("no effect: the page needs no websockets", ignored=True)
    skip_version_check: bool = switch("no effect: versions are not compared at start", ignored=True)
    no_hashing: bool = switch("no sha256 of checkpoints; the model hash disappears from infotext")
    no_download_sd_model: bool = switch("fetch no model when none is found; nothing is fetched unasked here anyway", ignored=True)
    subpath: str | None = value(None, "URL prefix behind a reverse proxy")
    add_stop_route: bool = switch("no effect", ignored=True)
    api_server_stop: bool = switch("allow server-kill/restart/stop over the API")
    timeout_keep_alive: int = value(30, "uvicorn keep-alive seconds")
    disable_all_extensions: bool = switch("no extensions at all, not even built-in")
    disable_extra_extensions: bool = switch("built-in extensions only (the 'is it an extension?' test)")
    skip_load_model_at_start: bool = switch("with --nowebui: lazy model load")
    unix_filenames_sanitization: bool = switch("no effect: files get names that every system can have", ignored=True)
    filenames_max_length: int = value(128, "longest file name part")
    no_prompt_history: bool = switch("no params.txt, so the empty-prompt paste button restores nothing")
    lora_dir: str = value("{models}/Lora", "LoRA directory", path=True)
    lyco_dir_backcompat: str = value("{models}/LyCORIS", "second LoRA directory, for LyCORIS; --lyco-dir means this one", path=True)
    ldsr_models_path: str = value("{models}/LDSR", "no effect: the upscaler LDSR is not part of this program", path=True, ignored=True)
    scunet_models_path: str = value("{models}/ScuNET", "ScuNET weights directory", path=True)
    swinir_models_path: str = value("{models}/SwinIR", "SwinIR weights directory", path=True)

    # Forge's: folders beside those above
    ckpt_dirs: tuple[str, ...] = value((), "one more directory scanned for checkpoints; repeatable", form="repeat", path=True)
    vae_dirs: tuple[str, ...] = value((), "one more directory scanned for VAEs; repeatable", form="repeat", path=True)
    lora_dirs: tuple[str, ...] = value((), "one more directory scanned for LoRAs; repeatable", form="repeat", path=True)
    text_encoder_dirs: tuple[str, ...] = value((), "one more directory scanned for text encoders; repeatable", form="repeat", path=True)

    # our own
    use_flash_attention: bool = switch("attention by the package flash-attn, where it is installed")
    use_sage_attention: bool = switch("attention by the package sageattention, where it is installed")
    run_tests: bool = switch("launcher: run the test suite instead of serving")
    exit: bool = switch("launcher: stop after preparing the environment")
    listen_without_password: bool = switch("with --listen or --share: ask nobody for a password, although none was set")

    def __post_init__(self) -> None:
        roots = {"{script}": SCRIPT_PATH, "{data}": filled(self.data_dir, {"{script}": SCRIPT_PATH})}
        roots["{models}"] = self.models_dir or str(Path(roots["{data}"], "models"))
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, filled(getattr(self, each.name), roots))

    @property
    def may_open_folders(self) -> bool:
        """The browser may be on the server's own machine, and whoever sits there may know its folders."""
        return not (self.hide_ui_dir_config or self.listen or self.share)

    @property
    def models_path(self) -> str:
        """Root folder of all models."""
        return self.models_dir or str(Path(self.data_dir, "models"))

    @property
    def named_checkpoint(self) -> str | None:
        """The file given with --ckpt, None when the flag was left out."""
        return None if self.ckpt == str(Path(SCRIPT_PATH, "model.ckpt")) else self.ckpt

    @property
    def webui_is_non_local(self) -> bool:
        """Whether other machines can reach the server."""
        return bool(self.share or self.listen or self.ngrok or self.server_name)

    @property
    def others_can_reach(self) -> bool:
        """Whether the server is bound to more than this machine, or a tunnel leads to it. A --server-name of this machine alone does not count."""
        name = (self.server_name or "").strip("[]")
        return bool(self.share or self.ngrok or self.listen or (name and not is_own_host(name)))

    @property
    def disable_extension_access(self) -> bool:
        """Whether installing extensions from the page is locked, because a stranger might do it."""
        return self.webui_is_non_local and not self.enable_insecure_extension_access


def filled(text: Any, roots: Mapping[str, str]) -> Any:
    """``text`` with its leading "{name}" replaced; tuples item by item; anything else as it is."""
    if isinstance(text, tuple):
        return tuple(filled(each, roots) for each in text)
    if not isinstance(text, str) or not text.startswith("{"):
        return text
    name, brace, rest = text.partition("}")
    root = roots.get(name + brace)
    return text if root is None else str(Path(root, rest.lstrip("/")))
