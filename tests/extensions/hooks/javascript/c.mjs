window.hooksModule = true;
