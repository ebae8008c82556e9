// What shows of a drawing: a canvas as large as the viewport, painted along with every stroke. The drawing may be of any size; a stroke
// costs what it covers on the screen.

webui.DrawingWindow = class {
    constructor(view, drawing) {
        this.view = view;
        this.drawing = drawing;
        this.canvas = webui.newCanvas(1, 1);
        this.canvas.className = "canvas-layer";
        this.paint = this.canvas.getContext("2d");
        drawing.onLine = (stroke, points) => this.line(stroke, points);
        drawing.onRegion = (region) => this.show(region);
    }

    // From the picture's pixels to the screen's: [factor, left, top].
    get place() {
        const ratio = window.devicePixelRatio || 1;
        return [this.view.scale * ratio, this.view.x * ratio, this.view.y * ratio];
    }

    // Everything anew before the browser's next frame: the view has moved.
    showSoon() {
        this.soon ||= requestAnimationFrame(() => {
            this.soon = 0;
            this.measure();
            this.show(this.drawing.whole);
        });
    }

    measure() {
        const ratio = window.devicePixelRatio || 1;
        const {clientWidth, clientHeight} = this.view.viewport;
        const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
        if (width !== this.canvas.width || height !== this.canvas.height) {
            this.canvas.width = width;
            this.canvas.height = height;
        }
    }

    // The part [left, top, right, bottom] of the drawing as it is now; on the screen it is made up to whole pixels.
    show([left, top, right, bottom]) {
        const {paint} = this;
        const [factor, x, y] = this.place;
        const edge = (value, most) => Math.min(most, Math.max(0, value));
        const ahead = [edge(Math.floor(left * factor + x) - 1, this.canvas.width), edge(Math.floor(top * factor + y) - 1, this.canvas.height)];
        const behind = [edge(Math.ceil(right * factor + x) + 1, this.canvas.width), edge(Math.ceil(bottom * factor + y) + 1, this.canvas.height)];
        const [width, height] = [behind[0] - ahead[0], behind[1] - ahead[1]];
        if (width <= 0 || height <= 0) {
            return;
        }
        paint.clearRect(...ahead, width, height);
        if (this.drawing.touched) {
            paint.drawImage(this.drawing.layer, (ahead[0] - x) / factor, (ahead[1] - y) / factor, width / factor, height / factor, ...ahead, width, height);
        }
    }

    line(stroke, points) {
        const {paint} = this;
        const [factor, x, y] = this.place;
        paint.save();
        paint.setTransform(factor, 0, 0, factor, x, y);
        paint.beginPath();
        paint.rect(...this.drawing.whole);
        paint.clip();
        webui.strokeLine(paint, stroke, points);
        paint.restore();
    }
};
