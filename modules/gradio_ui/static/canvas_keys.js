// Keys of the canvas under the pointer or with the focus; which letters, say the settings, as in A1111's canvas-zoom.

webui.canvasMay = (name) => !(opts.canvas_disabled_functions || []).includes(name);

// key -> what it does with a canvas's tools. Letters as they are typed, small.
webui.canvasKeys = function() {
    const keys = {
        "[": (tools) => tools.setSize(tools.sizeStep - 3),
        "]": (tools) => tools.setSize(tools.sizeStep + 3),
        b: (tools) => tools.choose("brush"),
        e: (tools) => tools.choose(tools.tool === "eraser" ? "brush" : "eraser"),
        g: (tools) => tools.choose("fill"),
        i: (tools) => tools.choose("pick"),
    };
    const fromSettings = [
        [opts.canvas_hotkey_shrink_brush, "Hotkey shrink brush", keys["["]],
        [opts.canvas_hotkey_grow_brush, "Hotkey enlarge brush", keys["]"]],
        [opts.canvas_hotkey_fullscreen, "Fullscreen", (tools) => tools.setFull(!tools.view.isFull)],
        [opts.canvas_hotkey_reset, "Reset Zoom", (tools) => tools.view.fit()],
        [opts.canvas_hotkey_move, "Moving canvas", (tools) => webui.holdCanvas(tools, true)],
    ];
    for (const [key, name, act] of fromSettings) {
        if (key && webui.canvasMay(name)) {
            keys[String(key).toLowerCase()] = act;
        }
    }
    return keys;
};

// The letter that was typed, small; on a keyboard that writes Cyrillic, Greek or the like, the Latin one of that key.
webui.latinLetter = ({key, code}) => (/^[^\x00-\x7f]$/.test(key) && /^Key[A-Z]$/.test(code) ? code.slice(3) : key).toLowerCase();

webui.holdCanvas = function(tools, on) {
    tools.movingKey = on;
    tools.showCursor();
};

webui.canvasArrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

webui.typing = (target) => target instanceof Element && target.matches("textarea, input:not([type=range]):not([type=color]):not([type=checkbox]):not([type=radio]), [contenteditable]");

webui.canvasKey = function(event) {
    const shown = webui.shownCanvases().filter((canvas) => canvas.picture);
    if (event.key === "Alt" && [opts.canvas_hotkey_zoom, opts.canvas_hotkey_adjust].includes("Alt") && shown.some((each) => each.root.matches(":hover"))) {
        event.preventDefault();     // let go after the wheel, it would open the browser's menu
    }
    const canvas = webui.typing(event.target) ? opts.canvas_blur_prompt && shown.find((each) => each.root.matches(":hover")) : webui.aimedCanvas(shown);
    if (canvas && !webui.composes(event) && webui.pressCanvasKey(canvas, event)) {
        event.preventDefault();
        event.stopPropagation();
    }
};

// Whether the key meant something.
webui.pressCanvasKey = function(canvas, event) {
    const {tools, drawing} = canvas;
    const key = webui.latinLetter(event);
    if (event.ctrlKey || event.metaKey) {
        const step = {z: event.shiftKey ? "redo" : "undo", y: "redo"}[key];
        if (!step || !drawing) {
            return false;
        }
        drawing[step]();
        return true;
    }
    if (event.altKey) {
        return false;
    }
    if (key === "escape" && canvas.view.isFull) {
        tools.setFull(false);
        return true;
    }
    if (drawing && document.activeElement === canvas.viewport && (webui.canvasArrows[event.key] || key === " ")) {
        if (key === " ") {
            tools.toggleBrush();
        } else {
            tools.moveBrush(...webui.canvasArrows[event.key]);
        }
        return true;
    }
    const act = webui.canvasKeys()[key];
    if (!act) {
        return false;
    }
    act(tools);
    return true;
};

webui.canvasKeyUp = function(event) {
    if (webui.latinLetter(event) === String(opts.canvas_hotkey_move).toLowerCase()) {
        Object.values(webui.canvases).forEach((canvas) => webui.holdCanvas(canvas.tools, false));
    }
};
