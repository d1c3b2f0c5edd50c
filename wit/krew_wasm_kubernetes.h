/*
 * The Kubernetes cluster that the plugin's user has chosen, for modules of WASI preview1: C, C++, Go, Rust for
 * wasm32-wasip1. Components have wit/kubernetes.wit.
 *
 * The host connects as the user: it adds the user's credentials to each request and checks the server's certificate.
 *
 * What these functions give are file descriptors of WASI: read() and write() move their bytes, poll() waits for several
 * of them, close() gives them up and with them what they stand for. With KREW_NONBLOCK nothing waits: what would,
 * fails with EAGAIN, and poll() tells when to try again. Without it functions wait as read() does.
 *
 * Each function returns 0, or an errno of WASI (as in <wasi/api.h> and <errno.h>):
 *
 *   EACCES     the plugin may not go there           EAGAIN     it would wait (KREW_NONBLOCK)
 *   EINVAL     what was asked is malformed           EOVERFLOW  the buffer is too small: *used tells how large it must be
 *   EPERM      the user's credentials can't be had   EPIPE      the other side has closed
 *   EIO        the server can't be reached, or the connection broke; failure() has words for it
 *   ENODEV     there is no cluster                   ENOTSOCK   the descriptor is none of these
 *
 * Texts are UTF-8 with their length, and need no NUL. Headers are `name: value` lines, each ended by a newline.
 * `Authorization`, `Host`, `Impersonate-...` and what belongs to the connection are the host's: dropped.
 */
#ifndef KREW_WASM_KUBERNETES_H
#define KREW_WASM_KUBERNETES_H

#include <stddef.h>
#include <stdint.h>

#define KREW_IMPORT(name) \
  __attribute__((import_module("krew_wasm_kubernetes"), import_name(#name)))

enum {
  KREW_NONBLOCK = 1, /* nothing on the descriptor waits */
  KREW_BODY = 2,     /* request: the body follows on the descriptor of krew_upload */
  KREW_WRITE = 4,    /* channel: to write to it */
  KREW_ALL = 256,    /* channel: all bytes of the connection, where its protocol has no channels */
};

/* Which cluster this is: context, server and namespace, each ended by a NUL. No request is made. */
KREW_IMPORT(current) int krew_current(char *buffer, size_t size, size_t *used);

/*
 * Starts a request. `path` and query are below the API server's URL: /api/v1/namespaces/default/pods?watch=true.
 *
 * *fd can be polled and read: first its head is there, then its body as it comes. Closing it ends the request.
 */
KREW_IMPORT(request) int krew_request(
    const char *method, size_t method_length, const char *path, size_t path_length, const char *headers,
    size_t headers_length, const void *body, size_t body_length, uint32_t flags, int *fd);

/* Where to write the body of a request with KREW_BODY; closing it ends the body. */
KREW_IMPORT(upload) int krew_upload(int fd, uint32_t flags, int *upload);

/*
 * Asks for a WebSocket: exec, attach, port-forward, and what Services speak behind the API server's proxy.
 * `protocols` are separated by commas, the most wanted first: "v5.channel.k8s.io", "SPDY/3.1+portforward.k8s.io".
 *
 * The head of *fd has the status 101; any other is the server's refusal, whose body, commonly a Status, can be read.
 */
KREW_IMPORT(upgrade) int krew_upgrade(
    const char *path, size_t path_length, const char *headers, size_t headers_length, const char *protocols,
    size_t protocols_length, uint32_t flags, int *fd);

/* The head of an answer: its status, and a line for each header, each ended by a newline: "200\ncontent-type: ...\n". */
KREW_IMPORT(head) int krew_head(int fd, char *buffer, size_t size, size_t *used);

/* A sentence for people about what failed on a descriptor, or on a channel of it, without a NUL; with -1, of krew_current. */
KREW_IMPORT(failure) int krew_failure(int fd, char *buffer, size_t size, size_t *used);

/*
 * A channel of an upgraded connection, to read, or with KREW_WRITE to write. Of exec and attach, 0 is stdin, 1 stdout,
 * 2 stderr, 3 a Status in JSON with the exit code, 4 takes {"Width":80,"Height":24}. Closing one that is written to
 * closes the channel (from v5 on).
 *
 * What is not read waits at the server, for all channels together: open those that were asked for, close the unwanted.
 */
KREW_IMPORT(channel) int krew_channel(int fd, uint32_t channel, uint32_t flags, int *opened);

/* The next message of an upgraded connection, instead of channels. A too small buffer leaves the message. EPIPE: the end. */
KREW_IMPORT(receive) int krew_receive(int fd, void *buffer, size_t size, size_t *used, uint32_t *text);

/* Sends a message, at most 16 MiB. */
KREW_IMPORT(send) int krew_send(int fd, uint32_t text, const void *data, size_t length);

/* Tells the server that it is over: code 1000, or 3000 to 4999, and at most 123 bytes of reason. */
KREW_IMPORT(close) int krew_close(int fd, uint32_t code, const char *reason, size_t length);

#endif
