// Package syscall, for plugins of krew-wasm: names that Unix programs expect, and what the sandbox answers.

package syscall

import (
	"errors"
	"internal/oserror"
)

// noPrograms is why a program can't be started.
type noPrograms struct{}

func (noPrograms) Error() string { return "krew-wasm: plugins can't start programs" }

func (noPrograms) Is(target error) bool {
	return target == errors.ErrUnsupported || target == oserror.ErrPermission || target == error(ENOSYS)
}

// ErrNoPrograms is the error of everything that would start a program.
var ErrNoPrograms error = noPrograms{}

// Exec fails: plugins can't start programs.
func Exec(argv0 string, argv []string, envv []string) error { return ErrNoPrograms }

// ForkExec fails: plugins can't start programs.
func ForkExec(argv0 string, argv []string, attr *ProcAttr) (pid int, err error) {
	return 0, ErrNoPrograms
}

// Credential is the identity a child process would have.
type Credential struct {
	Uid, Gid    uint32
	Groups      []uint32
	NoSetGroups bool
}

// Signals that WASI spells otherwise or leaves out.
const (
	SIGIO     = SIGPOLL
	SIGCLD    = SIGCHLD
	SIGVTALRM = SIGVTARLM
)

// Statfs_t is a file system's size, which the sandbox does not tell.
type Statfs_t struct {
	Type    int64
	Bsize   int64
	Blocks  uint64
	Bfree   uint64
	Bavail  uint64
	Files   uint64
	Ffree   uint64
	Namelen int64
	Frsize  int64
	Flags   int64
}

func Statfs(path string, stat *Statfs_t) error { return ENOSYS }
func Fstatfs(fd int, stat *Statfs_t) error     { return ENOSYS }

// Utsname names the system.
type Utsname struct {
	Sysname, Nodename, Release, Version, Machine, Domainname [65]int8
}

func Uname(name *Utsname) error { return ENOSYS }

// A lock of a whole file. The sandbox has no locks: nobody else has the plugin's directories open for long.
const (
	LOCK_SH = 1
	LOCK_EX = 2
	LOCK_NB = 4
	LOCK_UN = 8
)

func Flock(fd, how int) error { return ENOSYS }

// Flock_t is a lock of a part of a file.
type Flock_t struct {
	Type, Whence int16
	Start, Len   int64
	Pid          int32
}

func FcntlFlock(fd uintptr, command int, lock *Flock_t) error { return ENOSYS }

// Processes: there is one, alone in its group and session.
func Getpgrp() int                           { return Getpid() }
func Getpgid(pid int) (int, error)           { return Getpid(), nil }
func Setpgid(pid, group int) error           { return ENOSYS }
func Setsid() (int, error)                   { return -1, ENOSYS }
func Setuid(uid int) error                   { return ENOSYS }
func Setgid(gid int) error                   { return ENOSYS }
func Chroot(path string) error               { return ENOSYS }
func Setrlimit(which int, lim *Rlimit) error { return ENOSYS }

func Getrusage(who int, usage *Rusage) error { return ENOSYS }

// Access asks for a file as the user may use it; the host decides when it is opened.
func Access(path string, mode uint32) error {
	var stat Stat_t
	return Stat(path, &stat)
}

// Memory that is mapped.
const (
	PROT_NONE   = 0
	PROT_READ   = 1
	PROT_WRITE  = 2
	MAP_SHARED  = 1
	MAP_PRIVATE = 2
)

func Mmap(fd int, offset int64, length, prot, flags int) ([]byte, error) { return nil, ENOSYS }
func Munmap(b []byte) error                                              { return ENOSYS }

// Flags of open that WASI has no use for.
const (
	O_NOCTTY   = 0
	O_NONBLOCK = 04000
	O_NDELAY   = O_NONBLOCK
	FD_CLOEXEC = 1
	WNOHANG    = 1
	F_OK       = 0
	X_OK       = 1
	W_OK       = 2
	R_OK       = 4

	RUSAGE_SELF = 0
)
