"""Who may import whom: the rules of the house, checked on syntax trees. Each finding names file, line and rule."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FLOORS = {
    0: ("schema", "files"),
    1: ("compute", "imaging", "families", "jobs", "extension_host", "launching"),
    2: ("library",),
    3: ("loading",),
    4: ("engine",),
    5: ("application",),
    6: ("a1111",),
    7: ("gradio_ui", "rest_api", "builtin_scripts", "starter"),
    8: ("facade",),
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
STANDARD_LIBRARY_ONLY = ("schema", "files", "jobs", "launching", "extension_host", "launch.py")
WEB = ("rest_api", "gradio_ui", "facade", "webui.py")
MODEL_CODE = ("loading", "engine", "starter")
NO_TORCH = ("schema", "files", "jobs", "library", "application", "extension_host", "launching", "imaging", "launch.py")
# package -> the rooms it may be imported in; packages not named here may stand anywhere but in the rooms below
HOMES: dict[str, tuple[str, ...]] = {
    "gradio": ("gradio_ui", "facade", "webui.py", "builtin_scripts"),  # a script's ui() makes its own controls
    "gradio_client": ("gradio_ui", "facade", "webui.py"),
    **dict.fromkeys(("fastapi", "pydantic", "starlette", "uvicorn"), WEB),
    **dict.fromkeys(("diffusers", "transformers", "tokenizers", "accelerate", "spandrel", "spandrel_extra_arches"), MODEL_CODE),
}
IMAGING_PACKAGES = ("numpy", "PIL")
MAY_PRINT = ("launching", "gradio_ui", "rest_api", "builtin_scripts", "starter", "facade", "launch.py", "webui.py")
NAMES_THAT_SAY_NOTHING = ("utils", "util", "helpers", "helper", "misc", "common", "manager")
FILE_LINES = 400
FUNCTION_LINES = 80

A1111_NAMES = frozenset(
    """api cache call_queue cmd_args codeformer_model config_states dat_model deepbooru deepbooru_model devices errors
    esrgan_model extensions extra_networks extra_networks_hypernet extras face_restoration face_restoration_utils fifo_lock
    generation_parameters_copypaste gfpgan_model gitpython_hack gradio_extensons hashes hat_model hypernetworks images img2img
    import_hook infotext_utils infotext_versions initialize initialize_util interrogate launch_utils localization logging_config
    lowvram mac_specific masking memmon modelloader models ngrok npu_specific options patches paths paths_internal
    postprocessing processing processing_scripts profiling progress prompt_parser realesrgan_model restart rng rng_philox safe
    script_callbacks script_loading scripts scripts_auto_postprocessing scripts_postprocessing sd_disable_initialization
    sd_emphasis sd_hijack sd_hijack_clip sd_hijack_clip_old sd_hijack_ip2p sd_hijack_open_clip sd_hijack_optimizations
    sd_hijack_unet sd_hijack_utils sd_hijack_xlmr sd_models sd_models_config sd_models_types sd_models_xl sd_samplers
    sd_samplers_cfg_denoiser sd_samplers_common sd_samplers_compvis sd_samplers_extra sd_samplers_kdiffusion sd_samplers_lcm
    sd_samplers_timesteps sd_samplers_timesteps_impl sd_schedulers sd_unet sd_vae sd_vae_approx sd_vae_taesd shared shared_cmd_options
    shared_gradio_themes shared_init shared_items shared_options shared_state shared_total_tqdm styles sub_quadratic_attention
    sysinfo textual_inversion timer torch_utils txt2img ui ui_checkpoint_merger ui_common ui_components ui_extensions
    ui_extra_networks ui_gradio_extensions ui_loadsave ui_postprocessing ui_prompt_styles ui_settings ui_tempdir ui_toprow upscaler
    upscaler_utils util xlmr xlmr_m18 xpu_specific""".split()  # noqa: SIM905
)


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


@dataclass(frozen=True)
class Import:
    """One imported module name, absolute, with the line where it stands."""

    name: str
    line: int


def sources(root: Path) -> dict[str, str]:
    """Our own Python files by path from ``root``: the rooms, and the two files that start the program."""
    files = [*root.glob("modules/**/*.py"), *(root / name for name in ("launch.py", "webui.py") if (root / name).exists())]
    return {str(PurePosixPath(each.relative_to(root))): each.read_text(encoding="utf-8") for each in files}


def check_all(files: Mapping[str, str]) -> list[Finding]:
    """Every broken rule in ``files`` (path -> source), in order of place."""
    found: list[Finding] = []
    graph: dict[str, list[Import]] = {}
    known = {module_name(path) for path in files}
    for path, source in files.items():
        tree = ast.parse(source)
        imports = list(imports_of(tree, path, known))
        graph[path] = imports
        found += check_imports(path, imports)
        found += check_form(path, source, tree)
    found += check_rooms(files)
    found += check_cycles(graph)
    return sorted(set(found))


def module_name(path: str) -> str:
    """"modules/schema/param.py" -> "modules.schema.param"; a package's __init__ is the package."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path: str) -> str:
    """The room of a file; launch.py and webui.py stand for themselves, modules/__init__.py is ""."""
    parts = PurePosixPath(path).parts
    if parts[0] != "modules":
        return parts[0]
    return parts[1] if len(parts) > 2 else ""


