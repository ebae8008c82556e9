// The settings as the page knows them: the global `opts`, filled when the page starts and after each change.

var opts = {};

webui.boot = window.webui_boot || {};

webui.fillOptions = function() {
    webui.changeOptions(webui.boot.options || {});
    webui.callAll(optionsAvailableCallbacks);
};

// Extensions keep references to `opts`, so its content changes and the object stays.
webui.changeOptions = function(values) {
    Object.assign(opts, values);
    webui.callAll(optionsChangedCallbacks);
};
