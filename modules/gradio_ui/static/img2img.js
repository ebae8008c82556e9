// The img2img tab: modes, the size that "Resize by" gives, pictures that are sent here.

// Canvases by mode, the one with the picture first; Batch has none.
webui.img2imgModes = [["img2img_image"], ["img2img_sketch"], ["img2maskimg"], ["inpaint_sketch"], ["img_inpaint_base", "img_inpaint_mask"]];

webui.copyModes = {img2img: 0, sketch: 1, inpaint: 2, inpaint_sketch: 3};

webui.img2imgMode = () => get_tab_index("mode_img2img");

// The canvas with the picture to start from in the mode that shows; undefined in Batch.
webui.img2imgCanvas = () => webui.canvases[(webui.img2imgModes[webui.img2imgMode()] || [])[0]];

webui.multipleOf8 = (side) => Math.floor(side / 8) * 8;

webui.showScaledSize = function() {
    const place = webui.find("#img2img_scale_resolution_preview .prose") || webui.find("#img2img_scale_resolution_preview");
    const canvas = webui.img2imgCanvas();
    const scale = Number(webui.field("img2img_scale").value);
    if (!canvas || !canvas.picture) {
        place.textContent = "no image selected";
        return;
    }
    const [width, height] = canvas.size;
    place.textContent = `resize: from ${width}x${height} to ${webui.multipleOf8(width * scale)}x${webui.multipleOf8(height * scale)}`;
};

// What is asked about masks shows in the modes that have one (css reads the classes).
webui.showImg2imgMode = function() {
    const kind = webui.img2imgCanvas()?.kind;
    const settings = webui.find("#img2img_settings").classList;
    settings.toggle("with-mask", ["mask", "colour-mask", "masked"].includes(kind) || webui.img2imgMode() === webui.img2imgModes.length);
    settings.toggle("with-colour-mask", kind === "colour-mask");
    webui.showScaledSize();
};

// Whether the server gets what is on a canvas: it belongs to the mode that shows, or to the checkpoint in use.
webui.isCanvasAskedFor = function(id) {
    const beside = webui.find(`#${id}`)?.closest("#img2img_depth, #img2img_further");
    if (beside) {
        return getComputedStyle(beside).display !== "none";
    }
    return (webui.img2imgModes[webui.img2imgMode()] || []).includes(id);
};

// Width and height as the picture has them, in proportion where the fields do not reach so far.
webui.takeSizeOf = function(canvas) {
    if (!canvas || !canvas.picture) {
        webui.toast("There is no picture to take the size of yet.");
        return;
    }
    const fields = ["img2img_width", "img2img_height"].map(webui.field);
    const most = Number(fields[0].max) || 2048;
    const least = Number(fields[0].min) || 64;
    const factor = Math.min(1, most / Math.max(...canvas.size));
    canvas.size.forEach((side, index) => webui.setField(fields[index], String(Math.max(least, webui.multipleOf8(side * factor)))));
};

webui.img2imgReceiver = function(mode, id) {
    return {
        take: async(blob) => {
            await webui.canvases[id].put(blob);
            if (opts.send_size !== false) {
                webui.takeSizeOf(webui.canvases[id]);
            }
        },
        show: () => switch_to_img2img_tab(mode),
    };
};

// A click on Generate waits until ``act`` is done, which may begin with a picture that is still being read.
webui.withPicture = async function(act) {
    webui.fillBegins("img2img", "picture");
    await act().finally(() => webui.fillEnded("img2img", "picture"));
};

// "Copy image to": the picture, with its colours where it has been painted on.
webui.copyPicture = async function(from, to) {
    const [source, target] = [from, to].map((name) => webui.canvases[webui.img2imgModes[webui.copyModes[name]][0]]);
    const blob = await source.handedOn();
    if (blob) {
        await target.putOrTell(blob);
    }
    switch_to_img2img_tab(webui.copyModes[to]);
};

webui.takeSizeOfShown = async function() {
    const canvas = webui.img2imgCanvas();
    await canvas?.settled();
    webui.takeSizeOf(canvas);
};

webui.startCopyButtons = function() {
    for (const from of Object.keys(webui.copyModes)) {
        for (const to of Object.keys(webui.copyModes)) {
            document.getElementById(`img2img_copy_${from}_to_${to}`)?.addEventListener("click", () => webui.withPicture(() => webui.copyPicture(from, to)));
        }
    }
};

onUiLoaded(() => {
    if (!webui.find("#mode_img2img")) {
        return;
    }
    webui.startCanvases();
    webui.listenForCanvases();
    webui.startCopyButtons();
    webui.refusedCallbacks.push((tab) => tab === "img2img" && Object.values(webui.canvases).forEach((canvas) => canvas.forgetUploads()));
    webui.receivers.img2img = webui.img2imgReceiver(0, "img2img_image");
    webui.receivers.inpaint = webui.img2imgReceiver(2, "img2maskimg");
    webui.fillers.img2img_mode = () => String(webui.img2imgMode());
    webui.fillers.img2img_batch_source_tab = () => String(get_tab_index("img2img_batch_source"));
    webui.fillers.img2img_resize_tab = () => String(get_tab_index("img2img_tabs_resize"));
    for (const id of Object.keys(webui.canvases)) {
        const needed = () => webui.isCanvasAskedFor(id);
        webui.fillers[`${id}_content`] = () => (needed() ? webui.canvases[id].content() : "");
        webui.fillers[`${id}_original`] = webui.fillers[`${id}_content`];
        webui.canvases[id].onChange(webui.showScaledSize);
    }
    webui.startCanvasFields();
    webui.find("#img2img_scale").addEventListener("input", webui.showScaledSize);
    webui.find("#mode_img2img").addEventListener("innertab", webui.showImg2imgMode);
    webui.find("#img2img_detect_image_size_btn").addEventListener("click", () => webui.withPicture(webui.takeSizeOfShown));
    webui.showImg2imgMode();
});
