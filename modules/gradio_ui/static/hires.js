// Under "Hires. fix": the size of the finished picture, written anew whenever one of the fields it hangs on changes;
// where a paste or a chosen checkpoint changes them, Gradio says so.

webui.hiresFields = ["width", "height", "hr_scale", "hr_resize_x", "hr_resize_y"];

// The size after the second pass: the two "to" fields beat the factor; with one of them 0 the other decides the factor.
webui.hiresSize = function(width, height, scale, toWidth, toHeight) {
    if (toWidth > 0 && toHeight > 0) {
        return [toWidth, toHeight];
    }
    const factor = toWidth > 0 ? toWidth / width : toHeight > 0 ? toHeight / height : scale;
    return [width, height].map((side) => Math.floor(side * factor / 8) * 8);
};

webui.shownInHiresFields = () => webui.hiresFields.map((name) => Number(webui.field(`txt2img_${name}`).value));

webui.showHiresSize = function(values) {
    const place = webui.find("#txtimg_hr_finalres .prose") || webui.find("#txtimg_hr_finalres");
    if (!place) {
        return;
    }
    const size = webui.hiresSize(...values);
    place.textContent = `from ${values[0]}x${values[1]} to ${size[0]}x${size[1]}`;
};

onUiLoaded(() => {
    if (!webui.find("#txtimg_hr_finalres")) {
        return;
    }
    const show = () => webui.showHiresSize(webui.shownInHiresFields());
    for (const name of webui.hiresFields) {
        webui.find(`#txt2img_${name}`).addEventListener("input", show);
    }
    webui.find("#txt2img_hr-checkbox input").addEventListener("change", show);
    show();
});
