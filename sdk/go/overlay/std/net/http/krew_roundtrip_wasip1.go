// Package http, for plugins of krew-wasm: every Transport reaches the API server of the user's kubeconfig through the
// host, which adds the user's credentials and its own TLS. The contract is wit/krew_wasm_kubernetes.h.

package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

//go:wasmimport krew_wasm_kubernetes current
//go:noescape
func krewCurrent(buffer unsafe.Pointer, size uint32, used *uint32) uint32

//go:wasmimport krew_wasm_kubernetes request
//go:noescape
func krewRequest(method, path, headers string, body unsafe.Pointer, length uint32, flags uint32, fd *int32) uint32

//go:wasmimport krew_wasm_kubernetes upload
//go:noescape
func krewUpload(fd int32, flags uint32, upload *int32) uint32

//go:wasmimport krew_wasm_kubernetes head
//go:noescape
func krewHead(fd int32, buffer unsafe.Pointer, size uint32, used *uint32) uint32

//go:wasmimport krew_wasm_kubernetes failure
//go:noescape
func krewFailure(fd int32, buffer unsafe.Pointer, size uint32, used *uint32) uint32

const (
	krewNonblock = 1
	krewBody     = 2
	krewOverflow = syscall.Errno(61)
	// krewWhole is the largest body that is sent in one piece, in bytes.
	krewWhole = 1 << 20
)

// RoundTrip implements the [RoundTripper] interface.
func (t *Transport) RoundTrip(req *Request) (*Response, error) {
	if t == nil {
		panic("transport is nil")
	}
	t.nextProtoOnce.Do(t.onceSetNextProtoDefaults)
	fail := func(err error) (*Response, error) {
		req.closeBody()
		return nil, err
	}
	if req.URL == nil {
		return fail(errors.New("http: nil Request.URL"))
	}
	if req.Header == nil {
		return fail(errors.New("http: nil Request.Header"))
	}
	if alternative := t.alternateRoundTripper(req); alternative != nil {
		if response, err := alternative.RoundTrip(req); err != ErrSkipAltProtocol {
			return response, err
		}
	}
	if err := krewCheck(req); err != nil {
		return fail(err)
	}
	if req.Context().Err() != nil {
		return fail(krewCause(req.Context(), req))
	}
	path, err := krewPath(req.URL)
	if err != nil {
		return fail(err)
	}
	return t.krewSend(req, path)
}

// krewCheck refuses what Transport refuses before it dials.
func krewCheck(req *Request) error {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return badStringError("unsupported protocol scheme", req.URL.Scheme)
	}
	if err := validateHeaders(req.Header); err != "" {
		return fmt.Errorf("net/http: invalid header %s", err)
	}
	if req.Method != "" && !validMethod(req.Method) {
		return fmt.Errorf("net/http: invalid method %q", req.Method)
	}
	if req.URL.Host == "" {
		return errors.New("http: no Host in request URL")
	}
	return nil
}

// krewPath is the path of a URL below the API server's.
func krewPath(asked *url.URL) (string, error) {
	text, errno := krewFilled(krewCurrent)
	if errno != 0 {
		return "", krewFailed(-1, errno, asked.Host)
	}
	parts := strings.SplitN(string(text), "\x00", 4)
	if len(parts) < 3 {
		return "", errors.New("krew-wasm: the host named no cluster")
	}
	server, err := url.Parse(parts[1])
	if err != nil {
		return "", err
	}
	path, below := strings.CutPrefix(asked.RequestURI(), strings.TrimSuffix(server.EscapedPath(), "/"))
	if krewOrigin(asked) != krewOrigin(server) || !below || !strings.HasPrefix(path, "/") {
		return "", &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf(
			"%s: krew-wasm: plugins reach only the API server, %s", asked.Host, parts[1])}
	}
	return path, nil
}

