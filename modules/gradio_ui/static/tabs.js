// The top tabs: plain buttons over columns that are all in the page from the start.

/* exported switch_to_txt2img, switch_to_img2img, switch_to_img2img_tab, switch_to_sketch, switch_to_inpaint, switch_to_inpaint_sketch, switch_to_extras, get_tab_index, create_tab_index_args,
   get_img2img_tab_index */

webui.tabButtons = () => Array.from(document.querySelectorAll("#tabs > .tab-nav > button"));

// Settings name the top tabs in English, whatever language the page is shown in.
webui.rememberTabLabels = function() {
    for (const button of webui.tabButtons()) {
        button.dataset.label = button.dataset.label || button.textContent.trim();
    }
};

webui.tabPanels = () => Array.from(document.querySelectorAll("#tabs > .tabitem"));

// To the letter what Gradio 3 wrote there, for extensions look for '[style="display: block;"].tabitem'; style.css lays it out.
webui.showPanel = (panel, on) => panel.setAttribute("style", `display: ${on ? "block" : "none"};`);

webui.showTab = function(panelId) {
    for (const panel of webui.tabPanels()) {
        webui.showPanel(panel, panel.id === panelId);
    }
    for (const button of webui.tabButtons()) {
        const chosen = button.id === `${panelId}-button`;
        button.classList.toggle("selected", chosen);
        button.setAttribute("aria-selected", String(chosen));
        button.tabIndex = chosen ? 0 : -1;
    }
    webui.noteTabChange();
    window.dispatchEvent(new Event("resize"));  // components that measured themselves while hidden measure again
};

// Gradio 3 had one element around all that is in a tab's panel: style sheets and scripts of extensions count on it ("#tab_txt2img > div").
webui.wrapPanel = function(panel) {
    const wrap = document.createElement("div");
    wrap.className = "gap";
    wrap.append(...panel.childNodes);  // with Gradio's own marks, beside which it puts what comes later
    panel.append(wrap);
    if (webui.boot.hasForeignScripts) {
        wrap.querySelectorAll("textarea").forEach(webui.measureAnew);
    }
};

// Gradio measured an empty field when an extension's styles had not found what they are for, and made it high for a narrow column.
webui.measureAnew = function(area) {
    if (area.value === "") {
        area.style.removeProperty("height");
        area.style.removeProperty("overflow-y");
    }
};

webui.startTabs = function() {
    webui.tabPanels().forEach(webui.wrapPanel);
    const nav = webui.find("#tabs > .tab-nav");
    nav.setAttribute("role", "tablist");
    for (const button of webui.tabButtons()) {
        const panelId = button.id.replace(/-button$/, "");
        button.setAttribute("role", "tab");
        button.setAttribute("aria-controls", panelId);
        button.addEventListener("click", () => webui.showTab(panelId));
        const panel = document.getElementById(panelId);
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", button.id);
    }
    nav.addEventListener("keydown", webui.moveAlongTabs);
    webui.showTab((webui.tabAtStart() || webui.tabPanels()[0]).id);
    document.querySelectorAll(".inner-tabs").forEach(webui.startInnerTabs);
};

// The panel that ui-config.json names ("webui/Tabs@tabs/selected") by A1111's id.
webui.tabAtStart = () => webui.tabPanels().find((panel) => panel.id === `tab_${webui.boot.firstTab}`);

// Tabs inside a tab: the same, one set each.
webui.startInnerTabs = function(root) {
    const nav = root.querySelector(":scope > .tab-nav");
    const buttons = Array.from(nav.children);
    nav.setAttribute("role", "tablist");
    for (const button of buttons) {
        const panel = document.getElementById(button.id.replace(/-button$/, ""));
        button.setAttribute("role", "tab");
        button.setAttribute("aria-controls", panel.id);
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", button.id);
        webui.wrapPanel(panel);
        button.addEventListener("click", () => webui.showInnerTab(root, buttons, button));
    }
    nav.addEventListener("keydown", (event) => webui.moveAlong(event, buttons));
    const named = (webui.boot.firstInnerTabs || {})[root.id];     // by ui-config.json
    webui.showInnerTab(root, buttons, document.getElementById(webui.innerTabs()[root.id]) || buttons.find((each) => each.id === `${named}-button`) || buttons[0]);
};

// Which inner tabs were chosen before a reload: button's id by root's id.
webui.innerTabs = function() {
    try {
        return JSON.parse(sessionStorage.getItem("inner_tabs")) || {};
    } catch {
        return {};
    }
};

webui.keepInnerTab = function(root, chosen) {
    try {
        sessionStorage.setItem("inner_tabs", JSON.stringify({...webui.innerTabs(), [root.id]: chosen.id}));
    } catch (error) {
        console.warn("the browser does not keep the chosen tab", error);
    }
};

webui.showInnerTab = function(root, buttons, chosen) {
    for (const button of buttons) {
        const on = button === chosen;
        button.classList.toggle("selected", on);
        button.setAttribute("aria-selected", String(on));
        button.tabIndex = on ? 0 : -1;
        webui.showPanel(document.getElementById(button.getAttribute("aria-controls")), on);
    }
    webui.keepInnerTab(root, chosen);
    root.dispatchEvent(new CustomEvent("innertab", {detail: buttons.indexOf(chosen)}));
};

webui.moveAlongTabs = (event) => webui.moveAlong(event, webui.tabButtons());

webui.moveAlong = function(event, all) {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) {
        return;
    }
    const buttons = all.filter((button) => button.offsetParent);
    const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
    next.click();
    next.focus();
    event.preventDefault();
};

function switchToTab(name, values) {
    webui.showTab(`tab_${name}`);
    return Array.from(values);
}

function switch_to_txt2img() {
    return switchToTab("txt2img", arguments);
}

function switch_to_img2img() {
    return switchToTab("img2img", arguments);
}

function switch_to_img2img_tab(number) {
    webui.showTab("tab_img2img");
    const buttons = document.querySelectorAll("#mode_img2img button[role=tab]");
    if (buttons[number]) {
        buttons[number].click();
    }
}

// To img2img's inner tab of that number, for a click whose values go on as they are.
webui.switchToInner = function(number, values) {
    switch_to_img2img_tab(number);
    return Array.from(values);
};

function switch_to_sketch() {
    return webui.switchToInner(1, arguments);
}

function switch_to_inpaint() {
    return webui.switchToInner(2, arguments);
}

function switch_to_inpaint_sketch() {
    return webui.switchToInner(3, arguments);
}

function switch_to_extras() {
    return switchToTab("extras", arguments);
}

// Which of the inner tabs of a Gradio Tabs element is chosen, from 0.
function get_tab_index(tabId) {
    const buttons = Array.from(document.querySelectorAll(`#${tabId} [role=tablist] button[role=tab]`));
    return Math.max(0, buttons.findIndex((button) => button.classList.contains("selected")));
}

// The arguments of an event, with the chosen tab's number in place of the first.
function create_tab_index_args(tabId, args) {
    return [get_tab_index(tabId), ...Array.from(args).slice(1)];
}

// The same for img2img's tabs, without the last two, which are outputs.
function get_img2img_tab_index() {
    return [get_tab_index("mode_img2img"), ...Array.from(arguments).slice(1, -2)];
}
