// Pictures on their way from one part of the page to another.

// goal -> {tab, take(blob, name)}: what shows, and what takes the picture. Other parts of the page add theirs.
webui.receivers = {};

webui.galleryPicture = function(tab) {
    const pictures = Array.from(document.querySelectorAll(`#${tab}_gallery .thumbnails > .thumbnail-item img, #${tab}_gallery .preview img`));
    return (pictures[webui.galleryIndex(tab)] || pictures[0] || {}).src || "";
};

webui.shownPicture = (elemId) => (webui.find(`#${elemId} img`) || {}).src || "";

// source: a URL, a Blob, or a promise of one.
webui.sendPicture = async function(source, goal) {
    const tab = goal === "inpaint" ? "img2img" : goal;
    webui.fillBegins(tab, "picture");
    try {
        await webui.handOver(source, goal);
    } finally {
        webui.fillEnded(tab, "picture");
    }
};

webui.handOver = async function(source, goal) {
    const receiver = webui.receivers[goal];
    const picture = await source;
    if (!picture) {
        webui.toast("There is no picture to send yet.");
        return;
    }
    if (!receiver) {
        webui.toast(`Nothing on this page takes pictures for ${goal}.`, "error");
        return;
    }
    try {
        const blob = typeof picture === "string" ? await webui.fetchPicture(picture) : picture;
        await receiver.take(blob);
        receiver.show();
    } catch (error) {
        webui.toast(`The picture could not be sent: ${error.message}`, "error");
    }
};

webui.fetchPicture = async function(url) {
    const answer = await fetch(url);
    if (!answer.ok) {
        throw new Error(`the server answered ${answer.status}`);
    }
    return answer.blob();
};

// The gallery's chosen picture to `goal`; returns its infotext for the fields.
webui.sendFromGallery = function(tab, goal) {
    webui.sendPicture(webui.galleryPicture(tab), goal);
    return [(webui.generationInfo(tab).infotexts || [])[webui.galleryIndex(tab)] || ""];
};

// What an extension's component holds, as an address: a picture, a gallery's chosen picture, or an editor's.
webui.addressOf = function(value) {
    if (Array.isArray(value)) {
        return webui.addressOf(value[Math.max(0, selected_gallery_index())] || value[0]);
    }
    if (typeof value === "string") {
        return /^(data|blob|https?):/.test(value) ? value : "";
    }
    return value ? value.url || webui.addressOf(value.image || value.composite || value.background) : "";
};
