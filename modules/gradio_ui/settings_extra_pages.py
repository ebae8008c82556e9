"""Pages of the Settings tab that hold no settings: Defaults, Sysinfo, Actions, Licenses. What they do stands in static/settings_extra.js."""

from __future__ import annotations

from html import escape

from modules.compute.policy import ComputePolicy

EXTRA_PAGES = (("defaults", "Defaults"), ("sysinfo", "Sysinfo"), ("actions", "Actions"), ("licenses", "Licenses"))

_DEFAULTS = """
<p>What the fields of the page hold when it opens is kept in <code>ui-config.json</code>. Set the fields of txt2img and img2img as you like them,
look at what would change, then apply.</p>
<p class="buttons"><button type="button" id="ui_defaults_view" class="dialog-button">View changes</button>
<button type="button" id="ui_defaults_apply" class="dialog-button primary">Apply</button></p>
<div id="ui_defaults_result" role="status"></div>
"""
_SYSINFO = """
<h4>How this machine draws</h4>
<dl id="compute_policy">{policy}</dl>
<p>What a maintainer asks for when something goes wrong: machine, versions, flags, changed settings. Passwords, keys and tokens are left out.</p>
<p class="buttons" id="sysinfo_download"><a href="./internal/sysinfo-download" class="dialog-button sysinfo_big_link" download>Download system info</a>
<a href="./internal/sysinfo" class="dialog-button" target="_blank">Show it here</a></p>
<p><label>Check a system info file: <input type="file" id="sysinfo_file" accept=".json,.txt"></label></p>
<div id="sysinfo_validity" role="status"></div>
"""
_ACTIONS = """
<p class="buttons actions">
<button type="button" id="request_notifications" class="dialog-button">Request browser notifications</button>
<button type="button" id="download_localization" class="dialog-button">Download localization template</button>
<button type="button" id="settings_reload_script_bodies" class="dialog-button" data-action="reload-scripts">Reload custom script bodies (No ui updates, No restart)</button>
<button type="button" id="sett_unload_sd_model" class="dialog-button" data-action="unload-checkpoint">Unload SD checkpoint to RAM</button>
<button type="button" id="sett_reload_sd_model" class="dialog-button" data-action="load-checkpoint">Load SD checkpoint to VRAM from RAM</button>
<button type="button" id="calculate_all_checkpoint_hash" class="dialog-button" data-action="calculate-hashes">Calculate hash for all checkpoint</button>
</p>
"""
_CONTENT = {"defaults": _DEFAULTS, "actions": _ACTIONS, "licenses": '<pre id="licenses"></pre>'}


def extra_pages_html(policy: str = "") -> str:
    """One <section> for each, shaped like those of settings. policy: ``policy_html``, for the system's page."""
    content = _CONTENT | {"sysinfo": _SYSINFO.replace("{policy}", policy)}
    return "".join(
        f'<section id="settings_tab_{name}" class="extra"><div><h3>{title}</h3>{content[name]}</div></section>' for name, title in EXTRA_PAGES
    )


def policy_html(policy: ComputePolicy) -> str:
    """What was chosen for this machine with the reason of each choice, then what became of each flag."""
    choices = "".join(f"<dt>{escape(each.topic)}</dt><dd><b>{escape(each.value)}</b>. {escape(each.why)}</dd>" for each in policy.choices)
    return choices + "".join(f"<dt><code>{escape(each.flag)}</code></dt><dd>{escape(each.says)}</dd>" for each in policy.flag_lines)
