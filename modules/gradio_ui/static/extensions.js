// The Extensions tab: its table is fetched when it is shown; which boxes are not ticked goes to the server as JSON.

webui.extensionsSwitchedOff = function() {
    const boxes = Array.from(gradioApp().querySelectorAll("#extensions input[data-name]"));
    return JSON.stringify(boxes.filter((box) => !box.checked).map((box) => box.dataset.name));
};

onUiTabChange(() => {
    if (get_uiCurrentTabContent()?.id === "tab_extensions") {
        webui.find("#extensions_refresh").click();
    }
});
