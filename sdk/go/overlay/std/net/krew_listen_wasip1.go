// Package net, for plugins of krew-wasm: listeners on loopback, where the user granted the port.

package net

import (
	"syscall"
	"unsafe"
)

const krewBacklog = 128

// krewListen is set by the only function that listens. So a program that never calls it does not import the host's
// functions, and the host sees that it cannot listen.
var krewListen func(fd *netFD, local *TCPAddr) error

func (fd *netFD) krewListenTCP(local *TCPAddr) error {
	number := fd.pfd.Sysfd
	if errno := syscall.Errno(
		krewSockBind(int32(number), unsafe.Pointer(newKrewBuffer(local.IP)), int32(local.Port))); errno != 0 {
		return krewReason("bind", number, errno)
	}
	if errno := syscall.Errno(krewSockListen(int32(number), krewBacklog)); errno != 0 {
		return krewReason("listen", number, errno)
	}
	fd.setAddr(krewEnd(number, krewSockLocal), nil)
	return nil
}

// krewAccepted fills in the addresses of an accepted connection.
func (fd *netFD) krewAccepted() {
	fd.setAddr(krewEnd(fd.pfd.Sysfd, krewSockLocal), krewEnd(fd.pfd.Sysfd, krewSockPeer))
}
