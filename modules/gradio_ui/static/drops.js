// Gradio's own fields for pictures take a file only in their middle, and no picture dragged from a gallery of this page: here they do, also in place of what they have.
webui.pictureDropped = function(event) {
    const field = event.target.closest?.(".block.gradio-image");
    const given = event.dataTransfer;
    if (!field || event.defaultPrevented || !field.querySelector("input[type=file], button[aria-label='Remove Image'], button[aria-label='Clear']")) {
        return;         // Gradio took it, or the field only shows pictures
    }
    if (event.type === "dragover") {
        if (given.types.includes("Files") || given.types.includes("text/uri-list")) {
            event.preventDefault();
        }
        return;
    }
    const file = Array.from(given.files).find((each) => each.type.startsWith("image/"));
    const address = given.getData("text/uri-list").split("\n")[0].trim();
    if (file) {
        event.preventDefault();
        webui.giveToGradio(field, file);
    } else if (URL.canParse(address) && new URL(address).origin === location.origin) {
        event.preventDefault();
        const name = decodeURIComponent(address.split(/[/=]/).pop().split("?")[0]) || "image.png";
        webui.attempt(async() => webui.fetchPicture(address).then((blob) => webui.giveToGradio(field, new File([blob], name, {type: blob.type}))));
    }
};

// Firefox lets a picture that stands inside of a button be dragged, but gives it nothing to carry; all pictures of a gallery stand in one.
webui.pictureDragged = function({target, dataTransfer}) {
    if (target instanceof HTMLImageElement && dataTransfer?.types.length === 0) {
        dataTransfer.setData("text/x-moz-url", `${target.src}\n${decodeURIComponent(target.src.split("/").pop())}`);
        dataTransfer.setData("text/uri-list", target.src);
        dataTransfer.setData("text/html", target.outerHTML);
        dataTransfer.setData("text/plain", target.src);
    }
};

document.addEventListener("dragstart", webui.pictureDragged);

// A file that is let go beside the places that take one would be opened by the browser in the page's stead. Whoever takes it has said so to the event by now.
for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => {
        if (event.dataTransfer) {
            webui.pictureDropped(event);
        }
        if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files") || event.target.closest?.("input[type=file]")) {
            return;
        }
        event.preventDefault();
        if (kind === "drop") {
            webui.toast("Nothing takes a file there. Let it go over a field for pictures, or over the prompt.");
        }
    });
}
