package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/util/httpstream/spdy"

	"example.com/krew-wasm/pods-go/krewwasm"
)

// forward connects input and output to a port of a Pod, like kubectl port-forward with nc.
func forward(ctx context.Context, namespace, pod, port string, input io.Reader, output io.Writer) error {
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/portforward", url.PathEscape(namespace), url.PathEscape(pod))
	upgraded, err := krewwasm.Upgrade(ctx, path, "SPDY/3.1+portforward.k8s.io")
	if err != nil {
		return err
	}
	conn, err := upgraded.Conn()
	if err != nil {
		return err
	}
	connection, err := spdy.NewClientConnection(conn)
	if err != nil {
		return err
	}
	defer connection.Close()
	// Each connection to a port has two streams: errors as text, and data.
	headers := http.Header{"Streamtype": {"error"}, "Port": {port}, "Requestid": {"0"}}
	failures, err := connection.CreateStream(headers)
	if err != nil {
		return err
	}
	failures.Close() // the client sends nothing on it
	headers.Set("Streamtype", "data")
	data, err := connection.CreateStream(headers)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(data, input)
		data.Close()
	}()
	if _, err := io.Copy(output, data); err != nil {
		return err
	}
	message, err := io.ReadAll(failures)
	if err == nil && len(message) > 0 {
		err = errors.New(string(message))
	}
	return err
}
