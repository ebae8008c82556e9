// When a job is over and nobody looks: a sound, if there is a notification.mp3, and a message of the system, if it is allowed.

webui.notify = {player: null};

// Long after a click Safari lets sound only those players that were loaded during one.
webui.notify.prepare = function() {
    if (!webui.notify.player && opts.notification_audio !== false && webui.boot.notificationSound) {
        webui.notify.player = new Audio("./internal/notification-sound");
        webui.notify.player.load();
    }
    return webui.notify.player;
};

["click", "keydown"].forEach((kind) => document.addEventListener(kind, (event) => event.isTrusted && webui.ready && webui.notify.prepare(), true));

webui.notify.sound = function() {
    const sound = opts.notification_audio === false ? null : webui.notify.prepare();
    if (sound) {
        sound.volume = Math.min(1, Math.max(0, (opts.notification_volume ?? 100) / 100));
        sound.currentTime = 0;
        sound.play().catch(() => {});  // browsers are silent until the page has been touched
    }
};

webui.notify.desktop = function(tab, count) {
    if (!("Notification" in window) || Notification.permission !== "granted" || document.hasFocus()) {
        return;
    }
    const icon = webui.galleryPicture(tab);
    const message = new Notification("Stable Diffusion", {body: count === 1 ? "A picture is done" : `${count} pictures are done`, icon, image: icon});
    message.onclick = () => {
        window.focus();
        message.close();
    };
};

webui.notify.done = function(tab) {
    const count = document.querySelectorAll(`#${tab}_gallery .thumbnails > .thumbnail-item`).length || 1;
    webui.notify.sound();
    webui.notify.desktop(tab, count);
};

// Keeps the screen awake while a tab has jobs.
webui.ScreenLock = class {
    lock = null;
    turn = Promise.resolve();

    // One after the other: asked twice while the browser has not answered yet, it would give a second lock, which nobody lets go. It takes one back itself when the page is hidden.
    hold(wanted) {
        this.turn = this.turn.then(async() => {
            if (!wanted) {
                this.lock?.release();
                this.lock = null;
            } else if (opts.prevent_screen_sleep_during_generation && navigator.wakeLock && (!this.lock || this.lock.released)) {
                this.lock = await navigator.wakeLock.request("screen").catch(() => null);
            }
        });
    }
};

webui.notify.ask = async function() {
    if (!("Notification" in window)) {
        webui.toast("This browser shows no notifications here. They need https, or a page opened as localhost.");
        return;
    }
    const answer = await Notification.requestPermission();
    webui.toast(answer === "granted" ? "You will be told when pictures are done while you look elsewhere." : "The browser was told not to show notifications of this page.");
};
