"""The wiring diagram: flags -> App -> REST API and page -> server. ``launch.py`` prepares the environment first, then calls main."""
from __future__ import annotations

import atexit
import faulthandler
import gc
import logging
import os
import platform
import signal
import sys
import threading
import warnings
import webbrowser
from collections.abc import Collection, MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modules.extension_host.preload import preloads
from modules.extension_host.start import host_for
from modules.launching.amd import amd_targets, set_amd_environment
from modules.launching.console import take_every_letter
from modules.launching.failure import CANNOT_SERVE, LaunchError
from modules.launching.few_arenas import limit_arenas
from modules.launching.log_lines import is_a_fault, log_to
from modules.launching.mac import set_mac_environment
from modules.launching.network import exempt_loopback
from modules.launching.new_version import NewVersion
from modules.launching.no_sweeping import without_sweeping
from modules.launching.open_files import allow_more_open_files
from modules.launching.own_password import with_own_password
from modules.launching.processor import read_cpu_info, set_processor_environment
from modules.launching.restart import RESTARTED
from modules.launching.serving import Address, certificate_files, has_display, listen, when_answering
from modules.launching.startup_times import StartupTimes
from modules.launching.stop_signals import StopSignals
from modules.launching.subpath import below_subpath
from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.flags import Flags, ParsedFlags, ignored_flags, parse_flags

if TYPE_CHECKING:
    from socket import socket
    from types import ModuleType

    from fastapi import FastAPI

    from modules.a1111.script_host import ScriptHost
    from modules.application.app import App
    from modules.extension_host.host import ExtensionHost
    from modules.extension_host.load_scripts import ScriptFile

SHUTDOWN_SECONDS = 3  # how long open connections may finish after Ctrl+C
STEP_SECONDS = 4.0  # how long the running job's step is waited for
STOPPED_BY_USER = 130
TRIAL_SECONDS = 10  # how long a new version of the program has to live on behind its first answer: the model is loaded then
THREAD_TURN = 0.001  # seconds a thread may compute before it lets another one go on; with Python's 5 ms a page waits that long after each file it reads
log = logging.getLogger("webui")


def set_environment(environ: MutableMapping[str, str], flags: Flags) -> None:
    """What libraries read when they are imported: no calls home, no proxy for loopback, temporary files in our own folder, large pages."""
    exempt_loopback(environ)
    set_mac_environment(environ, platform.system())
    set_amd_environment(environ, amd_targets())
    set_processor_environment(environ, read_cpu_info())
    environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the hub itself stays within reach: extensions fetch their models there
    environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch on Linux: large tensors in large pages, which come three times as fast
    uploads = Path(flags.data_dir).absolute() / "tmp" / "gradio"
    if os.access(next(each for each in (uploads, *uploads.parents) if each.exists()), os.W_OK):
        environ.setdefault("GRADIO_TEMP_DIR", str(uploads))  # else Gradio's own, in the system's: this folder may only be read


