// What the program has to say when the page opens: no checkpoint yet, a file it could not read.

webui.showNotices = function(words) {
    document.getElementById("webui_notices")?.remove();
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

// What was complained of may be mended by now: the list of checkpoints was refreshed, a picture was made.
webui.renewNotices = async function() {
    if (document.getElementById("webui_notices")) {
        webui.showNotices(await webui.ask("./internal/notices").catch(() => []));
    }
};

onUiLoaded(() => webui.showNotices(webui.boot.notices || []));
