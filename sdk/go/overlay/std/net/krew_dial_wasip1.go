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
	family := int32(krewInet4)
	if fd.family == syscall.AF_INET6 {
		family = krewInet6
	}
	var number int32
	if errno := syscall.Errno(krewSockOpen(family, krewStream, &number)); errno != 0 {
		return nil, wrapSyscallError("socket", errno)
	}
	fd.pfd = poll.FD{Sysfd: int(number), IsStream: true, ZeroReadIsEOF: true}
	open := fd.krewConnect
	if raddr == nil {
		open = fd.krewListen
		raddr = laddr
	}
	err := syscall.SetNonblock(int(number), true)
	if err == nil {
		err = fd.init()
	}
	if err == nil {
		err = open(ctx, raddr)
	}
	if err != nil {
		fd.pfd.Close()
		return nil, err
	}
	return fd, nil
}

func (fd *netFD) krewConnect(ctx context.Context, raddr sockaddr) error {
	remote, ok := matchIPFamily(fd.family, raddr).(*TCPAddr)
	if !ok {
		return syscall.EAFNOSUPPORT
	}
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
	fd.setAddr(krewAddress(fd.pfd.Sysfd, krewSockLocal), remote)
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
