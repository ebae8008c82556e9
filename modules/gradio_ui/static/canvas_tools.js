// The tools of a canvas: brush, eraser, fill, eyedropper, colour, sizes, undo; by mouse, pen, fingers and keys.

webui.paintColours = {
    mask: () => opts.img2img_inpaint_mask_brush_color,
    sketch: () => opts.img2img_sketch_default_brush_color,
    "colour-mask": () => opts.img2img_inpaint_sketch_default_brush_color,
};

// What the settings turned off is not told.
webui.canvasHelp = () => [
    [["Zoom", `Wheel with ${opts.canvas_hotkey_zoom}: zoom.`], ["Adjust brush size", `Wheel with ${opts.canvas_hotkey_adjust}: brush size.`]],
    [["Moving canvas", `${opts.canvas_hotkey_move} held: move.`], ["", "The middle button: move. Two fingers: zoom and move."]],
    [["Fullscreen", `${opts.canvas_hotkey_fullscreen}: whole window.`], ["Reset Zoom", `${opts.canvas_hotkey_reset}: fit.`]],
    [["Hotkey shrink brush", `${opts.canvas_hotkey_shrink_brush}: smaller brush.`], ["Hotkey enlarge brush", `${opts.canvas_hotkey_grow_brush}: larger brush.`],
        ["", "[ and ]: smaller and larger brush."]],
].map((line) => line.filter(([name]) => webui.canvasMay(name)).map(([, words]) => words).join(" ")).filter(Boolean).concat([
    "B: brush. E: eraser. G: fill. I: pick a colour. Ctrl+Z, Ctrl+Y: undo, redo. Shift: straight line.",
    "With the focus on the picture: arrows move the brush, Space puts it down and up.",
]).join("\n");