def set_logging(level: str | None) -> None:
    """Our own lines from INFO on, other libraries' from WARNING on; --loglevel decides over both."""
    asked = (level or "").upper()
    known = asked if asked in logging.getLevelNamesMapping() else ""
    log_to(sys.stdout, known or "WARNING")
    for name in ("webui", "modules"):
        logging.getLogger(name).setLevel(known or "INFO")


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl+C; the exit code."""
    take_every_letter()
    times = StartupTimes()
    sys.dont_write_bytecode = False  # containers set PYTHONDONTWRITEBYTECODE for smaller images; each start would compile 500 files of ours again
    limit_arenas(os.environ)
    allow_more_open_files()
    sys.setswitchinterval(THREAD_TURN)
    try:
        parsed, extensions = read_command_line(arguments)
        set_environment(os.environ, parsed.flags)
        set_logging(parsed.flags.loglevel)
        flags, told = with_own_password(parsed.flags)
        parsed = replace(parsed, flags=flags)
        bound, address = listen(parsed.flags)
        key, certificate = certificate_files(parsed.flags)
        for flag, why in ignored_flags(parsed).items():
            log.info("%s: %s.", flag, why)
        stops = StopSignals()
        stops.install()
        with without_sweeping():
            app, server_app = build(parsed, times, extensions)
        if parsed.flags.dump_sysinfo:
            write_report(app)
            return 0
    except WebuiError as error:
        sys.stdout.write(f"{error.message}\n{error.remedy}\n")
        return CANNOT_SERVE if isinstance(error, LaunchError) else 1
    except KeyboardInterrupt:
        return STOPPED_BY_USER
    when_answering(address, lambda: say_ready(app, address, times, told))
    serve(app, server_app, bound, parsed.flags, key, certificate, stops)
    take_leave()
    gc.freeze()  # else Python's own end looks through torch's hundred thousands of objects again and again: two seconds
    return 0


def write_report(app: App) -> None:
    """For whoever helps with a server that starts and does not work. Raises WebuiError."""
    from modules.application.system_report import report_name, report_text, system_report
    from modules.files.atomic import write_bytes

    path = app.paths.data_dir / report_name()
    write_bytes(path, report_text(system_report(app)).encode())
    log.info("The report on this system is in %s.", path)


def take_leave() -> None:
    """Extensions put back what they changed. One that does not come back is not waited for."""
    from modules.a1111 import callbacks

    leaving = threading.Thread(target=callbacks.script_unloaded_callback, name="leave", daemon=True)
    leaving.start()
    leaving.join(SHUTDOWN_SECONDS)


def read_command_line(arguments: Sequence[str]) -> tuple[ParsedFlags, ExtensionHost]:
    """The flags, extensions' own included, and the extensions. Raises InvalidValue."""
    flags = parse_flags(arguments, os.environ).flags
    if Path(flags.data_dir).exists() and not Path(flags.data_dir).is_dir():
        raise InvalidValue(f"--data-dir names {flags.data_dir}, which is a file.", "Name a folder; one that is not there yet is made.")
    extensions = host_for(flags)
    parsed = parse_flags(arguments, os.environ, extend=preloads(extensions))
    extensions.extra_flags = parsed.extra
    return parsed, extensions


def build(parsed: ParsedFlags, times: StartupTimes, extensions: ExtensionHost) -> tuple[App, FastAPI]:
    """The services, the API and the page of these flags, not yet served."""
    flags = parsed.flags
    with times.part("import torch"):
        import torch  # noqa: F401
    with times.part("import fastapi"):
        from fastapi import FastAPI
    if told := NewVersion(Path(__file__).absolute().parent, Path(flags.data_dir)).take_told():
        extensions.notices.append(told)
    with times.part("services"):
        from modules.application.build import build_app

        app = build_app(flags, extensions, start=False, given=parsed.given, times=times)
    if not flags.disable_console_progressbars:
        from modules.application.console_bars import ConsoleBars

        app.jobs.around = ConsoleBars(app.settings).around
    with times.part("scripts"):
        from modules.a1111.app_slot import occupy
        from modules.a1111.script_host import install_scripts

        occupy(app)
        scripts = install_scripts(app, blank_page)
    quiet_warnings(app)
    for sentence in app.policy.reasons:
        log.info(sentence)
    for sentence in parsed.said:
        log.info(sentence)
    if parsed.unknown:
        log.info("Unknown flags, left alone: %s", " ".join(parsed.unknown))
    server_app = FastAPI(title="Stable Diffusion web UI", docs_url=None, redoc_url=None, openapi_url=None)
    with times.part("API"):
        from modules.rest_api.build import add_api

        add_api(server_app, app, full=flags.api or flags.nowebui)
    from modules.gradio_ui import no_stubs

    no_stubs.install()
    page = None
    if not flags.nowebui:
        with times.part("import gradio"):
            import gradio  # noqa: F401
    if not flags.nowebui or extensions.has_code:
        with times.part("extensions"):
            start_extensions(app, scripts)
    if not flags.nowebui:
        with times.part("page"):
            from modules.gradio_ui.build import build_ui, mount

            page = build_ui(app)
            server_app = mount(server_app, page, app)
    app.jobs.start()  # jobs of a former server may want scripts, and make their controls: Gradio builds one page at a time in a program
    if not flags.nowebui or extensions.has_code:
        from modules.gradio_ui.announcing import announce_page

        announce_page(app, page, server_app)
    return app, server_app


def blank_page() -> AbstractContextManager[Any]:
    """Where scripts' controls are made that no page shows: with --nowebui, when a script is first asked for."""
    import gradio

    return gradio.Blocks(analytics_enabled=False)


