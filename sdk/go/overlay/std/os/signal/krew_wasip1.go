// Package signal, for plugins of krew-wasm: the host ends the plugin at Ctrl-C, and delivers no signals. A program that
// asks for SIGWINCH gets one when the terminal's size changes.

package signal

import (
	"sync/atomic"
	"syscall"
	"time"
)

// krewEvery is how often to look at the terminal's size.
const krewEvery = 200 * time.Millisecond

var (
	krewWatching atomic.Bool
	krewWatch    = make(chan struct{}, 1)
	// krewSize is the terminal's last known size; nil if there is no terminal.
	krewSize *syscall.Winsize
)

// krewSet notes whether the program wants a signal.
func krewSet(signal int, wanted bool) {
	if signal != int(syscall.SIGWINCH) {
		return
	}
	krewWatching.Store(wanted)
	select {
	case krewWatch <- struct{}{}:
	default:
	}
}

// krewReceive waits for the next signal.
func krewReceive() syscall.Signal {
	for {
		if krewSize == nil || !krewWatching.Load() {
			// It sleeps, so that a program that waits for nothing else is not taken for deadlocked.
			select {
			case <-krewWatch:
			case <-time.After(24 * time.Hour):
			}
			krewSize, _ = syscall.GetWinsize(0)
			continue
		}
		time.Sleep(krewEvery)
		size, _ := syscall.GetWinsize(0)
		if size != nil && *size != *krewSize {
			krewSize = size
			return syscall.SIGWINCH
		}
	}
}
