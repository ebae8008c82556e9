// The dialog that fetches a model file by address or hub id, and what has been fetched since the server started.

webui.DOWNLOAD_KINDS = {checkpoints: "checkpoint", lora: "lora", textual_inversion: "embedding", hypernetworks: "hypernetwork"};
webui.DOWNLOAD_WORDS = {vae: "VAE", lora: "LoRA", controlnet: "ControlNet"};

webui.networks.download = async function(pageId, refresh) {
    const state = await webui.attempt(() => webui.ask("./internal/downloads"));
    if (!state) {
        return;
    }
    const {make} = webui;
    const field = (label, name, placeholder) => make("label", {text: label}, make("input", {name, placeholder, autocomplete: "off", spellcheck: "false"}));
    const kinds = make("select", {name: "kind"}, ...Object.keys(state.folders).map((kind) =>
        make("option", {value: kind, text: webui.DOWNLOAD_WORDS[kind] || kind, selected: kind === webui.DOWNLOAD_KINDS[pageId]})));
    const where = make("small");
    const showWhere = () => where.textContent = `It goes into ${state.folders[kinds.value]}.`;
    kinds.addEventListener("change", showWhere);
    showWhere();
    const list = make("div", {class: "download-list", "aria-live": "polite"});
    const form = make("form", {class: "edit-user-metadata download-form"},
        field("Address, or OWNER/NAME/FILE on Hugging Face", "source", "https://..., or owner/name/model.safetensors"),
        make("label", {text: "Kind"}, kinds), where,
        field("Name (as it is called there, when empty)", "name", ""),
        field("SHA-256 (checked when given)", "sha256", ""),
        make("footer", {}, make("button", {type: "submit", class: "dialog-button primary", text: "Download"})), list);
    form.addEventListener("submit", async(event) => {
        event.preventDefault();
        const values = Object.fromEntries(new FormData(form));
        if (await webui.attempt(() => webui.ask("./internal/downloads", {method: "POST", body: values}))) {
            form.source.value = form.elements.name.value = form.sha256.value = "";
            tell();
        }
    });
    const dialog = webui.openDialog("Download a model", form, "webui_downloads");
    let done = state.downloads.filter((each) => each.state === "done").length;
    async function tell() {
        const found = await webui.ask("./internal/downloads").catch(() => null);
        if (!dialog.isConnected) {
            return;
        }
        if (found) {
            list.replaceChildren(...found.downloads.map(webui.describeDownload));
            const now = found.downloads.filter((each) => each.state === "done").length;
            if (now > done) {
                refresh();
            }
            done = now;
        }
    }
    tell();
    const clock = setInterval(tell, 1000);
    dialog.addEventListener("close", () => clearInterval(clock));
};

webui.isDownloading = ({state}) => state === "running" || state === "waiting";

webui.describeDownload = (download) => {
    const {make} = webui;
    const amount = (bytes) => bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
    const parts = [download.state, download.there ? (download.total ? `${amount(download.there)} of ${amount(download.total)}` : amount(download.there)) : "",
        download.licence ? `licence: ${download.licence}` : ""];
    const bar = make("progress", {max: download.total || 1, "aria-label": `Progress of ${download.name}`});
    if (download.total) {
        bar.value = download.there;
    }
    const stop = make("button", {type: "button", class: "dialog-button", text: "Stop", "aria-label": `Stop the download of ${download.name}`,
        onclick: () => webui.attempt(() => webui.ask(`./internal/downloads/${download.id}`, {method: "DELETE"}))});
    return make("div", {class: `download ${download.state}`}, make("div", {class: "download-head"}, make("strong", {text: download.name}), webui.isDownloading(download) ? stop : null),
        make("small", {text: parts.filter(Boolean).join(" · ")}), download.state === "running" ? bar : null,
        download.message ? make("small", {class: "download-message", text: download.message}) : null);
};

// A message that a well-known file is missing names its address, and gets a button that fetches it.
webui.published = null;

onAfterUiUpdate(() => {
    const messages = document.querySelectorAll(".webui-message:not(.offers), .webui-toast.error:not(.offers) p");
    const telling = Array.from(messages).filter((each) => each.textContent.includes("https://"));
    telling.forEach((each) => (each.closest(".webui-toast") || each).classList.add("offers"));
    if (telling.length) {
        webui.published ||= webui.ask("./internal/downloads/published").catch(() => webui.published = null);
        webui.published.then((known) => telling.forEach((message) => webui.offerDownloads(message, known || {})));
    }
});

webui.offerDownloads = (message, known) => {
    const wanted = Object.keys(known).filter((address) => message.textContent.includes(address));
    if (wanted.length) {
        const more = wanted.length > 1 ? ` and ${wanted.length - 1} more` : "";
        message.append(" ", webui.make("button", {type: "button", class: "dialog-button", text: `Download ${known[wanted[0]]}${more}`,
            onclick: (event) => webui.fetchPublished(event.target, wanted)}));
    }
};

webui.fetchPublished = async(button, wanted) => {
    button.disabled = true;
    button.parentElement.querySelectorAll("span").forEach((former) => former.remove());
    while (wanted.length) {
        const source = wanted[0];
        const begun = await webui.attempt(() => webui.ask("./internal/downloads", {method: "POST", body: {source, kind: "published"}}));
        const ended = begun && await webui.downloadEnds(begun.id, (mine) => {
            button.textContent = `${mine.name}: ${Math.floor(100 * mine.there / mine.total)} %`;
        });
        if (ended?.state !== "done") {
            button.disabled = false;
            if (ended) {
                button.before(webui.make("span", {text: `${ended.message} `}));
                button.textContent = "Try again";
            }
            return;
        }
        wanted.shift();
    }
    button.textContent = "It is here: try again";
};

webui.downloadEnds = (id, tell) => new Promise((resolve) => {
    const clock = setInterval(async() => {
        const found = await webui.ask("./internal/downloads").catch(() => null);
        const mine = found?.downloads.find((each) => each.id === id);
        if (mine && !webui.isDownloading(mine)) {
            clearInterval(clock);
            resolve(mine);
        } else if (mine?.total) {
            tell(mine);
        }
    }, 1000);
});
