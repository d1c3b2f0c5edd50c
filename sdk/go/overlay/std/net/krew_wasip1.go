// Package net, for plugins of krew-wasm: why a connection that the program opens itself fails. HTTP has its own way to
// the API server, in package net/http.

package net

import (
	"errors"
	"syscall"
)

// noConnections is why.
type noConnections struct{}

func (noConnections) Error() string {
	return "krew-wasm: plugins reach the API server by HTTP requests, and open no connections of their own"
}

func (noConnections) Unwrap() error { return syscall.ENOTSUP }

// krewConnect explains a connection that nobody within the program listens for.
func krewConnect(err error) error {
	const refused = "connection refused"
	address, ok := err.(*AddrError)
	worded := ok && len(address.Err) >= len(refused) && address.Err[len(address.Err)-len(refused):] == refused
	if worded || errors.Is(err, syscall.ECONNREFUSED) {
		return noConnections{}
	}
	return err
}
