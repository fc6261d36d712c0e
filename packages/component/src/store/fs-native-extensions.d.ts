declare module "fs-native-extensions" {
  /** Locks an open file, or returns false if another program has the lock. The lock ends with the file descriptor. */
  export function tryLock(fd: number): boolean;
}
