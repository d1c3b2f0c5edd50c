// Package syscall, for plugins of krew-wasm: errors in Linux's words, which people know and programs match.

package syscall

var otherWords = map[Errno]string{
	EADDRNOTAVAIL:   "cannot assign requested address",
	EAFNOSUPPORT:    "address family not supported by protocol",
	EAGAIN:          "resource temporarily unavailable",
	EALREADY:        "operation already in progress",
	EBADF:           "bad file descriptor",
	EBADMSG:         "bad message",
	ECANCELED:       "operation canceled",
	ECONNABORTED:    "software caused connection abort",
	EDEADLK:         "resource deadlock avoided",
	EDOM:            "numerical argument out of domain",
	EDQUOT:          "disk quota exceeded",
	EHOSTUNREACH:    "no route to host",
	EILSEQ:          "invalid or incomplete multibyte or wide character",
	EINPROGRESS:     "operation now in progress",
	EIO:             "input/output error",
	EISCONN:         "transport endpoint is already connected",
	ELOOP:           "too many levels of symbolic links",
	ENETDOWN:        "network is down",
	ENFILE:          "too many open files in system",
	ENOLCK:          "no locks available",
	ENOLINK:         "link has been severed",
	ENOMEM:          "cannot allocate memory",
	ENOTCONN:        "transport endpoint is not connected",
	ENOTSUP:         "operation not supported",
	ENOTTY:          "inappropriate ioctl for device",
	EPROTONOSUPPORT: "protocol not supported",
	ERANGE:          "numerical result out of range",
	EXDEV:           "invalid cross-device link",
}

// krewWords is Linux's text of an errno: most differ from WASI's in their first letter alone.
func krewWords(errno Errno) string {
	if words, ok := otherWords[errno]; ok {
		return words
	}
	words := errorstr[errno]
	if words == "" || words[0] < 'A' || words[0] > 'Z' || len(words) > 1 && words[1] >= 'A' && words[1] <= 'Z' {
		return words
	}
	return string(words[0]+'a'-'A') + words[1:]
}
