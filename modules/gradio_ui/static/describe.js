// Interrogate: the picture of img2img is sent to the server, and its words become the prompt.

webui.dataUrl = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
});

webui.describePicture = async function(buttonId, model) {
    const canvas = webui.img2imgCanvas();
    if (!canvas) {
        webui.toast("A batch is described on the Extras tab: switch Caption on there.");
        return;
    }
    if (!canvas.picture) {
        webui.toast("There is no picture to describe yet.");
        return;
    }
    const button = document.getElementById(buttonId);
    if (button.classList.contains("at-work")) {
        return;
    }
    button.classList.add("at-work");
    try {
        const found = await webui.attempt(async() =>
            webui.ask("./internal/describe", {method: "POST", body: {image: await webui.dataUrl(await canvas.handedOn()), model}}));
        if (found) {
            webui.setField(webui.field("img2img_prompt"), found.words);
            found.notes.forEach((words) => webui.toast(words, "warning"));
        }
    } finally {
        button.classList.remove("at-work");
    }
};
