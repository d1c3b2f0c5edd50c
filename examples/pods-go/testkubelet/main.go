//go:build !wasip1

// The kubelet's side of port-forward and exec, for tests: SPDY/3.1 on each TCP connection from the API server's tunnel.
// It echoes data in capitals, after the port's number. A command in a container echoes its input in capitals.
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
		streams := container{}
		go connection.Serve(func(stream *spdystream.Stream) {
			if stream.Headers().Get("port") != "" {
				go serve(stream)
			} else if streams.add(stream) {
				go streams.run()
			}
		})
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

// container holds the streams of one command by their types. They come in this order: error, stdin, stdout, stderr.
type container map[string]*spdystream.Stream

// add keeps a stream. It reports whether the command can run.
func (c container) add(stream *spdystream.Stream) bool {
	stream.SendReply(http.Header{}, false)
	kind := stream.Headers().Get("streamType")
	c[kind] = stream
	return kind == "stderr"
}

func (c container) run() {
	text := []byte("no input\n")
	if stdin := c["stdin"]; stdin != nil {
		text, _ = io.ReadAll(stdin)
	}
	c["stdout"].Write(bytes.ToUpper(text))
	c["stdout"].Close()
	io.WriteString(c["stderr"], "to stderr\n")
	c["stderr"].Close()
	io.WriteString(c["error"], `{"metadata":{},"status":"Success"}`)
	c["error"].Close()
}
