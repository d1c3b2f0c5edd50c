//go:build wasip1

// Package krewwasm reaches the Kubernetes cluster of whoever runs the plugin, through krew-wasm's host, which adds the
// user's credentials. Copy it into your plugin; it needs nothing but Go's own packages.
//
// What the host hands out are file descriptors that are read, written and waited for like any other: a call that waits
// for the network parks its goroutine, the others go on.
package krewwasm

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// The contract of these functions is wit/krew_wasm_kubernetes.h. Each returns an errno of WASI.

//go:wasmimport krew_wasm_kubernetes current
//go:noescape
func hostCurrent(buffer unsafe.Pointer, size uint32, used *uint32) uint32

//go:wasmimport krew_wasm_kubernetes request
//go:noescape
func hostRequest(method, path, headers string, body unsafe.Pointer, length uint32, flags uint32, fd *int32) uint32

//go:wasmimport krew_wasm_kubernetes upload
//go:noescape
func hostUpload(fd int32, flags uint32, upload *int32) uint32

//go:wasmimport krew_wasm_kubernetes upgrade
//go:noescape
func hostUpgrade(path, headers, protocols string, flags uint32, fd *int32) uint32

//go:wasmimport krew_wasm_kubernetes head
//go:noescape
func hostHead(fd int32, buffer unsafe.Pointer, size uint32, used *uint32) uint32

//go:wasmimport krew_wasm_kubernetes failure
//go:noescape
func hostFailure(fd int32, buffer unsafe.Pointer, size uint32, used *uint32) uint32

//go:wasmimport krew_wasm_kubernetes channel
//go:noescape
func hostChannel(fd int32, channel uint32, flags uint32, opened *int32) uint32

const (
	nonblock = 1
	withBody = 2
	forWrite = 4

	overflow = syscall.Errno(61)
)

// filled calls a function of the host's that fills a buffer, until the buffer is large enough.
func filled(call func(buffer unsafe.Pointer, size uint32, used *uint32) uint32) ([]byte, syscall.Errno) {
	for size := 4096; ; {
		buffer := make([]byte, size)
		var used uint32
		errno := syscall.Errno(call(unsafe.Pointer(&buffer[0]), uint32(size), &used))
		if errno != overflow {
			return buffer[:min(int(used), size)], errno
		}
		size = int(used)
	}
}

// Error is why there is no answer: a sentence for people, and the errno behind it.
type Error struct {
	Message string
	Errno   syscall.Errno
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Errno }

// failed asks the host why.
func failed(fd int32, errno syscall.Errno) error {
	text, _ := filled(func(buffer unsafe.Pointer, size uint32, used *uint32) uint32 {
		return hostFailure(fd, buffer, size, used)
	})
	if len(text) == 0 {
		return errno
	}
	return &Error{Message: string(text), Errno: errno}
}

// Cluster is which cluster requests go to.
type Cluster struct {
	// Context of the kubeconfig; empty inside a Pod.
	Context string
	// Server is the API server's URL.
	Server string
	// Namespace to use where the user named none otherwise: -n, else the context's, else default.
	Namespace string
}

// Current tells which cluster the user has chosen. No request is made.
func Current() (Cluster, error) {
	text, errno := filled(hostCurrent)
	if errno != 0 {
		return Cluster{}, failed(-1, errno)
	}
	parts := strings.SplitN(string(text), "\x00", 4)
	if len(parts) < 3 {
		return Cluster{}, errors.New("krew-wasm told of no cluster")
	}
	return Cluster{Context: parts[0], Server: parts[1], Namespace: parts[2]}, nil
}

// exchange is a request and what comes of it: its head, then its body.
type exchange struct{ file *os.File }

func opened(fd int32, name string) *os.File {
	return os.NewFile(uintptr(fd), name)
}

// head waits for the answer: its status, and its headers a line each.
func (e exchange) head() (status int, lines []string, err error) {
	raw, err := e.file.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var text []byte
	var answer error
	err = raw.Read(func(fd uintptr) bool {
		var errno syscall.Errno
		text, errno = filled(func(buffer unsafe.Pointer, size uint32, used *uint32) uint32 {
			return hostHead(int32(fd), buffer, size, used)
		})
		if errno == syscall.EAGAIN {
			return false // the poller waits, and calls again
		}
		if errno != 0 {
			answer = failed(int32(fd), errno)
		}
		return true
	})
	if err = errors.Join(err, answer); err != nil {
		return 0, nil, err
	}
	lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if _, err := fmt.Sscanf(lines[0], "%d", &status); err != nil {
		return 0, nil, fmt.Errorf("krew-wasm told no status: %q", lines[0])
	}
	return status, lines[1:], nil
}

// derived opens a descriptor on that of the exchange, which can't be closed and reused meanwhile.
func (e exchange) derived(name string, call func(fd int32, opened *int32) uint32) (*os.File, error) {
	raw, err := e.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int32
	var errno syscall.Errno
	if err := raw.Control(func(of uintptr) { errno = syscall.Errno(call(int32(of), &fd)) }); err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, errno
	}
	return opened(fd, name), nil
}

// upload opens where the request's body is written to.
func (e exchange) upload(name string) (*os.File, error) {
	return e.derived(name, func(fd int32, opened *int32) uint32 { return hostUpload(fd, nonblock, opened) })
}
