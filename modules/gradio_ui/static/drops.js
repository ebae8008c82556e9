// A file that is let go beside the places that take one would be opened by the browser in the page's stead. Whoever takes it has said so to the event by now.
for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => {
        if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files") || event.target.closest?.("input[type=file]")) {
            return;
        }
        event.preventDefault();
        if (kind === "drop") {
            webui.toast("Nothing takes a file there. Let it go over a field for pictures, or over the prompt.");
        }
    });
}