func krewOrigin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func (t *Transport) krewSend(req *Request, path string) (*Response, error) {
	whole, stream, err := krewBodyOf(req)
	if err != nil {
		return nil, err
	}
	flags := uint32(krewNonblock)
	if stream != nil {
		flags |= krewBody
	}
	var fd int32
	errno := syscall.Errno(krewRequest(valueOrDefault(req.Method, "GET"), path, krewHeaders(req),
		unsafe.Pointer(unsafe.SliceData(whole)), uint32(len(whole)), flags, &fd))
	if errno != 0 {
		if stream != nil {
			stream.Close()
		}
		return nil, os.NewSyscallError("request", errno)
	}
	file := os.NewFile(uintptr(fd), path)
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(ctx, func() { file.Close() })
	if req.Cancel != nil {
		go func() {
			select {
			case <-req.Cancel:
				cancel(errRequestCanceled)
			case <-ctx.Done():
			}
		}()
	}
	end := func() {
		stop()
		file.Close()
		cancel(nil)
	}
	fail := func(err error) (*Response, error) {
		if ctx.Err() != nil {
			err = krewCause(ctx, req)
		} else if err == context.DeadlineExceeded {
			krewAwaitCancel(req) // the host keeps --request-timeout, as the Client does
		}
		end()
		return nil, err
	}
	if stream != nil {
		if err := krewSendBody(file, stream); err != nil {
			return fail(err)
		}
	}
	if t.ResponseHeaderTimeout > 0 {
		timer := time.AfterFunc(t.ResponseHeaderTimeout, func() { file.SetReadDeadline(time.Unix(1, 0)) })
		defer timer.Stop()
	}
	status, lines, err := krewWaitForHead(file, req.URL.Host)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errTimeout
	}
	if err != nil {
		return fail(err)
	}
	response := &Response{
		Status:        strconv.Itoa(status) + " " + StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        Header{},
		ContentLength: -1,
		Request:       req,
		Body:          &krewBodyReader{file: file, end: end, ctx: ctx},
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		response.Header.Add(name, value)
	}
	if length, err := strconv.ParseInt(response.Header.Get("Content-Length"), 10, 64); err == nil {
		response.ContentLength = length
	}
	if req.Method == "HEAD" || status == StatusNoContent || status == StatusNotModified {
		response.Body.Close()
		response.Body = NoBody
	}
	return response, nil
}

// krewCause is why a request was cancelled. A Client with a timeout cancels a wrapped Transport in two ways, and names
// its timeout in the error only if the second, Request.Cancel, has come by then.
func krewCause(ctx context.Context, req *Request) error {
	if ctx.Err() == context.DeadlineExceeded {
		krewAwaitCancel(req)
	}
	return context.Cause(ctx)
}

func krewAwaitCancel(req *Request) {
	if req.Cancel != nil {
		select {
		case <-req.Cancel:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// krewBodyOf reads a small body; a large one, or one of unknown size, is sent as it comes.
func krewBodyOf(req *Request) ([]byte, io.ReadCloser, error) {
	if req.Body == nil || req.Body == NoBody {
		return nil, nil, nil
	}
	if req.ContentLength <= 0 || req.ContentLength > krewWhole {
		return nil, req.Body, nil
	}
	defer req.Body.Close()
	var buffer bytes.Buffer
	_, err := buffer.ReadFrom(io.LimitReader(req.Body, req.ContentLength+1))
	if err == nil && int64(buffer.Len()) != req.ContentLength {
		err = fmt.Errorf("http: ContentLength=%d with Body length %d", req.ContentLength, buffer.Len())
	}
	return buffer.Bytes(), nil, err
}

// krewSendBody copies a body to the host beside what the caller does.
func krewSendBody(file *os.File, stream io.ReadCloser) error {
	raw, err := file.SyscallConn()
	if err != nil {
		stream.Close()
		return err
	}
	var upload int32
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) {
		errno = syscall.Errno(krewUpload(int32(fd), krewNonblock, &upload))
	}); err != nil || errno != 0 {
		stream.Close()
		return errors.Join(err, os.NewSyscallError("upload", errno))
	}
	sink := os.NewFile(uintptr(upload), "body")
	go func() {
		defer stream.Close()
		_, err := io.Copy(sink, stream)
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			file.Close() // a body that is cut short must not look whole
		}
		sink.Close()
	}()
	return nil
}

func krewHeaders(req *Request) string {
	var lines strings.Builder
	for name, values := range req.Header {
		for _, value := range values {
			lines.WriteString(name + ": " + value + "\n")
		}
	}
	if req.Header.Get("User-Agent") == "" {
		if _, set := req.Header["User-Agent"]; !set {
			lines.WriteString("User-Agent: " + defaultUserAgent + "\n")
		}
	}
	return lines.String()
}

