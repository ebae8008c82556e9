// Extensions look for everything in the page when it opens. Gradio 6 makes what is in its own accordions and tabs only when they
// are first opened: so each is opened once, unseen, before the extensions' scripts are told that the page is there.

// Ends in time whatever happens, in ms.
webui.primingPatience = 3000;

webui.closedParts = function() {
    const accordions = gradioApp().querySelectorAll(".block > button.label-wrap:not(.open):not([data-primed])");
    const tabs = gradioApp().querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden) button[role=tab]:not(.selected):not([data-primed])");
    return [...accordions, ...tabs];
};

// Opens closed accordions and unvisited tabs, layer after layer, then puts them back. Resolves when all are done.
webui.prime = async function() {
    const deadline = performance.now() + webui.primingPatience;
    const shown = new Map();
    for (const list of gradioApp().querySelectorAll("#tabs .tabs [role=tablist]:not(.visually-hidden)")) {
        shown.set(list, list.querySelector("button[role=tab].selected"));
    }
    const opened = [];
    let parts = webui.closedParts();
    while (parts.length && performance.now() < deadline) {
        for (const part of parts) {
            part.dataset.primed = "yes";
            part.click();
            if (part.classList.contains("label-wrap")) {
                opened.push(part);
            } else {
                await webui.nextFrame();
            }
        }
        await webui.nextFrame();
        parts = webui.closedParts();
    }
    opened.reverse().forEach((part) => part.classList.contains("open") && part.click());
    shown.forEach((button) => button && button.isConnected && button.click());
    await webui.nextFrame();
};

webui.nextFrame = () => new Promise((resolve) => setTimeout(resolve, 16));
