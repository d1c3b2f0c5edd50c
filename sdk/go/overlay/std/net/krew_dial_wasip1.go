// Package net, for plugins of krew-wasm: TCP through the host, to the API server of the user's kubeconfig alone. On
// such a connection the plugin speaks HTTP/1.1. The host adds TLS and the user's credentials.

package net

import (
	"context"
	"errors"
	"internal/poll"
	"sync"
	"syscall"
	"unsafe"
)

const krewAlone = "krew-wasm: plugins reach only the API server"

// krewDialled holds the addresses to which the host let the program connect: the API server's.
var krewDialled sync.Map

// KrewHosted reports whether a connection to this address is one of the host's, which does TLS itself.
func KrewHosted(address Addr) bool {
	if address == nil {
		return false
	}
	_, hosted := krewDialled.Load(address.String())
	return hosted
}

// krewSocket opens a TCP socket of the host: a listener if raddr is nil.
func (fd *netFD) krewSocket(ctx context.Context, laddr, raddr sockaddr) (*netFD, error) {
	named := raddr
	if raddr == nil {
		named = laddr
	}
	address := fd.krewAddress(named)
	family := int32(krewInet6)
	if address.IP.To4() != nil {
		family = krewInet4
	}
	var number int32
	if errno := syscall.Errno(krewSockOpen(family, krewStream, &number)); errno != 0 {
		return nil, wrapSyscallError("socket", errno)
	}
	fd.pfd = poll.FD{Sysfd: int(number), IsStream: true, ZeroReadIsEOF: true}
	err := syscall.SetNonblock(int(number), true)
	if err == nil {
		err = fd.init()
	}
	if err == nil && raddr == nil {
		err = krewListen(fd, address)
	} else if err == nil {
		err = fd.krewConnect(ctx, address)
	}
	if err != nil {
		fd.pfd.Close()
		return nil, err
	}
	return fd, nil
}

// krewAddress is an address with an IP, which is the unspecified one if the program named none.
func (fd *netFD) krewAddress(named sockaddr) *TCPAddr {
	address, ok := named.(*TCPAddr)
	if !ok || address == nil {
		address = &TCPAddr{}
	}
	if len(address.IP) > 0 {
		return address
	}
	unspecified := IPv4zero
	if fd.family == syscall.AF_INET6 {
		unspecified = IPv6unspecified
	}
	return &TCPAddr{IP: unspecified, Port: address.Port}
}

func (fd *netFD) krewConnect(ctx context.Context, remote *TCPAddr) error {
	if ctx.Err() != nil {
		return mapErr(ctx.Err())
	}
	switch errno := syscall.Errno(
		krewSockConnect(int32(fd.pfd.Sysfd), unsafe.Pointer(newKrewBuffer(remote.IP)), int32(remote.Port))); errno {
	case 0:
	case syscall.EINPROGRESS:
		if err := fd.krewWait(ctx); err != nil {
			return err
		}
	default:
		return krewRefused(fd.pfd.Sysfd, errno)
	}
	fd.isConnected = true
	fd.setAddr(krewEnd(fd.pfd.Sysfd, krewSockLocal), remote)
	krewDialled.Store(remote.String(), true)
	return nil
}

// krewWait waits until the connection is made, or ctx ends.
func (fd *netFD) krewWait(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !deadline.IsZero() {
		fd.pfd.SetWriteDeadline(deadline)
		defer fd.pfd.SetWriteDeadline(noDeadline)
	}
	stop := context.AfterFunc(ctx, func() { fd.pfd.SetWriteDeadline(aLongTimeAgo) })
	err := fd.pfd.WaitWrite()
	if !stop() {
		return mapErr(ctx.Err())
	}
	if err != nil {
		if errors.Is(err, poll.ErrDeadlineExceeded) {
			return errTimeout
		}
		return err
	}
	var failed int32
	size := uint32(4)
	if errno := syscall.Errno(
		krewSockOption(int32(fd.pfd.Sysfd), krewSocketLevel, krewSocketError, &failed, &size)); errno != 0 {
		return wrapSyscallError("getsockopt", errno)
	}
	if failed != 0 {
		return krewRefused(fd.pfd.Sysfd, syscall.Errno(failed))
	}
	return nil
}

func krewRefused(fd int, errno syscall.Errno) error {
	if errno == syscall.EACCES {
		return &krewError{words: krewAlone, errno: errno}
	}
	return krewReason("connect", fd, errno)
}

// krewFaked explains a connection of another kind than TCP, which leads to the program itself or nowhere.
func krewFaked(fd *netFD, raddr sockaddr, err error) error {
	if err == nil && fd.sotype == syscall.SOCK_DGRAM {
		if _, ok := sockets.Load(fakeAddr(raddr)); ok {
			return nil
		}
	} else if address, ok := err.(*AddrError); err == nil || !ok || address.Err != "connect: "+syscall.ECONNREFUSED.Error() {
		return err
	}
	return &krewError{words: krewAlone, errno: syscall.EACCES}
}
