// world krew-wasm:kubernetes/plugin@0.1.2
import type * as KrewWasmKubernetesCluster from './interfaces/krew-wasm-kubernetes-cluster.d.ts'; // krew-wasm:kubernetes/cluster@0.1.2
import type * as KrewWasmKubernetesUpgrade from './interfaces/krew-wasm-kubernetes-upgrade.d.ts'; // krew-wasm:kubernetes/upgrade@0.1.2
import type * as KrewWasmTerminalControl from './interfaces/krew-wasm-terminal-control.d.ts'; // krew-wasm:terminal/control@0.1.0
import type * as WasiCliEnvironment from './interfaces/wasi-cli-environment.d.ts'; // wasi:cli/environment@0.2.12
import type * as WasiCliExit from './interfaces/wasi-cli-exit.d.ts'; // wasi:cli/exit@0.2.12
import type * as WasiCliStderr from './interfaces/wasi-cli-stderr.d.ts'; // wasi:cli/stderr@0.2.12
import type * as WasiCliStdin from './interfaces/wasi-cli-stdin.d.ts'; // wasi:cli/stdin@0.2.12
import type * as WasiCliStdout from './interfaces/wasi-cli-stdout.d.ts'; // wasi:cli/stdout@0.2.12
import type * as WasiCliTerminalInput from './interfaces/wasi-cli-terminal-input.d.ts'; // wasi:cli/terminal-input@0.2.12
import type * as WasiCliTerminalOutput from './interfaces/wasi-cli-terminal-output.d.ts'; // wasi:cli/terminal-output@0.2.12
import type * as WasiCliTerminalStderr from './interfaces/wasi-cli-terminal-stderr.d.ts'; // wasi:cli/terminal-stderr@0.2.12
import type * as WasiCliTerminalStdin from './interfaces/wasi-cli-terminal-stdin.d.ts'; // wasi:cli/terminal-stdin@0.2.12
import type * as WasiCliTerminalStdout from './interfaces/wasi-cli-terminal-stdout.d.ts'; // wasi:cli/terminal-stdout@0.2.12
import type * as WasiClocksMonotonicClock from './interfaces/wasi-clocks-monotonic-clock.d.ts'; // wasi:clocks/monotonic-clock@0.2.12
import type * as WasiClocksWallClock from './interfaces/wasi-clocks-wall-clock.d.ts'; // wasi:clocks/wall-clock@0.2.12
import type * as WasiFilesystemPreopens from './interfaces/wasi-filesystem-preopens.d.ts'; // wasi:filesystem/preopens@0.2.12
import type * as WasiFilesystemTypes from './interfaces/wasi-filesystem-types.d.ts'; // wasi:filesystem/types@0.2.12
import type * as WasiHttpOutgoingHandler from './interfaces/wasi-http-outgoing-handler.d.ts'; // wasi:http/outgoing-handler@0.2.12
import type * as WasiHttpTypes from './interfaces/wasi-http-types.d.ts'; // wasi:http/types@0.2.12
import type * as WasiIoError from './interfaces/wasi-io-error.d.ts'; // wasi:io/error@0.2.12
import type * as WasiIoPoll from './interfaces/wasi-io-poll.d.ts'; // wasi:io/poll@0.2.12
import type * as WasiIoStreams from './interfaces/wasi-io-streams.d.ts'; // wasi:io/streams@0.2.12
import type * as WasiRandomInsecureSeed from './interfaces/wasi-random-insecure-seed.d.ts'; // wasi:random/insecure-seed@0.2.12
import type * as WasiRandomInsecure from './interfaces/wasi-random-insecure.d.ts'; // wasi:random/insecure@0.2.12
import type * as WasiRandomRandom from './interfaces/wasi-random-random.d.ts'; // wasi:random/random@0.2.12
import type * as WasiSocketsInstanceNetwork from './interfaces/wasi-sockets-instance-network.d.ts'; // wasi:sockets/instance-network@0.2.12
import type * as WasiSocketsIpNameLookup from './interfaces/wasi-sockets-ip-name-lookup.d.ts'; // wasi:sockets/ip-name-lookup@0.2.12
import type * as WasiSocketsNetwork from './interfaces/wasi-sockets-network.d.ts'; // wasi:sockets/network@0.2.12
import type * as WasiSocketsTcpCreateSocket from './interfaces/wasi-sockets-tcp-create-socket.d.ts'; // wasi:sockets/tcp-create-socket@0.2.12
import type * as WasiSocketsTcp from './interfaces/wasi-sockets-tcp.d.ts'; // wasi:sockets/tcp@0.2.12
import type * as WasiSocketsUdpCreateSocket from './interfaces/wasi-sockets-udp-create-socket.d.ts'; // wasi:sockets/udp-create-socket@0.2.12
import type * as WasiSocketsUdp from './interfaces/wasi-sockets-udp.d.ts'; // wasi:sockets/udp@0.2.12
import type * as WasiCliRun from './interfaces/wasi-cli-run.d.ts'; // wasi:cli/run@0.2.12
export interface ImportObject {
  'krew-wasm:kubernetes/cluster@0.1.2': typeof KrewWasmKubernetesCluster,
  'krew-wasm:kubernetes/upgrade@0.1.2': typeof KrewWasmKubernetesUpgrade,
  'krew-wasm:terminal/control@0.1.0': typeof KrewWasmTerminalControl,
  'wasi:cli/environment@0.2.12': typeof WasiCliEnvironment,
  'wasi:cli/exit@0.2.12': typeof WasiCliExit,
  'wasi:cli/stderr@0.2.12': typeof WasiCliStderr,
  'wasi:cli/stdin@0.2.12': typeof WasiCliStdin,
  'wasi:cli/stdout@0.2.12': typeof WasiCliStdout,
  'wasi:cli/terminal-input@0.2.12': typeof WasiCliTerminalInput,
  'wasi:cli/terminal-output@0.2.12': typeof WasiCliTerminalOutput,
  'wasi:cli/terminal-stderr@0.2.12': typeof WasiCliTerminalStderr,
  'wasi:cli/terminal-stdin@0.2.12': typeof WasiCliTerminalStdin,
  'wasi:cli/terminal-stdout@0.2.12': typeof WasiCliTerminalStdout,
  'wasi:clocks/monotonic-clock@0.2.12': typeof WasiClocksMonotonicClock,
  'wasi:clocks/wall-clock@0.2.12': typeof WasiClocksWallClock,
  'wasi:filesystem/preopens@0.2.12': typeof WasiFilesystemPreopens,
  'wasi:filesystem/types@0.2.12': typeof WasiFilesystemTypes,
  'wasi:http/outgoing-handler@0.2.12': typeof WasiHttpOutgoingHandler,
  'wasi:http/types@0.2.12': typeof WasiHttpTypes,
  'wasi:io/error@0.2.12': typeof WasiIoError,
  'wasi:io/poll@0.2.12': typeof WasiIoPoll,
  'wasi:io/streams@0.2.12': typeof WasiIoStreams,
  'wasi:random/insecure-seed@0.2.12': typeof WasiRandomInsecureSeed,
  'wasi:random/insecure@0.2.12': typeof WasiRandomInsecure,
  'wasi:random/random@0.2.12': typeof WasiRandomRandom,
  'wasi:sockets/instance-network@0.2.12': typeof WasiSocketsInstanceNetwork,
  'wasi:sockets/ip-name-lookup@0.2.12': typeof WasiSocketsIpNameLookup,
  'wasi:sockets/network@0.2.12': typeof WasiSocketsNetwork,
  'wasi:sockets/tcp-create-socket@0.2.12': typeof WasiSocketsTcpCreateSocket,
  'wasi:sockets/tcp@0.2.12': typeof WasiSocketsTcp,
  'wasi:sockets/udp-create-socket@0.2.12': typeof WasiSocketsUdpCreateSocket,
  'wasi:sockets/udp@0.2.12': typeof WasiSocketsUdp,
}
export interface Plugin {
  'wasi:cli/run@0.2.12': typeof WasiCliRun,
  run: typeof WasiCliRun,
}

/**
* Instantiates this component with the provided imports and
* returns a map of all the exports of the component.
*
* This function is intended to be similar to the
* `WebAssembly.Instantiate` constructor. The second `imports`
* argument is the "import object" for wasm, except here it
* uses component-model-layer types instead of core wasm
* integers/numbers/etc.
*
* The first argument to this function, `getCoreModule`, is
* used to compile core wasm modules within the component.
* Components are composed of core wasm modules and this callback
* will be invoked per core wasm module. The caller of this
* function is responsible for reading the core wasm module
* identified by `path` and returning its compiled
* `WebAssembly.Module` object. This would use the
* `WebAssembly.Module` constructor on the web, for example.
*/
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance
): Plugin;
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module | Promise<WebAssembly.Module>,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance | Promise<WebAssembly.Instance>
): Plugin | Promise<Plugin>;