webui.CanvasTools = class {
    constructor(canvas) {
        this.canvas = canvas;
        this.view = canvas.view;
        this.drawing = canvas.drawing;
        this.tool = "brush";
        this.sizeStep = 30;  // 1 .. 100; the brush grows with its square
        this.pointers = new Map();  // those that are down: id -> place in the viewport
        this.panning = false;
        this.movingKey = false;
        this.at = null;  // the brush's place in the picture
        this.colour = (webui.paintColours[canvas.kind] || (() => "#ffffff"))() || "#ffffff";
        this.buttons = {};
        this.build();
        this.listen();
        this.choose("brush");
    }

    // In pixels of the picture.
    get brushSize() {
        return Math.max(1, Math.round((this.sizeStep / 100) ** 2 * Math.max(...this.canvas.size) / 2));
    }

    build() {
        const {bar, isColoured} = this.canvas;
        if (this.drawing) {
            this.addTool("brush", "Brush (B)", () => this.choose("brush"));
            this.addTool("eraser", "Eraser (E)", () => this.choose("eraser"));
            this.addTool("fill", "Fill what is enclosed (G)", () => this.choose("fill"));
            if (isColoured) {
                this.addTool("pick", "Pick a colour from the picture (I)", () => this.choose("pick"));
                this.colourField = this.addField("color", "Colour of the brush", this.colour, {}, (value) => {
                    this.colour = value;
                    this.showCursor();
                });
            }
            this.sizeField = this.addField("range", "Brush size", this.sizeStep, {min: 1, max: 100}, (value) => this.setSize(Number(value)));
            this.addGap();
            this.addTool("undo", "Undo (Ctrl+Z)", () => this.drawing.undo());
            this.addTool("redo", "Redo (Ctrl+Y)", () => this.drawing.redo());
            this.addTool("clear", "Clear what was painted", () => this.drawing.clear());
            const usual = this.canvas.kind === "mask" ? 60 : 100;
            const words = this.canvas.kind === "mask" ? "How opaque the mask is shown" : "How opaque the paint is shown";
            this.addField("range", words, usual, {min: 10, max: 100}, (value) => {
                this.canvas.window.canvas.style.opacity = value / 100;
            });
            this.canvas.window.canvas.style.opacity = usual / 100;
        }
        this.addGap();
        this.addTool("fit", `Fit (${opts.canvas_hotkey_reset})`, () => this.view.fit());
        this.addTool("full", `Whole window (${opts.canvas_hotkey_fullscreen})`, () => this.setFull(!this.view.isFull));
        if (this.drawing && opts.canvas_show_tooltip) {
            this.addHelp();
        }
        this.addTool("remove", "Remove the picture", () => this.canvas.remove());
        this.cursor = webui.element("div", "canvas-cursor", {"aria-hidden": "true"});
        this.canvas.viewport.append(this.cursor);
        bar.addEventListener("keydown", (event) => event.key === "Enter" && event.stopPropagation());
    }

    addTool(name, words, act) {
        const button = webui.element("button", `canvas-tool canvas-${name}`, {type: "button", title: words, "aria-label": words});
        button.append(webui.canvasIcon(name));
        button.addEventListener("click", act);
        this.canvas.bar.append(button);
        this.buttons[name] = button;
        return button;
    }

    addField(type, words, value, limits, act) {
        const field = webui.element("input", `canvas-field canvas-${type}`, {type, title: words, "aria-label": words, ...limits});
        field.value = value;
        field.addEventListener("input", () => act(field.value));
        this.canvas.bar.append(field);
        return field;
    }

    addGap() {
        this.canvas.bar.append(webui.element("span", "canvas-gap"));
    }

    addHelp() {
        const help = webui.element("div", "canvas-help");
        help.textContent = webui.canvasHelp();
        help.hidden = true;
        this.addTool("help", webui.canvasHelp(), () => {
            help.hidden = !help.hidden;
            this.buttons.help.setAttribute("aria-expanded", String(!help.hidden));
        });
        this.buttons.help.setAttribute("aria-label", "Keys of the canvas");
        this.canvas.bar.after(help);
    }

    choose(tool) {
        if (!this.buttons[tool] && tool !== "brush") {
            return;
        }
        this.tool = tool;
        for (const name of ["brush", "eraser", "fill", "pick"]) {
            this.buttons[name]?.setAttribute("aria-pressed", String(name === tool));
        }
        this.showCursor();
    }

    setSize(step) {
        this.sizeStep = Math.min(100, Math.max(1, step));
        if (this.sizeField) {
            this.sizeField.value = this.sizeStep;
            this.sizeField.title = `Brush size: ${this.brushSize} pixels`;
            this.sizeField.setAttribute("aria-valuetext", `${this.brushSize} pixels`);
        }
        this.showCursor();
    }

    setColour(colour) {
        this.colour = colour;
        if (this.colourField) {
            this.colourField.value = colour;
        }
    }

    setFull(on) {
        this.canvas.root.classList.toggle("canvas-full", on);
        document.documentElement.classList.toggle("canvas-over", on);
        this.view.fit();
        if (on) {
            this.canvas.viewport.focus({preventScroll: true});  // keys would go on into a prompt that nobody sees
        }
    }

    refresh() {
        if (this.drawing) {
            this.buttons.undo.disabled = this.drawing.done.length === 0;
            this.buttons.redo.disabled = this.drawing.undone.length === 0;
            this.setSize(this.sizeStep);
        }
    }

    listen() {
        const {viewport} = this.canvas;
        viewport.classList.toggle("paintable", Boolean(this.drawing));
        viewport.addEventListener("pointerdown", (event) => this.down(event));
        viewport.addEventListener("pointermove", (event) => this.move(event));
        for (const name of ["pointerup", "pointercancel"]) {
            viewport.addEventListener(name, (event) => this.up(event));
        }
        viewport.addEventListener("pointerleave", () => this.hideCursor());
        viewport.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
        for (const name of ["gesturestart", "gesturechange"]) {
            viewport.addEventListener(name, (event) => this.pinch(event));
        }
        viewport.addEventListener("contextmenu", (event) => this.drawing && event.preventDefault());
        viewport.addEventListener("blur", () => this.endKeyStroke());
        this.view.onMove = () => {
            this.showCursor();
            this.canvas.window?.showSoon();
        };
    }

    down(event) {
        if (opts.canvas_blur_prompt) {
            document.activeElement?.blur();
        }
        if (!this.drawing && event.pointerType !== "mouse") {
            return;  // a finger scrolls the page over a picture that is not painted on
        }
        this.canvas.viewport.setPointerCapture(event.pointerId);
        this.pointers.set(event.pointerId, this.view.place(event));
        if (this.pointers.size === 2) {
            this.drawing?.cancel();
            this.panning = true;
            return;
        }
        this.panning = this.movingKey || event.button === 1 || (!this.drawing && this.view.isFull);
        if (this.panning || event.button !== 0 || !this.drawing) {
            event.preventDefault();
            return;
        }
        this.canvas.viewport.focus({preventScroll: true});
        event.preventDefault();
        this.press(this.view.inPicture(this.view.place(event)), event.shiftKey);
    }

    // The chosen tool at a point of the picture. straight: a line from where the last one ended.
    press(point, straight = false) {
        if (this.tool === "pick") {
            this.pick(point);
        } else if (this.tool === "fill") {
            this.drawing.fill(point, this.colour, this.canvas.isColoured ? this.canvas.composite() : null);
        } else {
            const from = straight && this.lastPoint ? this.lastPoint : point;
            this.drawing.begin(from, {colour: this.tool === "eraser" ? null : this.colour, size: this.brushSize});
            this.drawing.extend([point]);
            this.lastPoint = point;
        }
    }

    pick([x, y]) {
        const one = webui.newCanvas(1, 1);
        const paint = one.getContext("2d");
        paint.drawImage(this.canvas.picture, -Math.floor(x), -Math.floor(y), ...this.canvas.size);
        paint.drawImage(this.drawing.layer, -Math.floor(x), -Math.floor(y));
        const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
        if (alpha > 0) {
            this.setColour(`#${[red, green, blue].map((band) => band.toString(16).padStart(2, "0")).join("")}`);
        }
        this.choose("brush");
    }

    move(event) {
        const place = this.view.place(event);
        if (this.movingKey && this.pointers.size === 0) {
            this.view.pan(event.movementX, event.movementY);
        }
        this.at = this.view.inPicture(place);
        if (this.pointers.has(event.pointerId)) {
            if (this.panning) {
                this.dragView(event.pointerId, place);
            } else if (this.drawing?.stroke) {
                const events = event.getCoalescedEvents?.() || [];
                const points = (events.length > 0 ? events : [event]).map((each) => this.view.inPicture(this.view.place(each)));
                this.drawing.extend(points);
                this.lastPoint = points[points.length - 1];
            }
            this.pointers.set(event.pointerId, place);
        }
        this.showCursor();
    }

    // One pointer moves the picture; two move and zoom it.
    dragView(id, place) {
        const [x, y] = this.pointers.get(id);
        if (this.pointers.size === 1) {
            this.view.pan(place[0] - x, place[1] - y);
            return;
        }
        const other = Array.from(this.pointers).find(([each]) => each !== id)[1];
        const apart = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
        this.view.pan((place[0] - x) / 2, (place[1] - y) / 2);
        this.view.zoom(apart(place) / apart([x, y]), [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2]);
    }

    up(event) {
        this.pointers.delete(event.pointerId);
        if (this.pointers.size === 0) {
            this.panning = false;
            this.drawing?.end();
        }
        if (event.pointerType === "touch") {
            this.hideCursor();
        }
    }

    wheel(event) {
        const held = {Alt: event.altKey, Ctrl: event.ctrlKey, Shift: event.shiftKey};
        const step = Math.sign(event.deltaY || event.deltaX);
        if (this.drawing && held[opts.canvas_hotkey_adjust] && webui.canvasMay("Adjust brush size")) {
            this.setSize(this.sizeStep - 2 * step);
        } else if ((held[opts.canvas_hotkey_zoom] && webui.canvasMay("Zoom")) || this.view.isFull) {
            this.view.zoom(step < 0 ? 1.15 : 1 / 1.15, this.view.place(event));
        } else {
            return;  // the page scrolls
        }
        event.preventDefault();
    }

    // Two fingers on a Mac's touchpad in Safari: the picture grows, not the page. Those on a screen are pointers.
    pinch(event) {
        if (this.canvas.picture && webui.canvasMay("Zoom")) {
            event.preventDefault();
            if (event.type === "gesturechange" && this.pointers.size === 0) {
                this.view.zoom(event.scale / this.pinched, this.view.place(event));
            }
            this.pinched = event.scale;
        }
    }

    showCursor() {
        const show = this.drawing && this.at && this.canvas.picture && !this.panning && !this.movingKey;
        const round = show && (this.tool === "brush" || this.tool === "eraser");
        this.canvas.viewport.dataset.tool = this.movingKey || this.panning ? "move" : this.tool;
        this.cursor.hidden = !round;
        if (round) {
            const side = this.brushSize * this.view.scale;
            const [x, y] = [this.at[0] * this.view.scale + this.view.x, this.at[1] * this.view.scale + this.view.y];
            this.cursor.style.width = this.cursor.style.height = `${Math.max(2, side)}px`;
            this.cursor.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
        }
    }

    hideCursor() {
        this.at = null;
        this.cursor.hidden = true;
    }

    // The brush by the keyboard: it begins in the middle of the picture.
    moveBrush(dx, dy) {
        const step = Math.max(1, this.brushSize / 2);
        const [width, height] = this.canvas.size;
        const [x, y] = this.at || [width / 2, height / 2];
        this.at = [Math.min(width, Math.max(0, x + dx * step)), Math.min(height, Math.max(0, y + dy * step))];
        if (this.drawing.stroke) {
            this.drawing.extend([this.at]);
        }
        this.showCursor();
    }

    toggleBrush() {
        if (this.drawing.stroke) {
            this.drawing.end();
        } else {
            this.at ||= this.canvas.size.map((side) => side / 2);
            this.press(this.at);
            this.showCursor();
        }
    }

    endKeyStroke() {
        if (this.pointers.size === 0) {
            this.drawing?.end();
        }
    }
};
