export { runBystanders, type BystandersOptions, type BystandersRow } from "./bystanders.js";
export { runReturn, type ReturnOptions, type ReturnRow } from "./return.js";
export { judgeBystanders, judgeReturn } from "./targets.js";
export { openCostlyPublisher, type CostlyPublisher } from "./costly-publisher.js";
