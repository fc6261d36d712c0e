export {
  startComponentProcess,
  type ComponentProcess,
  type ComponentProcessOptions,
} from "./component-process.js";
export { SandboxError, type SandboxErrorCode } from "./errors.js";
export { startNginx, type Nginx, type NginxBehaviour, type NginxOptions } from "./nginx.js";
export type { WebSocketPolicy } from "./nginx-config.js";
export { startSandbox } from "./sandbox.js";
export type {
  FederationOptions,
  Sandbox,
  SandboxAccount,
  SandboxComponent,
  SandboxOptions,
  SandboxPorts,
  ServerKind,
  SettingsKind,
} from "./types.js";
