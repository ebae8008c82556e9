const hooksOrder = ["a"];  // of the scope that all classic scripts share
