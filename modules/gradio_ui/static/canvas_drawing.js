// What is painted over a picture: one transparent layer of the picture's own pixels, with undo and redo.

webui.undoPixels = 64e6;  // how many pixels all undo steps together may hold; four bytes each, twice

webui.newCanvas = function(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
};

class Drawing {
    constructor() {
        this.layer = webui.newCanvas(1, 1);
        this.layer.className = "canvas-layer";
        this.before = null;  // the layer as it was when the stroke began
        this.onChange = () => {};
        this.reset(1, 1);
    }

    reset(width, height) {
        this.layer.width = width;
        this.layer.height = height;
        this.paint = this.layer.getContext("2d");
        this.before = null;
        this.stroke = null;
        this.done = [];
        this.undone = [];
        this.version = 0;
        this.touched = false;  // whether there may be anything on the layer
    }

    // colour: CSS; null erases. size: the brush's width in pixels of the picture.
    begin(point, {colour, size}) {
        this.keepBefore();
        this.stroke = {last: point, colour, size, left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity};
        this.extend([point]);
    }

    extend(points) {
        const {paint, stroke} = this;
        paint.globalCompositeOperation = stroke.colour ? "source-over" : "destination-out";
        paint.strokeStyle = stroke.colour || "#000";
        paint.lineWidth = stroke.size;
        paint.lineCap = paint.lineJoin = "round";
        paint.beginPath();
        paint.moveTo(...stroke.last);
        for (const [x, y] of points) {
            paint.lineTo(x, y);
            this.cover(x, y);
        }
        this.cover(...stroke.last);
        stroke.last = points[points.length - 1];
        paint.stroke();
    }

    cover(x, y) {
        const {stroke} = this;
        const reach = stroke.size / 2 + 2;
        stroke.left = Math.min(stroke.left, x - reach);
        stroke.top = Math.min(stroke.top, y - reach);
        stroke.right = Math.max(stroke.right, x + reach);
        stroke.bottom = Math.max(stroke.bottom, y + reach);
    }

    end() {
        if (!this.stroke) {
            return;
        }
        const {left, top, right, bottom} = this.stroke;
        this.stroke = null;
        this.remember(left, top, right, bottom);
    }

    // A stroke that was none: a second finger came down.
    cancel() {
        if (this.stroke) {
            this.stroke = null;
            this.copy(this.before, this.layer);
        }
    }

    clear() {
        if (this.touched) {
            this.keepBefore();
            this.paint.clearRect(0, 0, this.layer.width, this.layer.height);
            this.remember(0, 0, this.layer.width, this.layer.height);
        }
    }

    // Paints the region around a point. seen: the canvas whose colours bound the region; null: the layer's own edges do.
    fill([x, y], colour, seen) {
        const {width, height} = this.layer;
        const start = [Math.floor(x), Math.floor(y)];
        if (start[0] < 0 || start[1] < 0 || start[0] >= width || start[1] >= height) {
            return;
        }
        this.keepBefore();
        const drawn = this.paint.getImageData(0, 0, width, height);
        const bounds = seen ? seen.getContext("2d").getImageData(0, 0, width, height).data : drawn.data;
        const region = webui.floodRegion(bounds, width, height, start, seen ? webui.alikeColour : webui.alikeAlpha);
        const [red, green, blue] = webui.colourBytes(colour);
        for (let index = 0; index < region.length; index += 1) {
            if (region[index]) {
                drawn.data.set([red, green, blue, 255], index * 4);
            }
        }
        this.paint.putImageData(drawn, 0, 0);
        this.remember(0, 0, width, height);
    }

    keepBefore() {
        if (!this.before) {
            this.before = webui.newCanvas(this.layer.width, this.layer.height);
        }
        this.copy(this.layer, this.before);
    }

    copy(from, to) {
        const paint = to.getContext("2d");
        paint.globalCompositeOperation = "copy";
        paint.drawImage(from, 0, 0);
        paint.globalCompositeOperation = "source-over";
    }

    // One more step to undo: the rectangle before and after.
    remember(left, top, right, bottom) {
        const x = Math.max(0, Math.floor(left));
        const y = Math.max(0, Math.floor(top));
        const width = Math.min(this.layer.width, Math.ceil(right)) - x;
        const height = Math.min(this.layer.height, Math.ceil(bottom)) - y;
        if (width <= 0 || height <= 0) {
            return;
        }
        const cut = (source) => {
            const piece = webui.newCanvas(width, height);
            piece.getContext("2d").drawImage(source, -x, -y);
            return piece;
        };
        this.done.push({x, y, pixels: width * height, old: cut(this.before), now: cut(this.layer)});
        this.undone = [];
        let held = this.done.reduce((sum, step) => sum + step.pixels, 0);
        while (held > webui.undoPixels && this.done.length > 1) {
            held -= this.done.shift().pixels;
        }
        this.change();
    }

    undo() {
        this.step(this.done, this.undone, "old");
    }

    redo() {
        this.step(this.undone, this.done, "now");
    }

    step(from, to, which) {
        const step = this.stroke ? null : from.pop();
        if (step) {
            this.paint.globalCompositeOperation = "source-over";
            this.paint.clearRect(step.x, step.y, step[which].width, step[which].height);
            this.paint.drawImage(step[which], step.x, step.y);
            to.push(step);
            this.change();
        }
    }

    change() {
        this.version += 1;
        this.touched = true;
        this.onChange();
    }

    // A drawing that was kept: it lies under what may have been painted since.
    async restore(blob) {
        const kept = await createImageBitmap(blob);
        if (kept.width === this.layer.width && kept.height === this.layer.height) {
            this.paint.globalCompositeOperation = "destination-over";
            this.paint.drawImage(kept, 0, 0);
            this.version += 1;
            this.touched = true;
        }
        kept.close();
    }

    // The layer as a PNG file; null when nothing was ever painted.
    blob() {
        return this.touched ? new Promise((resolve) => this.layer.toBlob(resolve, "image/png")) : Promise.resolve(null);
    }
}

webui.colourBytes = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

webui.alikeAlpha = (data, first, other) => (data[first + 3] > 200) === (data[other + 3] > 200);

webui.alikeColour = (data, first, other) => Math.abs(data[first] - data[other]) <= 24 &&
    Math.abs(data[first + 1] - data[other + 1]) <= 24 && Math.abs(data[first + 2] - data[other + 2]) <= 24;

// Which pixels are reached from `start` over pixels alike it: one byte each.
webui.floodRegion = function(data, width, height, [x, y], alike) {
    const region = new Uint8Array(width * height);
    const first = (y * width + x) * 4;
    const open = (at) => !region[at] && alike(data, first, at * 4);
    const waiting = [y * width + x];
    while (waiting.length > 0) {
        let at = waiting.pop();
        if (!open(at)) {
            continue;
        }
        const row = Math.floor(at / width) * width;
        while (at > row && open(at - 1)) {
            at -= 1;
        }
        let above = false;
        let below = false;
        for (; at < row + width && open(at); at += 1) {
            region[at] = 1;
            const up = at - width >= 0 && open(at - width);
            const down = at + width < region.length && open(at + width);
            if (up && !above) {
                waiting.push(at - width);
            }
            if (down && !below) {
                waiting.push(at + width);
            }
            [above, below] = [up, down];
        }
    }
    return region;
};
