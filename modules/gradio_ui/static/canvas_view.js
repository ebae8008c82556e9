// Which part of a picture shows, and how large: the stage holds the picture in its own pixels and is moved and scaled by CSS.

webui.CanvasView = class {
    // viewport: the window; stage: what is seen through it.
    constructor(viewport, stage) {
        this.viewport = viewport;
        this.stage = stage;
        this.size = [0, 0];
        [this.scale, this.x, this.y] = [1, 0, 0];
        this.fitted = true;
        this.onMove = () => {};
        new ResizeObserver(() => this.resized()).observe(viewport);
    }

    get isFull() {
        return Boolean(this.viewport.closest(".canvas-full"));
    }

    setSize(width, height) {
        this.size = [width, height];
        this.stage.style.width = `${width}px`;
        this.stage.style.height = `${height}px`;
        this.fit();
        if (opts.canvas_auto_expand === false && this.scale < 1) {
            this.zoom(1 / this.scale, [0, 0]);  // pixel by pixel, the upper left corner in sight
        }
    }

    // As high as the picture needs at this width; never higher than the screen leaves room for.
    shapeViewport() {
        if (this.isFull) {
            this.viewport.style.height = "";
            return;
        }
        const [width, height] = this.size;
        const most = Math.min(Number(opts.img2img_editor_height) || 720, window.innerHeight * 0.7);
        this.viewport.style.height = `${Math.max(160, Math.min(most, this.viewport.clientWidth * height / (width || 1)))}px`;
    }

    fit() {
        if (!this.size[0] || !this.viewport.clientWidth) {
            return;
        }
        this.shapeViewport();
        const box = [this.viewport.clientWidth, this.viewport.clientHeight];
        this.scale = Math.min(box[0] / this.size[0], box[1] / this.size[1]);
        this.x = (box[0] - this.size[0] * this.scale) / 2;
        this.y = (box[1] - this.size[1] * this.scale) / 2;
        this.fitted = true;
        this.apply();
    }

    resized() {
        if (this.fitted) {
            this.fit();
        } else {
            this.shapeViewport();
            this.apply();
        }
    }

    // factor: how much larger; [x, y]: the point of the viewport that stays where it is.
    zoom(factor, [x, y] = [this.viewport.clientWidth / 2, this.viewport.clientHeight / 2]) {
        const smallest = Math.min(1, this.viewport.clientWidth / this.size[0], this.viewport.clientHeight / this.size[1]) / 2;
        const scale = Math.min(40, Math.max(smallest, this.scale * factor));
        this.x = x - (x - this.x) * scale / this.scale;
        this.y = y - (y - this.y) * scale / this.scale;
        this.scale = scale;
        this.fitted = false;
        this.apply();
    }

    pan(dx, dy) {
        this.x += dx;
        this.y += dy;
        this.fitted = false;
        this.apply();
    }

    // A piece of the picture always stays in sight.
    apply() {
        const margin = 40;
        const keep = (offset, box, side) => Math.min(box - margin, Math.max(margin - side * this.scale, offset));
        this.x = keep(this.x, this.viewport.clientWidth, this.size[0]);
        this.y = keep(this.y, this.viewport.clientHeight, this.size[1]);
        this.stage.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
        this.onMove();
    }

    // A pointer event's place: in the viewport's pixels, and in the picture's.
    place(event) {
        const box = this.viewport.getBoundingClientRect();
        return [event.clientX - box.left - this.viewport.clientLeft, event.clientY - box.top - this.viewport.clientTop];
    }

    inPicture([x, y]) {
        return [(x - this.x) / this.scale, (y - this.y) / this.scale];
    }
};
