// Settings that arrange the page: which tabs there are and in what order, the order of parts on a generation tab, folded parts.
// They act when the page is loaded anew; nothing is taken out of the page, so that scripts find it all.

// Names of parts in the setting ui_reorder_list -> elem_ids, in the order that A1111 begins with. Prompts stand there by compact_prompt_box alone.
webui.generationParts = {
    prompt: ["{tab}_prompt_container"],
    image: ["mode_img2img", "img2img_mode", "img2img_depth", "img2img_further", "resize_mode"],
    inpaint: ["{tab}_inpaint_controls", "img2img_inpaint_controls"],
    sampler: ["sampler_selection_{tab}"],
    accordions: ["{tab}_accordions"],
    checkboxes: [],
    dimensions: ["{tab}_size_and_batch", "{tab}_column_size"],
    cfg: ["{tab}_cfg_scale"],
    denoising: ["img2img_denoising_strength"],
    seed: ["{tab}_seed_row", "{tab}_seed_extras"],
    batch: ["{tab}_size_and_batch"],
    override_settings: ["{tab}_override_settings_row"],
    scripts: ["{tab}_script_container"],
};

webui.tabLabels = function() {
    webui.rememberTabLabels();
    return webui.tabButtons().map((button) => button.dataset.label);
};

// Hides and orders the top tabs. Settings always stays: nobody could bring it back.
webui.arrangeTabs = function() {
    const hidden = opts.hidden_tabs || [];
    const order = opts.ui_tab_order || [];
    webui.rememberTabLabels();
    for (const button of webui.tabButtons()) {
        const label = button.dataset.label;
        const place = order.indexOf(label);
        button.style.order = place >= 0 ? place - order.length : 0;
        button.style.display = hidden.includes(label) && button.id !== "tab_settings-button" ? "none" : "";
    }
    const shown = webui.tabButtons().filter((button) => button.style.display !== "none");
    const first = shown.sort((one, other) => Number(one.style.order) - Number(other.style.order))[0];
    const named = webui.tabAtStart();
    if (named && shown.some((button) => button.id === `${named.id}-button`)) {
        webui.showTab(named.id);
    } else if (first) {
        webui.showTab(first.id.replace(/-button$/, ""));
    }
};

// Both lists of tabs on the Settings page offer the tabs that there are.
webui.offerTabs = function() {
    for (const key of ["ui_tab_order", "hidden_tabs"]) {
        const select = document.querySelector(`#setting_${key} select`);
        if (select) {
            select.replaceChildren(new Option("Add...", ""), ...webui.tabLabels().map((label) => new Option(label, label)));
        }
    }
};

webui.arrangeParts = function(tab) {
    const column = document.getElementById(`${tab}_settings`);
    const order = opts.ui_reorder_list || [];
    if (!column || order.length === 0) {
        return;
    }
    const usual = Object.keys(webui.generationParts);
    // those of the list stand at 1, 3, 5, ..., the others keep 0, 2, 4, ... of the usual order: so A1111 mixes them
    const places = new Map(usual.map((name, index) => [name, order.includes(name) ? order.indexOf(name) * 2 + 1 : index * 2]));
    const names = usual.sort((one, other) => places.get(one) - places.get(other));
    const placed = new Set();
    names.forEach((name) => {
        for (const id of webui.generationParts[name] || []) {
            let part = document.getElementById(id.replace("{tab}", tab));
            while (part && part.parentElement !== column) {
                part = part.parentElement;
            }
            if (part && !placed.has(part)) {
                placed.add(part);
                part.style.order = places.get(name) + (name === "prompt" ? 0 : 1);  // what is nobody's part stands first, below the prompts
            }
        }
    });
};

// Settings txt2img_settings_accordion and img2img_settings_accordion: the left column folds behind a button.
webui.foldColumn = function(tab, wanted) {
    const column = document.getElementById(`${tab}_settings`);
    if (!column || !wanted) {
        return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fold-settings";
    button.textContent = "Settings";
    const fold = (closed) => {
        column.classList.toggle("folded", closed);
        button.setAttribute("aria-expanded", String(!closed));
    };
    button.addEventListener("click", () => fold(!column.classList.contains("folded")));
    column.prepend(button);
    fold(true);
};

webui.hideGalleries = () => document.body.classList.toggle("no-gallery", opts.do_not_show_images === true);

onOptionsChanged(webui.hideGalleries);
onUiLoaded(() => {
    webui.offerTabs();
    if ((opts.hidden_tabs || []).length > 0 || (opts.ui_tab_order || []).length > 0) {
        webui.arrangeTabs();
    }
    webui.arrangeParts("txt2img");
    webui.arrangeParts("img2img");
    webui.foldColumn("txt2img", opts.txt2img_settings_accordion);
    webui.foldColumn("img2img", opts.img2img_settings_accordion);
    document.body.classList.toggle("batch-apart", opts.dimensions_and_batch_together === false);
    webui.hideGalleries();
});