// krewWaitForHead waits for the answer: its status, and its headers a line each.
func krewWaitForHead(file *os.File, host string) (status int, lines []string, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var text []byte
	var answer error
	err = raw.Read(func(fd uintptr) bool {
		var errno syscall.Errno
		text, errno = krewFilled(func(buffer unsafe.Pointer, size uint32, used *uint32) uint32 {
			return krewHead(int32(fd), buffer, size, used)
		})
		if errno == syscall.EAGAIN {
			return false // the poller waits, and calls again
		}
		if errno != 0 {
			answer = krewFailed(int32(fd), errno, host)
		}
		return true
	})
	if err == nil {
		err = answer
	}
	if err != nil {
		return 0, nil, err
	}
	lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	status, err = strconv.Atoi(lines[0])
	return status, lines[1:], err
}

// krewFilled calls a function that fills a buffer, until the buffer is large enough.
func krewFilled(call func(buffer unsafe.Pointer, size uint32, used *uint32) uint32) ([]byte, syscall.Errno) {
	for size := 4096; ; {
		buffer := make([]byte, size)
		var used uint32
		errno := syscall.Errno(call(unsafe.Pointer(&buffer[0]), uint32(size), &used))
		if errno != krewOverflow {
			return buffer[:min(int(used), size)], errno
		}
		size = int(used)
	}
}

// krewFailed is why the host has no answer, as the error that net/http gives for it: programs match those.
func krewFailed(fd int32, errno syscall.Errno, host string) error {
	text, _ := krewFilled(func(buffer unsafe.Pointer, size uint32, used *uint32) uint32 {
		return krewFailure(fd, buffer, size, used)
	})
	words := string(text)
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: krewAddr(host), Err: err}
	}
	switch {
	case words == "":
		return errno
	case strings.HasSuffix(words, ": connection refused"):
		return dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case strings.HasSuffix(words, ": its name can't be resolved"):
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}}
	case strings.HasSuffix(words, ": the server reset the connection"):
		return &net.OpError{Op: "read", Net: "tcp", Addr: krewAddr(host),
			Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	case strings.HasSuffix(words, ": the server closed the connection without an answer"):
		return io.EOF
	case strings.Contains(words, ": its certificate is signed by an authority that the kubeconfig does not name"):
		return &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	case strings.HasSuffix(words, ": no answer within --request-timeout"):
		return context.DeadlineExceeded
	case strings.HasSuffix(words, ": no way leads there from this network"):
		return dial(os.NewSyscallError("connect", syscall.ENETUNREACH))
	}
	if _, why, found := strings.Cut(words, ": its certificate "); found {
		return krewCertificateError(why)
	}
	return errors.New(words)
}

// krewCertificateError is what crypto/tls says of a certificate that the host did not accept.
func krewCertificateError(why string) error {
	why, _, _ = strings.Cut(why, " (") // a hint for people
	var err error = errors.New("x509: certificate " + why)
	if list, found := strings.CutPrefix(why, "is for "); found {
		names, asked, _ := strings.Cut(list, ", not for ")
		certificate := &x509.Certificate{}
		for _, name := range strings.Split(names, ", ") {
			if address := net.ParseIP(name); address != nil {
				certificate.IPAddresses = append(certificate.IPAddresses, address)
			} else {
				certificate.DNSNames = append(certificate.DNSNames, name)
			}
		}
		err = x509.HostnameError{Certificate: certificate, Host: asked}
	} else if strings.HasPrefix(why, "expired") || strings.HasPrefix(why, "is not valid yet") {
		err = x509.CertificateInvalidError{Reason: x509.Expired, Detail: "it " + why}
	}
	return &tls.CertificateVerificationError{Err: err}
}

type krewAddr string

func (krewAddr) Network() string  { return "tcp" }
func (a krewAddr) String() string { return string(a) }

// krewBodyReader is what an answer brings, as it comes.
type krewBodyReader struct {
	file *os.File
	end  func()
	ctx  context.Context
}

func (b *krewBodyReader) Read(into []byte) (int, error) {
	n, err := b.file.Read(into)
	if err != nil && err != io.EOF {
		cause := context.Cause(b.ctx)
		if cause == context.Canceled && errors.Is(err, os.ErrClosed) {
			return n, errReadOnClosedResBody
		}
		if cause != nil {
			return n, cause
		}
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *krewBodyReader) Close() error {
	b.end()
	return nil
}
