// While width or height changes on img2img, a frame over the picture shows what part of it has these proportions, as in A1111.

webui.aspectSeconds = 2;

webui.showAspect = function(event) {
    const side = event.target.closest?.("#img2img_width, #img2img_height")?.id;
    const canvas = side && webui.img2imgCanvas();
    if (!canvas?.picture) {
        return;
    }
    const [width, height] = ["img2img_width", "img2img_height"].map((id) => Number(id === side ? event.target.value : webui.field(id).value));
    if (width > 0 && height > 0) {
        webui.placeAspect(canvas, width, height);
    }
};

// In the stage, so that it stays where it is when the picture is zoomed.
webui.placeAspect = function(canvas, width, height) {
    const frame = document.getElementById("imageARPreview") || webui.make("div", {id: "imageARPreview", "aria-hidden": "true"});
    const scale = Math.min(canvas.size[0] / width, canvas.size[1] / height);
    const sides = [width * scale, height * scale];
    const [left, top] = canvas.size.map((side, index) => (side - sides[index]) / 2);
    Object.assign(frame.style, {left: `${left}px`, top: `${top}px`, width: `${sides[0]}px`, height: `${sides[1]}px`});
    canvas.stage.append(frame);
    clearTimeout(webui.aspectTimer);
    webui.aspectTimer = setTimeout(() => frame.remove(), webui.aspectSeconds * 1000);
};

document.addEventListener("input", webui.showAspect);
