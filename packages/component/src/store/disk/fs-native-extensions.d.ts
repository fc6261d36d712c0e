declare module "fs-native-extensions" {
  /** Locks an open file. Returns false if another process has the lock. The lock ends with the file descriptor. */
  export function tryLock(fd: number): boolean;
}
