// What the program has to say when the page opens: no checkpoint yet, a file it could not read.

webui.showNotices = function() {
    const words = webui.boot.notices || [];
    const place = document.createElement("div");
    place.id = "webui_notices";
    place.setAttribute("role", "status");
    for (const notice of words) {
        const line = document.createElement("p");
        line.textContent = notice;
        place.append(line);
    }
    if (words.length > 0) {
        const tabs = webui.find("#tabs");
        tabs.parentNode.insertBefore(place, tabs);
    }
};

onUiLoaded(webui.showNotices);
