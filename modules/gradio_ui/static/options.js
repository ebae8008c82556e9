// The settings as the page knows them: the global `opts`, filled when the page starts and after each change.

var opts = {};

webui.boot = window.webui_boot || {};

webui.fillOptions = function() {
    webui.addOptionsField();
    webui.changeOptions(webui.boot.options || {});
    webui.callAll(optionsAvailableCallbacks);
};

// A1111 hands its page the options as JSON in a hidden field, the last thing there: extensions take the field for the sign that all else is there.
webui.addOptionsField = function() {
    const block = document.createElement("div");
    block.id = "settings_json";
    block.className = "block hidden";
    block.hidden = true;
    webui.optionsField = block.appendChild(document.createElement("textarea"));
    (document.querySelector(".gradio-container") || document.body).append(block);
};

// Extensions keep references to `opts`, so its content changes and the object stays.
webui.changeOptions = function(values) {
    Object.assign(opts, values);
    webui.optionsField && (webui.optionsField.value = JSON.stringify(opts));
    webui.callAll(optionsChangedCallbacks);
};
