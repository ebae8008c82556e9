// A gamepad's sideways stick and cross move through the pictures of the full page, by the setting js_modal_lightbox_gamepad.

webui.gamepad = {next: 0};

// -1 to the left, 1 to the right, 0 where nothing is pressed.
webui.gamepad.direction = function() {
    for (const pad of navigator.getGamepads?.() || []) {
        if (!pad) {
            continue;
        }
        const tilt = [pad.axes[0], pad.axes[2]].find((each) => Math.abs(each ?? 0) > 0.5);
        if (tilt) {
            return Math.sign(tilt);
        }
        if (pad.buttons[14]?.pressed || pad.buttons[15]?.pressed) {
            return pad.buttons[14].pressed ? -1 : 1;
        }
    }
    return 0;
};

webui.gamepad.look = function(now) {
    const to = opts.js_modal_lightbox_gamepad && webui.lightbox.isOpen() ? webui.gamepad.direction() : 0;
    if (!to) {
        webui.gamepad.next = 0;
    } else if (now >= webui.gamepad.next) {
        webui.gamepad.next = now + Math.max(50, Number(opts.js_modal_lightbox_gamepad_repeat) || 250);
        webui.lightbox.step(to);
    }
    if (webui.gamepad.plugged()) {
        requestAnimationFrame(webui.gamepad.look);
    }
};

webui.gamepad.plugged = () => Array.from(navigator.getGamepads?.() || []).some(Boolean);

// Browsers tell of a gamepad when its first button is pressed.
window.addEventListener("gamepadconnected", () => requestAnimationFrame(webui.gamepad.look));
