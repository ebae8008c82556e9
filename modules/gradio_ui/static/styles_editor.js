// Shows and hides the styles editor, which the server has put into the page.

// The list beside the dialog has come with the answer; the other tab's reads the files again.
webui.styleSaid = function(words, tab) {
    if (words) {
        webui.toast(words);
        webui.find(`#refresh_${tab === "txt2img" ? "img2img" : "txt2img"}_styles`)?.click();
    }
};

// The values of a click on Delete; without a yes the name is left out, and the server finds nothing to delete.
webui.confirmStyleDelete = function(values) {
    if (!values[0] || !confirm(`Delete style ${values[0]}?`)) {
        values[0] = "";
    }
    return values;
};

webui.startStylesEditor = function(tab) {
    const dialog = document.getElementById(`${tab}_styles_dialog`);
    const opener = document.getElementById(`${tab}_styles_edit_button`);
    if (!dialog || !opener) {
        return;
    }
    const close = () => {
        dialog.classList.remove("open");
        opener.focus();
    };
    dialog.setAttribute("role", "dialog");
    dialog.setAttribute("aria-label", "Styles");
    opener.addEventListener("click", async() => {
        dialog.classList.add("open");
        await webui.primeLate();
        dialog.querySelector("input")?.focus();
    });
    dialog.addEventListener("click", (event) => event.target.id === `${tab}_edit_style_close` && close());
    dialog.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && !dialog.querySelector("input[aria-expanded=true]")) {
            event.stopPropagation();
            close();
        }
    });
};

onUiLoaded(() => ["txt2img", "img2img"].forEach(webui.startStylesEditor));
