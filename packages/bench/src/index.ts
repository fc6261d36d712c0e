export { startDemoPublishers } from "./demo/publishers.js";
