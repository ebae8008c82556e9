// canvas-zoom's two functions, which extensions call with the ids of their own picture fields: zoom by wheel, move, fit, with the keys of the settings. Ours can that by themselves.

/* exported applyZoomAndPan, applyZoomAndPanIntegration */

webui.ZoomedField = class {
    constructor(field) {
        this.field = field;
        this.moving = false;
        this.reset();
        field.style.transformOrigin = "0 0";
        field.addEventListener("wheel", (event) => this.wheel(event), {passive: false, capture: true});
        document.addEventListener("pointermove", (event) => this.moving && this.pan(event.movementX, event.movementY));
        document.addEventListener("keydown", (event) => this.key(event));
        document.addEventListener("keyup", (event) => webui.latinLetter(event) === webui.ZoomedField.letter("canvas_hotkey_move") && (this.moving = false));
        window.addEventListener("blur", () => { this.moving = false; });
    }

    static letter(name) {
        return String(opts[name] || "").toLowerCase();
    }

    reset() {
        [this.scale, this.x, this.y] = [1, 0, 0];
        this.apply();
    }

    apply() {
        const changed = this.scale !== 1 || this.x || this.y;
        this.field.style.transform = changed ? `translate(${this.x}px, ${this.y}px) scale(${this.scale})` : "";
        this.field.style.zIndex = changed ? "998" : "";
        this.field.style.position = changed ? "relative" : "";
    }

    pan(dx, dy) {
        this.x += dx;
        this.y += dy;
        this.apply();
    }

    wheel(event) {
        const held = {Alt: event.altKey, Ctrl: event.ctrlKey, Shift: event.shiftKey};
        if (!held[opts.canvas_hotkey_zoom] || !webui.canvasMay("Zoom")) {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
        const box = this.field.getBoundingClientRect();     // as it is shown now; the point under the pointer stays
        const scale = Math.min(15, Math.max(0.1, this.scale * ((event.deltaY || event.deltaX) < 0 ? 1.15 : 1 / 1.15)));
        const grown = 1 - scale / this.scale;
        this.x += (event.clientX - box.left) * grown;
        this.y += (event.clientY - box.top) * grown;
        this.scale = scale;
        this.apply();
    }

    key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || webui.typing(event.target) || !this.field.matches(":hover")) {
            return;
        }
        const letter = webui.latinLetter(event);
        if (letter === webui.ZoomedField.letter("canvas_hotkey_reset") && webui.canvasMay("Reset Zoom")) {
            this.reset();
        } else if (letter === webui.ZoomedField.letter("canvas_hotkey_move") && webui.canvasMay("Moving canvas")) {
            this.moving = true;
        } else {
            return;
        }
        event.preventDefault();
    }
};

webui.zoomedFields = new WeakMap();

function applyZoomAndPan(selector) {
    const field = webui.find(selector);
    if (field && !field.closest(".webui-canvas") && !webui.zoomedFields.has(field)) {
        webui.zoomedFields.set(field, new webui.ZoomedField(field));
    }
}

// For fields that come into the page when a fold is opened: the first click there finds them.
function applyZoomAndPanIntegration(container, selectors) {
    const all = () => selectors.forEach((each) => applyZoomAndPan(each));
    all();
    webui.find(container)?.addEventListener("click", () => setTimeout(all, 100));
}
