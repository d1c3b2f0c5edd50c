// Package syscall, for plugins of krew-wasm: the machine's name, which the host tells in HOSTNAME.

package syscall

func krewHostname() string {
	if name, ok := Getenv("HOSTNAME"); ok && name != "" {
		return name
	}
	return "localhost"
}
