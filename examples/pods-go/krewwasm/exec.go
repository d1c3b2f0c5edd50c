//go:build wasip1

package krewwasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Connection is a connection that the API server upgraded to a WebSocket. Closing it closes its channels.
type Connection struct{ exchange }

// Upgrade asks for exec, attach, port-forward, or a WebSocket of a Service behind the API server's proxy. path includes
// the query. If the server refuses, the *Error has its message.
func Upgrade(ctx context.Context, path, protocols string) (*Connection, error) {
	var fd int32
	if errno := syscall.Errno(hostUpgrade(path, "", protocols, nonblock, &fd)); errno != 0 {
		return nil, errno
	}
	c := &Connection{exchange{opened(fd, path)}}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	status, _, err := c.head()
	if err == nil && status != 101 {
		text, _ := io.ReadAll(io.LimitReader(c.file, 1<<20))
		var answer struct{ Message string }
		if json.Unmarshal(text, &answer) != nil || answer.Message == "" {
			answer.Message = fmt.Sprintf("the API server answered %d", status)
		}
		err = &Error{Message: answer.Message, Errno: syscall.EACCES}
	}
	if err != nil {
		c.Close()
		return nil, errors.Join(ctx.Err(), err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Connection) Close() error { return c.file.Close() }

// Reader reads a channel to its end.
func (c *Connection) Reader(channel int) (io.ReadCloser, error) { return c.channel(channel, nonblock) }

// Writer writes to a channel. Closing it ends the channel.
func (c *Connection) Writer(channel int) (io.WriteCloser, error) {
	return c.channel(channel, nonblock|forWrite)
}

// allBytes is the pseudo-channel of a protocol without channels.
const allBytes = 256

func (c *Connection) channel(channel int, flags uint32) (*os.File, error) {
	return c.derived(fmt.Sprintf("channel %d", channel), func(fd int32, opened *int32) uint32 {
		return hostChannel(fd, uint32(channel), flags, opened)
	})
}

// Conn is the whole connection as one stream of bytes, such as port-forward's SPDY tunnel
// (SPDY/3.1+portforward.k8s.io), for k8s.io/apimachinery/pkg/util/httpstream/spdy.
func (c *Connection) Conn() (net.Conn, error) {
	in, err := c.channel(allBytes, nonblock)
	if err != nil {
		return nil, err
	}
	out, err := c.channel(allBytes, nonblock|forWrite)
	if err != nil {
		return nil, err
	}
	return &conn{c, in, out}, nil
}

type conn struct {
	connection *Connection
	in, out    *os.File
}

func (c *conn) Read(b []byte) (int, error)         { return c.in.Read(b) }
func (c *conn) Write(b []byte) (int, error)        { return c.out.Write(b) }
func (c *conn) LocalAddr() net.Addr                { return address{} }
func (c *conn) RemoteAddr() net.Addr               { return address{} }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.SetWriteDeadline(t) }
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *conn) Close() error {
	return errors.Join(c.out.Close(), c.in.Close(), c.connection.Close())
}

type address struct{}

func (address) Network() string { return "krew-wasm" }
func (address) String() string  { return "cluster" }

// Command is a command to run in a container.
type Command struct {
	Namespace, Pod, Container string
	Words                     []string
	Stdin                     io.Reader // nil for none
	Stdout, Stderr            io.Writer
}

// Exec runs a command and returns its exit code.
func Exec(ctx context.Context, command Command) (int, error) {
	query := url.Values{"command": command.Words, "stdout": {"true"}, "stderr": {"true"}}
	if command.Container != "" {
		query.Set("container", command.Container)
	}
	if command.Stdin != nil {
		query.Set("stdin", "true")
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/exec?%s",
		url.PathEscape(command.Namespace), url.PathEscape(command.Pod), query.Encode())
	c, err := Upgrade(ctx, path, "v5.channel.k8s.io, v4.channel.k8s.io")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if command.Stdin != nil {
		stdin, err := c.Writer(0)
		if err != nil {
			return 0, err
		}
		go func() {
			io.Copy(stdin, command.Stdin)
			stdin.Close()
		}()
	}
	var wait sync.WaitGroup
	failures := make([]error, 3)
	var status statusText
	for channel, to := range []io.Writer{command.Stdout, command.Stderr, &status} {
		from, err := c.Reader(channel + 1)
		if err != nil {
			return 0, err
		}
		wait.Go(func() { _, failures[channel] = io.Copy(to, from) })
	}
	wait.Wait()
	if err := errors.Join(ctx.Err(), errors.Join(failures...)); err != nil {
		return 0, err
	}
	return status.exitCode()
}

// statusText collects the Status on the error channel.
type statusText []byte

func (s *statusText) Write(b []byte) (int, error) {
	*s = append(*s, b...)
	return len(b), nil
}

func (s statusText) exitCode() (int, error) {
	var status struct {
		Status, Message string
		Details         struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(s, &status); err != nil {
		return 0, fmt.Errorf("the command ended without saying how: %w", err)
	}
	if status.Status == "Success" {
		return 0, nil
	}
	for _, cause := range status.Details.Causes {
		if cause.Reason == "ExitCode" {
			return strconv.Atoi(cause.Message)
		}
	}
	return 0, errors.New(status.Message)
}
