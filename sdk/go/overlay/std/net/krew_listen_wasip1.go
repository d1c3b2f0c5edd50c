// Package net, for plugins of krew-wasm: listeners on loopback, where the user granted the port.

package net

import (
	"context"
	"syscall"
	"unsafe"
)

const krewBacklog = 128

func (fd *netFD) krewListen(_ context.Context, laddr sockaddr) error {
	number := fd.pfd.Sysfd
	local, ok := matchIPFamily(fd.family, laddr).(*TCPAddr)
	if !ok || local == nil {
		local = &TCPAddr{}
	}
	if len(local.IP) == 0 {
		local = &TCPAddr{IP: IPv4zero, Port: local.Port}
		if fd.family == syscall.AF_INET6 {
			local.IP = IPv6unspecified
		}
	}
	if errno := syscall.Errno(
		krewSockBind(int32(number), unsafe.Pointer(newKrewBuffer(local.IP)), int32(local.Port))); errno != 0 {
		return krewReason("bind", number, errno)
	}
	if errno := syscall.Errno(krewSockListen(int32(number), krewBacklog)); errno != 0 {
		return krewReason("listen", number, errno)
	}
	fd.setAddr(krewAddress(number, krewSockLocal), nil)
	return nil
}

// krewAccepted fills in the addresses of an accepted connection.
func (fd *netFD) krewAccepted() {
	fd.setAddr(krewAddress(fd.pfd.Sysfd, krewSockLocal), krewAddress(fd.pfd.Sysfd, krewSockPeer))
}