def start_extensions(app: App, scripts: ScriptHost) -> None:
    """A1111's names speak for ``app``; extensions' scripts are loaded. What fails in them stays theirs."""
    from modules.a1111 import app_slot
    from modules.a1111.load_extensions import load_changed, load_extensions, model_was_loaded
    from modules.a1111.postprocessing_scripts import install_postprocessing
    from modules.gradio_ui import late_gradio
    from modules.rest_api import pydantic1_words

    app_slot.occupy(app)
    late_gradio.put_off()
    pydantic1_words.install(app.extensions.owning)
    app.checkpoints.when_loaded(model_was_loaded)
    operations = install_postprocessing(app)

    def take(module: ModuleType, file: ScriptFile) -> None:
        scripts.register(module, str(file.path), str(file.basedir))
        operations.register(module, str(file.path))

    def forget(files: Collection[str]) -> None:
        scripts.forget(files)
        operations.forget(files)

    load_extensions(take, scripts.initialize)
    scripts.newcomers = lambda: load_changed(take, forget)


def say_ready(app: App, address: Address, times: StartupTimes, told: str = "") -> None:
    """The page answers: say where, open the browser if asked, and load the model when a page that comes at once is up; a job does not wait for that.

    told: more for whoever started it.
    """
    from modules.application.build import preload
    from modules.gradio_ui.tunnels import open_tunnels

    log.info("Running on local URL:  %s", address.url.rstrip("/"))
    if told:
        sys.stdout.write(f"{told}\n")   # past --loglevel: without it nobody comes in
        sys.stdout.flush()
    elif address.is_open_to_others and not (app.flags.gradio_auth or app.flags.gradio_auth_path):
        log.warning("Everybody who can reach this machine can use this page: add --gradio-auth name:password to ask for one.")
    times.is_over()
    log.info(times.sentence())
    trial = threading.Timer(TRIAL_SECONDS, NewVersion(app.paths.script_dir, app.paths.data_dir).came_up)
    trial.daemon = True
    trial.start()
    if opens_browser(app, address) and not app.flags.nowebui and has_display(os.environ):
        webbrowser.open(address.url)
    open_tunnels(app.flags, address)
    if not app.flags.nowebui:
        app.first_visit.go_first()
    preload(app)


def opens_browser(app: App, address: Address) -> bool:
    """By --autolaunch, or as the settings say; not again after a restart from the page."""
    wanted = app.settings.get("auto_launch_browser")
    by_setting = wanted == "Remote" or (wanted == "Local" and not address.is_open_to_others)
    return app.flags.autolaunch or (by_setting and os.environ.get(RESTARTED) != "1")


def quiet_warnings(app: App) -> None:
    """Python's warnings, and Gradio's about old words, by the settings."""
    warnings.filterwarnings("default" if app.settings.get("show_warnings") else "ignore", category=UserWarning)
    if not app.settings.get("show_gradio_deprecation_warnings"):
        warnings.filterwarnings("ignore", module=r"gradio(\..*)?")


def serve(app: App, server_app: FastAPI, bound: socket, flags: Flags, key: str | None, certificate: str | None, stops: StopSignals) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; then end the running job at its next step, keep the waiting ones, and return."""
    import uvicorn

    config = uvicorn.Config(
        below_subpath(server_app, flags.subpath), log_level="warning", timeout_keep_alive=flags.timeout_keep_alive,
        loop="modules.launching.windows_loop:new_loop" if os.name == "nt" else "auto", timeout_graceful_shutdown=SHUTDOWN_SECONDS, ssl_keyfile=key, ssl_certfile=certificate,
    )  # fmt: skip
    logging.getLogger("uvicorn.error").addFilter(is_a_fault)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign]  # uvicorn's own would end the process with the signal's code
    ended: list[bool] = []
    hangup = getattr(signal, "SIGHUP", None)
    closing = threading.Thread(target=lambda: ended.append(app.close(STEP_SECONDS)), name="close", daemon=True)

    def stop(number: int, frame: object) -> None:
        if server.should_exit and number == hangup:
            return  # a terminal that is closed says so twice, by itself and by its shell
        if server.should_exit:
            NewVersion(app.paths.script_dir, app.paths.data_dir).ended(0, log.info)     # no crash of a new version's
            os._exit(STOPPED_BY_USER)  # asked twice: at once, in the middle of a step; the job store survives that
        if app.settings.get("dump_stacks_on_signal"):
            faulthandler.dump_traceback(all_threads=True)
        log.info("Stopping: the running job ends at its next step, waiting ones are kept. Ctrl+C again stops at once.")
        server.should_exit = True
        closing.start()  # now, because open requests wait for their jobs

    stops.stop = stop  # not installed here: an extension may have put its own handler before it
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # ignored under nohup, which is to go on
        signal.signal(hangup, stop)
    server.run([bound])
    if closing.ident is None:
        closing.start()
    closing.join()
    if not all(ended):
        atexit.register(os._exit, 0)  # Python's own end, in the middle of a step of torch's, would be an abort


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
