// Pictures and drawings survive a reload: the browser's own store keeps them, for this tab of the browser alone.

webui.canvasStore = "canvases";

webui.keepDays = 3;  // what tabs that were closed left behind goes after that

webui.tabName = function() {
    let name = "";
    try {
        name = sessionStorage.getItem("webui_tab") || randomId();
        sessionStorage.setItem("webui_tab", name);
    } catch {
        name = "";  // a browser that keeps nothing
    }
    return name;
};

webui.openCanvasStore = function() {
    webui.openedStore ||= new Promise((resolve, reject) => {
        const opening = indexedDB.open("webui", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore(webui.canvasStore);
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error);
    });
    return webui.openedStore;
};

// act(store) -> a request; resolves to its result. A browser that keeps nothing must not stop the page.
webui.inCanvasStore = async function(mode, act) {
    try {
        const store = (await webui.openCanvasStore()).transaction(webui.canvasStore, mode).objectStore(webui.canvasStore);
        return await new Promise((resolve, reject) => {
            const asked = act(store);
            asked.onsuccess = () => resolve(asked.result);
            asked.onerror = () => reject(asked.error);
        });
    } catch (error) {
        console.warn("the browser does not keep pictures", error);
        return undefined;
    }
};

webui.storeTurn = Promise.resolve();

// As bytes, since Safari's private windows keep no Blob; one after the other, for what is read longer must not come after what takes its place.
webui.keepBlob = function(id, what, blob) {
    const key = `${webui.tabName()}/${id}/${what}`;
    webui.storeTurn = webui.storeTurn.then(async() => {
        const kept = blob && await blob.arrayBuffer().then((bytes) => ({bytes, type: blob.type, time: Date.now()}), () => null);
        await webui.inCanvasStore("readwrite", (store) => kept ? store.put(kept, key) : store.delete(key));
    });
    return webui.storeTurn;
};

webui.keptBlob = async function(id, what) {
    const kept = await webui.inCanvasStore("readonly", (store) => store.get(`${webui.tabName()}/${id}/${what}`));
    return kept?.bytes && new Blob([kept.bytes], {type: kept.type});
};

webui.forgetOldBlobs = () => webui.inCanvasStore("readwrite", (store) => {
    const cursor = store.openCursor();
    cursor.addEventListener("success", () => {
        const at = cursor.result;
        if (at) {
            if (Date.now() - at.value.time > webui.keepDays * 86400e3) {
                at.delete();
            }
            at.continue();
        }
    });
    return store.count();
});
