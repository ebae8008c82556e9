// Menus of the right mouse button, under A1111's names for extensions; "Generate forever" on the Generate buttons.

/* exported appendContextMenuOption, removeContextMenuOption, addContextMenuEventListener */

webui.menus = {options: [], forever: {}};

// Returns an id for removeContextMenuOption. selector: the elements on which the entry appears.
function appendContextMenuOption(selector, name, action) {
    const id = `menu-${webui.menus.options.length}-${Date.now()}`;
    webui.menus.options.push({id, selector, name, action});
    return id;
}

function removeContextMenuOption(id) {
    webui.menus.options = webui.menus.options.filter((option) => option.id !== id);
}

// A1111's extensions call it after adding entries; ours listens all the time.
function addContextMenuEventListener() {
}

webui.menus.close = () => document.getElementById("context-menu")?.remove();

// at: where, of the event itself or of a finger.
webui.menus.open = function(event, at = event) {
    webui.menus.close();
    if (!(event.target instanceof Element)) {
        return;
    }
    const options = webui.menus.options.filter((option) => event.target.closest(option.selector));
    if (options.length === 0) {
        return;
    }
    if (at === event) {
        event.preventDefault();
    }
    const items = options.map((option) => webui.make("button", {type: "button", role: "menuitem", text: option.name, onclick: () => {
        webui.menus.close();
        webui.call(option.action);
    }}));
    const menu = webui.make("div", {id: "context-menu", role: "menu"}, ...items);
    document.body.append(menu);
    menu.style.left = `${Math.min(at.clientX, window.innerWidth - menu.offsetWidth - 8)}px`;
    menu.style.top = `${Math.min(at.clientY, window.innerHeight - menu.offsetHeight - 8)}px`;
    items[0].focus();
    menu.addEventListener("keydown", (key) => {
        const step = {ArrowDown: 1, ArrowUp: -1}[key.key];
        if (step) {
            items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
            key.preventDefault();
        } else if (key.key === "Escape") {
            key.stopPropagation();
            webui.menus.close();
        }
    });
};

document.addEventListener("contextmenu", (event) => webui.menus.open(event));
// Two fingers, for phones whose long press says nothing to the page.
document.addEventListener("touchstart", (event) => event.touches.length === 2 && webui.menus.open(event, event.touches[0]), {passive: true});
document.addEventListener("pointerdown", (event) => !(event.target instanceof Element && event.target.closest("#context-menu")) && webui.menus.close());
window.addEventListener("blur", webui.menus.close);

webui.generateForever = function(tab) {
    webui.stopForever(tab);
    const again = () => webui.jobs[tab] && webui.jobs[tab].ids.length === 0 && webui.beingFilled === 0 && webui.find(`#${tab}_generate`).click();
    again();
    webui.menus.forever[tab] = setInterval(again, 500);
    webui.find(`#${tab}_generate`).classList.add("forever");
};

webui.stopForever = function(tab) {
    clearInterval(webui.menus.forever[tab]);
    delete webui.menus.forever[tab];
    webui.find(`#${tab}_generate`)?.classList.remove("forever");
};

for (const tab of ["txt2img", "img2img"]) {
    for (const name of ["generate", "interrupt"]) {          // Interrupt stands in Generate's place while a picture is made
        appendContextMenuOption(`#${tab}_${name}`, "Generate forever", () => webui.generateForever(tab));
    }
    for (const name of ["generate", "interrupt", "interrupting", "skip"]) {
        appendContextMenuOption(`#${tab}_${name}`, "Cancel generate forever", () => webui.stopForever(tab));
    }
}
