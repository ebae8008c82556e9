// The Extensions tab: its table is fetched when it is shown; which boxes are not ticked goes to the server as JSON.

webui.extensionsSwitchedOff = function() {
    const boxes = Array.from(document.querySelectorAll("#extensions input[data-name]"));
    if (boxes.length === 0) {
        return JSON.stringify(opts.disabled_extensions || []);  // the table is still on its way: nothing was ticked or unticked
    }
    return JSON.stringify(boxes.filter((box) => !box.checked).map((box) => box.dataset.name));
};

// The box above the others is ticked where they all are, and ticks them all.
webui.showExtensionsAll = function() {
    const boxes = Array.from(document.querySelectorAll("#extensions input[data-name]")), ticked = boxes.filter((box) => box.checked).length;
    const all = document.getElementById("extensions_all");
    if (all) {
        all.checked = boxes.length > 0 && ticked === boxes.length;
        all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
};

document.addEventListener("change", ({target}) => {
    if (target.id === "extensions_all") {
        document.querySelectorAll("#extensions input[data-name]").forEach((box) => { box.checked = target.checked; });
    } else if (target.matches?.("#extensions input[data-name]")) {
        webui.showExtensionsAll();
    }
});

onAfterUiUpdate(() => webui.showExtensionsAll());

webui.extensionsToUpdate = function() {
    return JSON.stringify(Array.from(document.querySelectorAll("#extensions input[data-update]:checked")).map((box) => box.dataset.update));
};

// The server goes down and comes back: the page is loaded anew as soon as it answers.
webui.extensionsRestart = async function() {
    const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    const answers = () => fetch("internal/ping", {cache: "no-store"}).then((response) => response.ok, () => false);
    await pause(100);
    if (!webui.find("#extension_install_result [data-restarting]")) {
        return;
    }
    while (await answers()) {
        await pause(150);
    }
    while (!await answers()) {
        await pause(500);
    }
    location.reload();
};

onUiTabChange(() => {
    if (get_uiCurrentTabContent()?.id === "tab_extensions") {
        webui.find("#extensions_refresh").click();
    }
});

// The list of available extensions: what fits the search, in the order asked for; Install fills the form above and presses its button.
document.addEventListener("input", (event) => {
    if (!["extensions_search", "extensions_tag", "extensions_sort"].includes(event.target.id)) {
        return;
    }
    const words = webui.find("#extensions_search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const tag = webui.find("#extensions_tag").value;
    const order = webui.find("#extensions_sort").value;
    const body = webui.find("#extensions_offers tbody");
    const rows = Array.from(body.rows);
    for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word)) || (tag !== "" && !row.dataset.tags.split("|").includes(tag));
    }
    const by = (key, one, other) => one.dataset[key].localeCompare(other.dataset[key], undefined, {numeric: true});
    rows.sort((one, other) => (order === "name" ? 0 : by(order, other, one)) || by("name", one, other));
    body.append(...rows);
});

document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#extensions_offers [data-install]");
    if (button) {
        const field = webui.field("extension_to_install");
        field.value = button.dataset.install;
        updateInput(field);
        field.scrollIntoView({block: "center"});
        setTimeout(() => webui.find("#install_extension_button").click(), 200);
    }
});
