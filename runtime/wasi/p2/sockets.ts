/**
 * wasi:sockets 0.2: no network but the cluster, which is reached through wasi:http and krew-wasm:kubernetes.
 * Sockets can be made, as language runtimes probe for them, and then refuse to do anything.
 */

// deno-lint-ignore-file no-throw-literal -- jco hands what is thrown, if it is no Error, to the guest as the error value

import { Pollable, READY } from "./io.ts";

const denied = (): never => {
  throw "access-denied";
};

class Network {}

class ResolveAddressStream {
  resolveNextAddress = denied;
  subscribe = () => new Pollable(READY);
}

class TcpSocket {
  startBind = denied;
  finishBind = denied;
  startConnect = denied;
  finishConnect = denied;
  startListen = denied;
  finishListen = denied;
  accept = denied;
  localAddress = denied;
  remoteAddress = denied;
  isListening = () => false;
  addressFamily = () => "ipv4";
  setListenBacklogSize = denied;
  keepAliveEnabled = denied;
  setKeepAliveEnabled = denied;
  keepAliveIdleTime = denied;
  setKeepAliveIdleTime = denied;
  keepAliveInterval = denied;
  setKeepAliveInterval = denied;
  keepAliveCount = denied;
  setKeepAliveCount = denied;
  hopLimit = denied;
  setHopLimit = denied;
  receiveBufferSize = denied;
  setReceiveBufferSize = denied;
  sendBufferSize = denied;
  setSendBufferSize = denied;
  subscribe = () => new Pollable(READY);
  shutdown = denied;
}

class IncomingDatagramStream {
  receive = denied;
  subscribe = () => new Pollable(READY);
}

class OutgoingDatagramStream {
  checkSend = denied;
  send = denied;
  subscribe = () => new Pollable(READY);
}

class UdpSocket {
  startBind = denied;
  finishBind = denied;
  stream = denied;
  localAddress = denied;
  remoteAddress = denied;
  addressFamily = () => "ipv4";
  unicastHopLimit = denied;
  setUnicastHopLimit = denied;
  receiveBufferSize = denied;
  setReceiveBufferSize = denied;
  sendBufferSize = denied;
  setSendBufferSize = denied;
  subscribe = () => new Pollable(READY);
}

/** The interfaces by name. */
export function socketInterfaces() {
  const network = new Network();
  return {
    "wasi:sockets/instance-network": { instanceNetwork: () => network },
    "wasi:sockets/ip-name-lookup": { ResolveAddressStream, resolveAddresses: denied },
    "wasi:sockets/network": { Network },
    "wasi:sockets/tcp": { TcpSocket },
    "wasi:sockets/tcp-create-socket": { createTcpSocket: denied },
    "wasi:sockets/udp": { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket },
    "wasi:sockets/udp-create-socket": { createUdpSocket: denied },
  };
}
