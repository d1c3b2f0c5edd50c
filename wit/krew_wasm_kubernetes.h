/*
 * The Kubernetes cluster that the user has chosen, for modules of WASI preview1: C, C++, Go, Rust for wasm32-wasip1.
 * Components use wit/kubernetes.wit.
 *
 * The host connects as the user: it adds the user's credentials to each request and checks the server's certificate.
 *
 * These functions return file descriptors of WASI. read() and write() transfer bytes, poll() waits for several
 * descriptors, and close() ends the request or connection. With KREW_NONBLOCK, a call that would wait fails with EAGAIN,
 * and poll() reports when to try again. Without it, calls wait like read().
 *
 * Each function returns 0, or an errno of WASI (as in <wasi/api.h> and <errno.h>):
 *
 *   EACCES     the grants refuse the request         EAGAIN     the call would wait (KREW_NONBLOCK)
 *   EINVAL     an argument is malformed              EOVERFLOW  the buffer is too small; *used has the required size
 *   EPERM      the host has no credentials           EPIPE      the other side has closed
 *   EIO        the server can't be reached, or the connection broke; krew_failure() has a message
 *   ENODEV     there is no cluster                   ENOTSOCK   the descriptor is not from these functions
 *
 * Texts are UTF-8 with a length, and need no NUL. Headers are lines `name: value`, each ended by a newline. The host
 * drops `Authorization`, `Host`, `Impersonate-...` and headers of the connection, and sets its own.
 */
#ifndef KREW_WASM_KUBERNETES_H
#define KREW_WASM_KUBERNETES_H

#include <stddef.h>
#include <stdint.h>

#define KREW_IMPORT(name) \
  __attribute__((import_module("krew_wasm_kubernetes"), import_name(#name)))

enum {
  KREW_NONBLOCK = 1, /* no call on the descriptor waits */
  KREW_BODY = 2,     /* request: the body follows on the descriptor of krew_upload */
  KREW_WRITE = 4,    /* channel: open it for writing */
  KREW_ALL = 256,    /* channel: all bytes of the connection, if its protocol has no channels */
};

/* Returns context, server and namespace, each ended by a NUL. Sends no request. */
KREW_IMPORT(current) int krew_current(char *buffer, size_t size, size_t *used);

/*
 * Starts a request. `path` and query are below the API server's URL: /api/v1/namespaces/default/pods?watch=true.
 *
 * *fd can be polled and read: first the response's head, then its body, streamed. Closing it aborts the request.
 */
KREW_IMPORT(request) int krew_request(
    const char *method, size_t method_length, const char *path, size_t path_length, const char *headers,
    size_t headers_length, const void *body, size_t body_length, uint32_t flags, int *fd);

/* Opens a descriptor for the body of a request with KREW_BODY. Closing it ends the body. */
KREW_IMPORT(upload) int krew_upload(int fd, uint32_t flags, int *upload);

/*
 * Asks for a WebSocket: exec, attach, port-forward, and WebSockets of Services behind the API server's proxy.
 * `protocols` is comma-separated, in order of preference: "v5.channel.k8s.io", "SPDY/3.1+portforward.k8s.io".
 *
 * On success, the head of *fd has the status 101. Another status is the server's refusal. Its body is usually a Status.
 */
KREW_IMPORT(upgrade) int krew_upgrade(
    const char *path, size_t path_length, const char *headers, size_t headers_length, const char *protocols,
    size_t protocols_length, uint32_t flags, int *fd);

/* Returns the head of a response: status and headers, one a line, each ended by a newline: "200\ncontent-type: ...\n". */
KREW_IMPORT(head) int krew_head(int fd, char *buffer, size_t size, size_t *used);

/* Returns a message for people about the failure on a descriptor or one of its channels, without a NUL; -1: krew_current. */
KREW_IMPORT(failure) int krew_failure(int fd, char *buffer, size_t size, size_t *used);

/*
 * Opens a channel of an upgraded connection for reading, or with KREW_WRITE for writing. For exec and attach, 0 is
 * stdin, 1 is stdout, 2 is stderr, 3 is a Status in JSON with the exit code, and 4 takes {"Width":80,"Height":24}. From
 * v5 on, closing a descriptor for writing closes the channel.
 *
 * Unread data of one channel blocks all channels. So open every channel that the request asked for, and close those
 * that you do not need.
 */
KREW_IMPORT(channel) int krew_channel(int fd, uint32_t channel, uint32_t flags, int *opened);

/* Returns the next message of a connection without channels. If the buffer is too small, the message stays. EPIPE: end. */
KREW_IMPORT(receive) int krew_receive(int fd, void *buffer, size_t size, size_t *used, uint32_t *text);

/* Sends a message, at most 16 MiB. */
KREW_IMPORT(send) int krew_send(int fd, uint32_t text, const void *data, size_t length);

/* Closes the connection with a code (1000, or 3000 to 4999) and a reason of at most 123 bytes. */
KREW_IMPORT(close) int krew_close(int fd, uint32_t code, const char *reason, size_t length);

#endif
