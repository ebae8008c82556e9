"""``--share``: Gradio's public address that leads here. Without a network the server goes on, and says that there is none."""

from __future__ import annotations

import logging
import secrets
import threading

from modules.launching.serving import EVERYWHERE, Address
from modules.schema.flags import Flags

log = logging.getLogger(__name__)


def open_tunnels(flags: Flags, address: Address) -> threading.Thread | None:
    """In the background: Gradio asks for the address and fetches the program that holds the line, which may take a minute. None where no tunnel is wanted."""
    if flags.ngrok:
        log.warning("--ngrok: this program opens no ngrok tunnel. Run 'ngrok http %d' beside it, or use --share.", address.port)
    if not flags.share:
        return None
    if flags.tls_certfile or flags.nowebui:
        log.warning("--share: there is no public address for a server with %s.", "TLS of its own" if flags.tls_certfile else "--nowebui")
        return None
    thread = threading.Thread(target=_share, args=(address,), name="share", daemon=True)
    thread.start()
    return thread


def _share(address: Address) -> None:
    from gradio import networking

    host = "127.0.0.1" if address.host in EVERYWHERE else address.host
    try:
        public = networking.setup_tunnel(host, address.port, secrets.token_urlsafe(32), None, None)
    except Exception as error:  # whatever Gradio's network code raises: the page itself is up
        reason = next((line for line in str(error).splitlines() if line.strip()), "") or type(error).__name__
        log.warning("--share: no public address could be had (%s). The page goes on at %s. Check the network and start again, or use --listen.",
                    reason[:300], address.url.rstrip("/"))  # fmt: skip
        return
    path = address.url.split("://", 1)[1].partition("/")[2].rstrip("/")
    log.info("Running on public URL: %s", public.rstrip("/") + (f"/{path}" if path else ""))
