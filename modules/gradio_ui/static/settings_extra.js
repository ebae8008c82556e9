// Pages of the Settings tab that hold no settings, and settings that were changed in another window.

/* exported requestNotifications, restart_reload */

webui.showDefaults = (html) => { webui.find("#ui_defaults_result").innerHTML = html || "<p>The server did not answer.</p>"; };

webui.choicesArrived = function(text) {
    const answer = JSON.parse(text || "{}");
    const row = webui.settingRows().find((each) => each.dataset.key === answer.key);
    if (!row) {
        return;
    }
    const value = webui.readSetting(row);
    const first = row.querySelector("select.setting-add") ? [new Option("Add...", "")] : [];
    const words = new Map(Array.from(row.querySelector("select").options, (each) => [each.value, each.text]));
    row.querySelector("select").replaceChildren(...first, ...answer.choices.map((each) => new Option(words.get(each) || each, each)));
    webui.settingKinds[row.dataset.kind].write(row, value);
    webui.markSetting(row);
};

webui.act = async function(name) {
    try {
        const answer = await webui.postJson(`./internal/actions/${name}`, {});
        webui.toast(answer.message);
    } catch (error) {
        webui.toast(error.message, "error");
    }
};

webui.openExtraSettings = async function(id) {
    const place = webui.find("#licenses");
    if (id === "tab_licenses" && !place.textContent) {
        place.textContent = (await webui.fetchJson("./internal/licenses").catch((error) => ({text: error.message}))).text;
    }
};

webui.checkReport = async function(file) {
    const answer = await webui.postJson("./internal/sysinfo-check", {text: await file.text()}).catch((error) => ({words: error.message}));
    const words = answer.words || (answer.unchanged ? "This file is as the program wrote it." : "This file was changed, or is no system info file.");
    webui.find("#sysinfo_validity").textContent = words;
};

async function requestNotifications() {
    if (!("Notification" in window)) {
        webui.toast("This browser shows notifications only for pages on https or on this machine.", "error");
        return;
    }
    const answer = await Notification.requestPermission();
    webui.toast(answer === "granted" ? "The browser will tell when pictures are done." : "The browser does not allow notifications of this page.");
}

// "Reload UI": the server builds the page anew, then the browser loads it.
webui.reloadBegins = () => webui.toast("The page is built anew...");

webui.reloadEnds = function(words) {
    if (words) {
        webui.toast(words, "error");
    } else {
        location.reload();
    }
};

// The server has another page than this one: somebody pressed "Reload UI" elsewhere, or did before the server was started anew. Fields, drawings and jobs come back; an extension
// that asks for what no page has must not reload it for ever.
webui.pageIsOld = function(request) {
    const before = Number(webui.recall("page_was_old", "sessionStorage"));
    if (Date.now() - before < 30000) {
        webui.toast("The server has another page than this one. Load the page again.", "error");
        return;
    }
    webui.remember("page_was_old", String(Date.now()), "sessionStorage");
    webui.clickRefused(request);
    location.reload();
};

// A1111's: what an extension's own "Restart UI" runs beside its request on the server.
function restart_reload() {
    webui.find("#settings_restart_gradio").click();
    return [];
}

document.addEventListener("click", ({target}) => {
    if (target.id === "webui_startup_profile") {
        showProfile("./internal/profile-startup");
    }
    if (target.id === "webui_reload") {
        restart_reload();
    }
});

// Settings stored in another window or over the API are taken up when this one is looked at again; what was edited here stays.
webui.takeFreshSettings = async function() {
    const fresh = await webui.fetchJson("./internal/settings").catch(() => null);
    if (!fresh) {
        return;
    }
    const changed = Object.fromEntries(Object.entries(fresh).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(opts[key])));
    if (Object.keys(changed).length === 0) {
        return;
    }
    webui.changeOptions(changed);
    webui.find("#quicksettings_fresh").click();
    for (const row of webui.settingRows().filter((each) => each.dataset.key in changed && !each.classList.contains("edited"))) {
        webui.writeSetting(row, changed[row.dataset.key]);
    }
};

onUiLoaded(() => {
    const press = (id, act) => document.getElementById(id).addEventListener("click", act);
    for (const name of ["view", "apply"]) {
        press(`ui_defaults_${name}`, () => webui.find(`#ui_defaults_${name}_run`).click());
    }
    press("request_notifications", requestNotifications);
    press("download_localization", () => webui.downloadLocalizationTemplate());
    document.querySelectorAll("#settings [data-action]").forEach((button) => button.addEventListener("click", () => webui.act(button.dataset.action)));
    document.getElementById("sysinfo_file").addEventListener("change", (event) => event.target.files[0] && webui.checkReport(event.target.files[0]));
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && webui.takeFreshSettings());
    window.addEventListener("focus", webui.takeFreshSettings);
    onUiTabChange(() => uiCurrentTab.id === "tab_settings-button" && webui.takeFreshSettings());
});
