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

/** A method of a TLS connection returns something else if TLS is the host's. */
function hosted(signature: string, result: string): StdPatch {
  const find = `func (c *Conn) ${signature} {\n`;
  return {
    file: "crypto/tls/conn.go",
    find,
    replace: `${find}\tif c.krewHosted {\n\t\treturn ${result}\n\t}\n`,
  };
}

/** All patches. Added files are in `sdk/go/overlay/std`. */
export const STD_PATCHES: readonly StdPatch[] = [
  // The overlay adds Transport.RoundTrip for wasip1.
  { file: "net/http/roundtrip.go", find: "//go:build !js\n", replace: "//go:build !js && !wasip1\n" },
  // The goroutine that waits for signals spins and starves the network poller.
  {
    file: "os/signal/signal_unix.go",
    find: "process(syscall.Signal(signal_recv()))",
    replace: "process(krewReceive())",
  },
  {
    file: "os/signal/signal_unix.go",
    find: "\tsignal_enable(uint32(sig))\n",
    replace: "\tkrewSet(sig, true)\n\tsignal_enable(uint32(sig))\n",
  },
  {
    file: "os/signal/signal_unix.go",
    find: "\tsignal_disable(uint32(sig))\n",
    replace: "\tkrewSet(sig, false)\n\tsignal_disable(uint32(sig))\n",
  },
  // Stop would wait for that goroutine forever.
  { file: "os/signal/signal.go", find: "\n\tsignalWaitUntilIdle()\n", replace: "\n" },
  // TCP goes through the host; other connections stay within the program.
  {
    file: "net/net_fake.go",
    find: "\tfd.fakeNetFD = newFakeNetFD(fd)\n\n\tif raddr == nil {",
    replace: '\tif len(net) >= 3 && net[:3] == "tcp" {\n\t\treturn fd.krewSocket(ctx, laddr, raddr)\n\t}\n' +
      "\tfd.fakeNetFD = newFakeNetFD(fd)\n\n\tif raddr == nil {",
  },
  {
    file: "net/net_fake.go",
    find: "fakeConnect(ctx, fd, laddr, raddr); err",
    replace: "krewFaked(fd, raddr, fakeConnect(ctx, fd, laddr, raddr)); err",
  },
  {
    file: "net/fd_fake.go",
    find: "\t\tnetfd.Close()\n\t\treturn nil, err\n\t}\n\treturn netfd, nil\n",
    replace: "\t\tnetfd.Close()\n\t\treturn nil, err\n\t}\n\tnetfd.krewAccepted()\n\treturn netfd, nil\n",
  },
  {
    file: "net/tcpsock_posix.go",
    find: "laddr *TCPAddr, proto int) (*TCPListener, error) {\n",
    replace: "laddr *TCPAddr, proto int) (*TCPListener, error) {\n\tkrewListen = (*netFD).krewListenTCP\n",
  },
  {
    file: "net/lookup_unix.go",
    find: ") lookupHost(ctx context.Context, host string) (addrs []string, err error) {\n",
    replace:
      ") lookupHost(ctx context.Context, host string) (addrs []string, err error) {\n\treturn krewLookupHost(host)\n",
  },
  {
    file: "net/lookup_unix.go",
    find: ") lookupIP(ctx context.Context, network, host string) (addrs []IPAddr, err error) {\n",
    replace:
      ") lookupIP(ctx context.Context, network, host string) (addrs []IPAddr, err error) {\n\treturn krewLookup(network, host)\n",
  },
  // The host's connections have no such options. On other systems these calls succeed.
  {
    file: "net/tcpsockopt_stub.go",
    find: "noDelay bool) error {\n\treturn syscall.ENOPROTOOPT\n",
    replace: "noDelay bool) error {\n\treturn nil\n",
  },
  {
    file: "net/sockopt_fake.go",
    find: "keepalive bool) error {\n\treturn syscall.ENOPROTOOPT\n",
    replace: "keepalive bool) error {\n\treturn nil\n",
  },
  // The host reaches the API server through the proxy, so the program must not.
  {
    file: "net/http/transport.go",
    find: "\treturn envProxyFunc()(req.URL)\n",
    replace: "\treturn nil, nil\n",
  },
  {
    file: "crypto/tls/conn.go",
    find: "type Conn struct {\n",
    replace: "type Conn struct {\n\tkrewHosted bool\n",
  },
  { file: "crypto/tls/tls.go", find: "\tc.handshakeFn = c.clientHandshake\n", replace: "\tc.krewClient()\n" },
  hosted("Read(b []byte) (int, error)", "c.conn.Read(b)"),
  hosted("Write(b []byte) (int, error)", "c.conn.Write(b)"),
  hosted("Close() error", "c.conn.Close()"),
  hosted("closeNotify() error", "c.krewCloseWrite()"),
  hosted("VerifyHostname(host string) error", "nil"),
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
  // The local time zone, the user and the machine's name, as programs expect them.
  { file: "time/zoneinfo_wasip1.go", find: "= []string{}", replace: "= krewZones" },
  { file: "time/zoneinfo_wasip1.go", find: '\tlocalLoc.name = "Local"\n', replace: "\tkrewLocal()\n" },
  {
    file: "os/user/lookup_stubs.go",
    find: "func current() (*User, error) {\n",
    replace:
      'func current() (*User, error) {\n\tif runtime.GOOS == "wasip1" {\n\t\treturn krewCurrent()\n\t}\n',
  },
  { file: "syscall/syscall_wasip1.go", find: 'return "wasip1", nil', replace: "return krewHostname(), nil" },
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
