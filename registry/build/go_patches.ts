/**
 * Patches for files of Go's standard library. A build applies them in a temporary directory, to copies of the user's
 * Go. Each patch must apply exactly once, so that an unknown Go fails the build instead of producing something else.
 * Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";

/** One replacement in a file below `GOROOT/src`. */
export interface StdPatch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** All patches. Added files are in `sdk/go/overlay/std`. */
export const STD_PATCHES: readonly StdPatch[] = [
  // The overlay adds Transport.RoundTrip for wasip1.
  { file: "net/http/roundtrip.go", find: "//go:build !js\n", replace: "//go:build !js && !wasip1\n" },
  // The goroutine that waits for signals spins and starves the network poller.
  {
    file: "os/signal/signal_unix.go",
    find: "process(syscall.Signal(signal_recv()))",
    replace: "krewWait()",
  },
  // Stop would wait for that goroutine forever.
  { file: "os/signal/signal.go", find: "\n\tsignalWaitUntilIdle()\n", replace: "\n" },
  {
    file: "net/net_fake.go",
    find: "fakeConnect(ctx, fd, laddr, raddr); err",
    replace: "krewConnect(fakeConnect(ctx, fd, laddr, raddr)); err",
  },
  {
    file: "os/exec/exec.go",
    find: "\tlp := c.Path\n",
    replace: '\tif runtime.GOOS == "wasip1" {\n' +
      '\t\treturn &os.PathError{Op: "fork/exec", Path: c.Path, Err: syscall.ErrNoPrograms}\n\t}\n\tlp := c.Path\n',
  },
  {
    file: "os/exec/lp_wasm.go",
    find: "&Error{file, ErrNotFound}",
    replace: "&Error{file, errNoPrograms}",
  },
  { file: "syscall/syscall_wasip1.go", find: "s := errorstr[e]", replace: "s := krewWords(e)" },
  {
    file: "syscall/syscall_wasip1.go",
    find: "attr *ProcAttr) (pid int, handle uintptr, err error) {\n\treturn 0, 0, ENOSYS\n",
    replace: "attr *ProcAttr) (pid int, handle uintptr, err error) {\n\treturn 0, 0, ErrNoPrograms\n",
  },
  {
    file: "syscall/syscall_wasip1.go",
    find: "type SysProcAttr struct {\n}",
    replace:
      "type SysProcAttr struct {\n\tChroot string\n\tCredential *Credential\n\tSetsid, Setpgid, Setctty, " +
      "Noctty, Foreground bool\n\tCtty, Pgid int\n\tPdeathsig Signal\n}",
  },
  {
    file: "syscall/syscall_wasip1.go",
    find: "func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {\n\treturn 0, 0, ENOSYS\n",
    replace:
      "func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {\n\treturn krewSyscall(trap, a1, a2, a3)\n",
  },
];

/**
 * Applies a file's patches.
 *
 * @param goVersion from `go env GOVERSION`, for the error
 * @throws AppError BUILD_FAILED if a patch does not apply exactly once
 */
export function patchStdFile(
  file: string,
  text: string,
  patches: readonly StdPatch[],
  goVersion: string,
): string {
  for (const patch of patches) {
    if (patch.file !== file) continue;
    const pieces = text.split(patch.find);
    if (pieces.length !== 2) {
      throw new AppError(
        "BUILD_FAILED",
        `Cannot build with ${goVersion}: its ${file} is not one that krew-wasm knows`,
        {
          hint:
            "use a Go of the versions 1.24 to 1.27, such as with GOTOOLCHAIN=go1.26.8, or a newer krew-wasm",
        },
      );
    }
    text = pieces.join(patch.replace);
  }
  return text;
}
