//go:build !wasip1

// The kubelet's side of port-forward, for tests: SPDY/3.1 on each TCP connection from the API server's tunnel. It echoes
// data in capitals, after the port's number.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/moby/spdystream"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		connection, err := spdystream.NewConnection(conn, true)
		if err != nil {
			log.Print(err)
			continue
		}
		// The handler runs in the goroutine that reads frames, so it must not wait for one.
		go connection.Serve(func(stream *spdystream.Stream) { go serve(stream) })
	}
}

func serve(stream *spdystream.Stream) {
	if err := stream.SendReply(http.Header{}, false); err != nil {
		return
	}
	headers := stream.Headers()
	if headers.Get("streamType") != "data" {
		stream.Close() // the error stream: there is no error
		return
	}
	text, _ := io.ReadAll(stream)
	fmt.Fprintf(stream, "port %s: %s", headers.Get("port"), bytes.ToUpper(text))
	stream.Close()
}
