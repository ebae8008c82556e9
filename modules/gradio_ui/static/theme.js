// The button at the bottom that changes between dark and light; the browser remembers the choice.

webui.toggleTheme = function() {
    const dark = document.body.classList.toggle("dark");
    const theme = dark ? "dark" : "light";
    webui.remember("webui_theme", theme);
    const url = new URL(location.href);
    url.searchParams.set("__theme", theme);
    history.replaceState(null, "", url);
};

document.addEventListener("click", (event) => {
    if (event.target.id === "webui_theme_toggle") {
        webui.toggleTheme();
    }
});
