export { Deployment, type ContainerName, type ContainerState } from "./deployment.js";
export { engineOf } from "./engine.js";
export { areImagesCurrent, COMPOSE_FILES, NEXT_IMAGE, NODES_FILE, SYSTEMD_IMAGE } from "./images.js";
