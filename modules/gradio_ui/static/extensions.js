// The Extensions tab: its table is fetched when it is shown; which boxes are not ticked goes to the server as JSON.

webui.extensionsSwitchedOff = function() {
    const boxes = Array.from(gradioApp().querySelectorAll("#extensions input[data-name]"));
    return JSON.stringify(boxes.filter((box) => !box.checked).map((box) => box.dataset.name));
};

// The server goes down and comes back: the page is loaded anew as soon as it answers.
webui.extensionsRestart = async function() {
    const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    const answers = () => fetch("internal/ping", {cache: "no-store"}).then((response) => response.ok, () => false);
    await pause(100);
    if (!webui.find("#extensions_answer [data-restarting]")) {
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
