//go:build wasip1

package krewwasm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Transport is an http.RoundTripper to the cluster's API server. It ignores the host of the URL. For client-go:
//
//	config := &rest.Config{Host: "http://cluster", Transport: krewwasm.Transport{}}
type Transport struct{}

// maxWhole is the maximum size of a body that is sent in one piece.
const maxWhole = 1 << 20

// RoundTrip sends a request and waits for the response's head. The body is a stream. Closing it, or canceling the
// request's context, closes the connection.
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	path, headers := request.URL.RequestURI(), headerLines(request.Header)
	whole, stream, err := bodyOf(request)
	if err != nil {
		return nil, err
	}
	flags := uint32(nonblock)
	if stream != nil {
		flags |= withBody
	}
	var fd int32
	errno := syscall.Errno(
		hostRequest(request.Method, path, headers, pointer(whole), uint32(len(whole)), flags, &fd),
	)
	if errno != 0 {
		return nil, fmt.Errorf("%s %s: %w", request.Method, path, errno)
	}
	e := exchange{opened(fd, path)}
	stop := context.AfterFunc(request.Context(), func() { e.file.Close() })
	fail := func(err error) (*http.Response, error) {
		stop()
		e.file.Close()
		if cause := request.Context().Err(); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	if stream != nil {
		sink, err := e.upload(path)
		if err != nil {
			return fail(err)
		}
		go func() {
			defer stream.Close()
			if _, err := io.Copy(sink, stream); err != nil {
				e.file.Close() // an incomplete body must not look complete
			}
			sink.Close()
		}()
	}
	status, lines, err := e.head()
	if err != nil {
		return fail(err)
	}
	response := &http.Response{
		Status:        fmt.Sprintf("%d %s", status, http.StatusText(status)),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{},
		ContentLength: -1,
		Request:       request,
		Body:          &body{file: e.file, stop: stop, ctx: request.Context()},
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		response.Header.Add(name, value)
	}
	if length, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64); err == nil {
		response.ContentLength = length
	}
	return response, nil
}

// bodyOf reads a small body. A body that is large or of unknown size is streamed.
func bodyOf(request *http.Request) ([]byte, io.ReadCloser, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return nil, nil, nil
	}
	if request.ContentLength < 0 || request.ContentLength > maxWhole {
		return nil, request.Body, nil
	}
	defer request.Body.Close()
	var buffer bytes.Buffer
	_, err := buffer.ReadFrom(request.Body)
	return buffer.Bytes(), nil, err
}

func headerLines(header http.Header) string {
	var lines strings.Builder
	for name, values := range header {
		for _, value := range values {
			fmt.Fprintf(&lines, "%s: %s\n", name, value)
		}
	}
	return lines.String()
}

func pointer(b []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(b))
}

// body is the response's body, streamed.
type body struct {
	file *os.File
	stop func() bool
	ctx  context.Context
}

func (b *body) Read(into []byte) (int, error) {
	n, err := b.file.Read(into)
	if err != nil && err != io.EOF {
		if cause := b.ctx.Err(); cause != nil {
			return n, cause
		}
	}
	return n, err
}

func (b *body) Close() error {
	b.stop()
	return b.file.Close()
}
