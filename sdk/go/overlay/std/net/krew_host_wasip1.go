// Package net, for plugins of krew-wasm: the host's socket functions. They are those that WasmEdge added to preview1:
// https://github.com/WasmEdge/WasmEdge lib/host/wasi/wasifunc.cpp

package net

import (
	"syscall"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 sock_open
//go:noescape
func krewSockOpen(family, kind int32, fd *int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_bind
//go:noescape
func krewSockBind(fd int32, address unsafe.Pointer, port int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_listen
func krewSockListen(fd, backlog int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_connect
//go:noescape
func krewSockConnect(fd int32, address unsafe.Pointer, port int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getsockopt
//go:noescape
func krewSockOption(fd, level, name int32, value *int32, size *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getlocaladdr
//go:noescape
func krewSockLocal(fd int32, address unsafe.Pointer, port *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getpeeraddr
//go:noescape
func krewSockPeer(fd int32, address unsafe.Pointer, port *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getaddrinfo
//go:noescape
func krewSockLookup(name unsafe.Pointer, nameSize uint32, service unsafe.Pointer, serviceSize uint32,
	hints, list unsafe.Pointer, most uint32, found *uint32) uint32

//go:wasmimport krew_wasm_kubernetes failure
//go:noescape
func krewFailure(fd int32, buffer unsafe.Pointer, size uint32, used *uint32) uint32

const (
	krewInet4  = 1
	krewInet6  = 2
	krewStream = 2

	krewSocketLevel = 0
	krewSocketError = 2
)

// krewBuffer is an address as the host takes it: where its bytes are, and how many. Of the 128 bytes the first two are
// the family.
type krewBuffer struct {
	data, size uint32
	bytes      [128]byte
}

func newKrewBuffer(ip IP) *krewBuffer {
	buffer := &krewBuffer{size: 128}
	buffer.data = krewPointer(unsafe.Pointer(&buffer.bytes))
	if ip4 := ip.To4(); ip4 != nil {
		buffer.bytes[0] = krewInet4
		copy(buffer.bytes[2:], ip4)
	} else {
		buffer.bytes[0] = krewInet6
		copy(buffer.bytes[2:], ip.To16())
	}
	return buffer
}

func (buffer *krewBuffer) ip() IP {
	size := IPv4len
	if buffer.bytes[0] == krewInet6 {
		size = IPv6len
	}
	return append(IP(nil), buffer.bytes[2:2+size]...)
}

// krewPointer is an address in the memory of 32 bits that the host sees.
func krewPointer(pointer unsafe.Pointer) uint32 { return uint32(uintptr(pointer)) }

// krewEnd asks the host for one end of a connection.
func krewEnd(fd int, ask func(int32, unsafe.Pointer, *uint32) uint32) *TCPAddr {
	buffer := newKrewBuffer(IPv4zero)
	var port uint32
	if ask(int32(fd), unsafe.Pointer(buffer), &port) != 0 {
		return &TCPAddr{}
	}
	return &TCPAddr{IP: buffer.ip(), Port: int(port)}
}

// krewError is the host's reason for an errno.
type krewError struct {
	words string
	errno syscall.Errno
}

func (e *krewError) Error() string   { return e.words }
func (e *krewError) Unwrap() error   { return e.errno }
func (e *krewError) Timeout() bool   { return e.errno.Timeout() }
func (e *krewError) Temporary() bool { return e.errno.Temporary() }

// krewReason is an errno with the host's words, if it has any for the descriptor.
func krewReason(call string, fd int, errno syscall.Errno) error {
	var buffer [1024]byte
	var used uint32
	if krewFailure(int32(fd), unsafe.Pointer(&buffer), uint32(len(buffer)), &used) != 0 || used == 0 {
		return wrapSyscallError(call, errno)
	}
	return &krewError{words: "krew-wasm: " + string(buffer[:min(int(used), len(buffer))]), errno: errno}
}
