// Package syscall, for plugins of krew-wasm: the terminal's ioctls, over the host's krew_wasm_terminal.

package syscall

import "unsafe"

//go:wasmimport krew_wasm_terminal set_mode
func hostTerminalMode(mode int32) Errno

//go:wasmimport krew_wasm_terminal get_size
//go:noescape
func hostTerminalSize(columns, rows *uint16) Errno

// The ioctl requests that the host can serve, numbered as on Linux.
const (
	TCGETS     = 0x5401
	TCSETS     = 0x5402
	TCSETSW    = 0x5403
	TCSETSF    = 0x5404
	TIOCGWINSZ = 0x5413
	TIOCSWINSZ = 0x5414

	SYS_IOCTL = 16
)

// Flags of Termios, numbered as on Linux.
const (
	IGNBRK = 0x1
	BRKINT = 0x2
	IGNPAR = 0x4
	PARMRK = 0x8
	INPCK  = 0x10
	ISTRIP = 0x20
	INLCR  = 0x40
	IGNCR  = 0x80
	ICRNL  = 0x100
	IXON   = 0x400
	IXANY  = 0x800
	IXOFF  = 0x1000
	IUTF8  = 0x4000
	OPOST  = 0x1
	ONLCR  = 0x4
	CS8    = 0x30
	CSIZE  = 0x30
	CREAD  = 0x80
	PARENB = 0x100
	ISIG   = 0x1
	ICANON = 0x2
	ECHO   = 0x8
	ECHOE  = 0x10
	ECHOK  = 0x20
	ECHONL = 0x40
	IEXTEN = 0x8000
	NOFLSH = 0x80
	TOSTOP = 0x100
	VINTR  = 0
	VQUIT  = 1
	VERASE = 2
	VKILL  = 3
	VEOF   = 4
	VTIME  = 5
	VMIN   = 6
)

// Termios has Linux's layout. Of its flags the host knows four states: a line edited by the terminal (ICANON and
// ECHO), a line that is not shown (ICANON alone), and single keys (neither), with changed output (OPOST) or without.
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       uint8
	Cc                         [19]uint8
	Ispeed, Ospeed             uint32
}

// Winsize is the terminal's size in characters; its pixels are unknown.
type Winsize struct {
	Row, Col, Xpixel, Ypixel uint16
}

var termios = Termios{
	Iflag: ICRNL | IXON | IUTF8,
	Oflag: OPOST | ONLCR,
	Cflag: CS8 | CREAD,
	Lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN,
	Cc:    [19]uint8{VINTR: 3, VQUIT: 28, VERASE: 127, VKILL: 21, VEOF: 4, VMIN: 1},
}

// isTerminal reports whether a descriptor is a terminal, by the same rule as wasi-libc's isatty: a character device
// without a position. It returns ENOTTY for any other open descriptor.
func isTerminal(fd int) Errno {
	const seekOrTell = 1<<2 | 1<<5
	var stat fdstat
	if errno := fd_fdstat_get(int32(fd), &stat); errno != 0 {
		return errno
	}
	if stat.filetype != FILETYPE_CHARACTER_DEVICE || stat.rightsBase&seekOrTell != 0 {
		return ENOTTY
	}
	return 0
}

// GetTermios returns the terminal's mode.
func GetTermios(fd int) (*Termios, error) {
	if errno := isTerminal(fd); errno != 0 {
		return nil, errno
	}
	copied := termios
	return &copied, nil
}

// SetTermios changes the terminal's mode.
func SetTermios(fd int, wanted *Termios) error {
	if errno := isTerminal(fd); errno != 0 {
		return errno
	}
	const line, hidden, raw, transparent = 0, 1, 2, 3
	mode := int32(line)
	switch {
	case wanted.Lflag&ICANON == 0 && wanted.Oflag&OPOST == 0:
		mode = transparent
	case wanted.Lflag&ICANON == 0:
		mode = raw
	case wanted.Lflag&ECHO == 0:
		mode = hidden
	}
	if errno := hostTerminalMode(mode); errno != 0 {
		return errno
	}
	termios = *wanted
	return nil
}

// GetWinsize returns the terminal's size.
func GetWinsize(fd int) (*Winsize, error) {
	if errno := isTerminal(fd); errno != 0 {
		return nil, errno
	}
	var size Winsize
	if errno := hostTerminalSize(&size.Col, &size.Row); errno != 0 {
		return nil, errno
	}
	return &size, nil
}

// krewSyscall serves the ioctls of the terminal; every other system call is ENOSYS.
func krewSyscall(trap, fd, request, argument uintptr) (uintptr, uintptr, Errno) {
	if trap != SYS_IOCTL {
		return 0, 0, ENOSYS
	}
	var err error
	switch request {
	case TCGETS:
		var current *Termios
		if current, err = GetTermios(int(fd)); err == nil {
			*(*Termios)(unsafe.Pointer(argument)) = *current
		}
	case TCSETS, TCSETSW, TCSETSF:
		err = SetTermios(int(fd), (*Termios)(unsafe.Pointer(argument)))
	case TIOCGWINSZ:
		var size *Winsize
		if size, err = GetWinsize(int(fd)); err == nil {
			*(*Winsize)(unsafe.Pointer(argument)) = *size
		}
	default:
		return 0, 0, ENOSYS
	}
	if err != nil {
		return ^uintptr(0), 0, err.(Errno)
	}
	return 0, 0, 0
}