def imports_of(tree: ast.AST, path: str, known: set[str]) -> Iterator[Import]:
    """Every import of a file, inside functions too, relative ones made absolute, import_module("...") as well."""
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(each.name, node.lineno) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], node.module or ""] if node.level else [node.module or ""]
            name = ".".join(part for part in base if part)
            for each in node.names:
                inner = f"{name}.{each.name}"
                is_module = inner in known or name == "modules"
                yield Import(inner if is_module else name, node.lineno)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                yield Import(first.value, node.lineno)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def check_imports(path: str, imports: list[Import]) -> Iterator[Finding]:
    room = room_of(path)
    for each in imports:
        top, *rest = each.name.split(".")
        if top == "modules":
            problem = _house_problem(room, rest[0]) if rest and room else None
        elif top in ("launch", "webui"):
            problem = None if path == "launch.py" or room == "facade" else f"nothing in the house imports {top}.py"
        else:
            problem = _package_problem(room, top)
        if problem:
            yield Finding(path, each.line, problem)


def _house_problem(room: str, other: str) -> str | None:
    if other not in FLOOR_OF:
        return f"modules.{other} is no room; nobody in the house imports the facade's names" if room != "facade" else None
    if room == "launch.py":
        return None if other in STANDARD_LIBRARY_ONLY else f"launch.py runs before anything is installed, and {other}/ needs packages"
    if room in ("webui.py", "") or room == other:
        return None
    if room not in FLOOR_OF:
        return f"{room}/ stands on no floor: give it one in tests/floor_rules.py"
    if FLOOR_OF[other] >= FLOOR_OF[room]:
        return f"{room}/ (floor {FLOOR_OF[room]}) imports {other}/ (floor {FLOOR_OF[other]}): only floors below may be imported"
    return None


def _package_problem(room: str, package: str) -> str | None:
    if package in sys.stdlib_module_names or package == "__future__":
        return None
    if room in STANDARD_LIBRARY_ONLY:
        return f"{room} uses the standard library only, not {package}"
    if room == "imaging" and package not in IMAGING_PACKAGES:
        return f"imaging/ uses numpy and PIL only, not {package}"
    if package == "torch" and room in NO_TORCH:
        return f"{room}/ works without torch"
    if package in HOMES and room not in HOMES[package]:
        return f"{package} is at home in {', '.join(HOMES[package])}, not in {room}"
    return None


def check_form(path: str, source: str, tree: ast.AST) -> Iterator[Finding]:
    """Rules about one file: its length, its functions, no global, no print below the front doors."""
    lines = source.count("\n") + 1
    if lines > FILE_LINES + 1:
        yield Finding(path, FILE_LINES + 1, f"{lines - 1} lines: a file has at most {FILE_LINES}")
    if PurePosixPath(path).stem in NAMES_THAT_SAY_NOTHING and room_of(path) != "facade":
        yield Finding(path, 1, f"{PurePosixPath(path).name} says nothing: name the file after what it holds")
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield Finding(path, node.lineno, "no global statement: state stands in App")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield Finding(path, node.lineno, f"{node.name} has {length} lines: a function has at most {FUNCTION_LINES}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and room_of(path) not in MAY_PRINT:
            yield Finding(path, node.lineno, "print below the front doors: use logging")


def check_rooms(files: Mapping[str, str]) -> Iterator[Finding]:
    """No room bears the name of an A1111 module (modules/facade holds those), and every room has a floor."""
    for room in sorted({room_of(path) for path in files if path.startswith("modules/")} - {""}):
        first = min(path for path in files if room_of(path) == room)
        if room in A1111_NAMES:
            yield Finding(first, 1, f"the room {room}/ would hide A1111's module of that name")
        elif room not in FLOOR_OF:
            yield Finding(first, 1, f"the room {room}/ stands on no floor: give it one in tests/floor_rules.py")


def check_cycles(graph: Mapping[str, list[Import]]) -> Iterator[Finding]:
    """Files that import each other, however indirectly."""
    path_of = {module_name(path): path for path in graph}
    edges = {
        path: [(path_of[each.name], each.line) for each in imports if path_of.get(each.name, path) != path]
        for path, imports in graph.items()
    }
    done: set[str] = set()
    for start in sorted(edges):
        yield from _cycles_from(start, edges, done)


def _cycles_from(start: str, edges: Mapping[str, list[tuple[str, int]]], done: set[str]) -> Iterator[Finding]:
    trail: list[str] = []
    stack: list[tuple[str, Iterator[tuple[str, int]]]] = []

    def enter(path: str) -> None:
        trail.append(path)
        stack.append((path, iter(edges[path])))

    if start not in done:
        enter(start)
    while stack:
        path, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            stack.pop()
            trail.pop()
            done.add(path)
        elif following[0] in trail:
            circle = [*trail[trail.index(following[0]) :], following[0]]
            yield Finding(path, following[1], "import cycle: " + " -> ".join(circle))
        elif following[0] not in done:
            enter(following[0])
