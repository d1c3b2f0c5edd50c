//go:build wasip1

// Package krewwasm connects to the user's Kubernetes cluster through krew-wasm, which adds the user's credentials. Copy
// it into your plugin. It needs only Go's standard library.
//
// The host returns file descriptors, and Go's poller waits for them. So a call that waits for the network blocks only its
// goroutine.
package krewwasm

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// wit/krew_wasm_kubernetes.h documents these functions. Each returns an errno of WASI.

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

// filled calls a host function that fills a buffer, with larger buffers until the result fits.
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

// Error is the reason why there is no response: a message for people, and the errno.
type Error struct {
	Message string
	Errno   syscall.Errno
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Errno }

// failed asks the host for the reason.
func failed(fd int32, errno syscall.Errno) error {
	text, _ := filled(func(buffer unsafe.Pointer, size uint32, used *uint32) uint32 {
		return hostFailure(fd, buffer, size, used)
	})
	if len(text) == 0 {
		return errno
	}
	return &Error{Message: string(text), Errno: errno}
}

// Cluster is the cluster that receives the requests.
type Cluster struct {
	// Context of the kubeconfig; empty inside a Pod.
	Context string
	// Server is the API server's URL.
	Server string
	// Namespace is the default namespace: -n, else the context's, else default.
	Namespace string
}

// Current returns the user's cluster. It sends no request.
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

// exchange is a request and its response: first the head, then the body.
type exchange struct{ file *os.File }

func opened(fd int32, name string) *os.File {
	return os.NewFile(uintptr(fd), name)
}

// head waits for the response's head: the status, and the headers one a line.
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
			return false // the poller waits and calls again
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

// derived opens another descriptor of the exchange. The exchange's descriptor can't be closed and reused meanwhile.
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

// upload opens a descriptor for the request's body.
func (e exchange) upload(name string) (*os.File, error) {
	return e.derived(name, func(fd int32, opened *int32) uint32 { return hostUpload(fd, nonblock, opened) })
}
