// Package signal, for plugins of krew-wasm: no signal ever arrives. The host ends the plugin at Ctrl-C.

package signal

import "time"

// krewWait takes the place of waiting for a signal. It sleeps, so that a program that waits for nothing else is not
// taken for deadlocked.
func krewWait() {
	for {
		time.Sleep(24 * time.Hour)
	}
}
