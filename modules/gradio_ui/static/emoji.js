// The font of style.css arrives after the first buttons were drawn; Chromium draws some of them anew only when something else about their text changes.
document.fonts.addEventListener("loadingdone", (event) => {
    if (event.fontfaces.some((face) => face.family === "webui-emoji")) {
        document.documentElement.classList.add("own-emoji");
    }
});
