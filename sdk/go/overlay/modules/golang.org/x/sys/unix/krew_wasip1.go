// Package unix, for plugins of krew-wasm: what Unix programs expect of it, over package syscall of the same overlay.
// What the sandbox does not have fails with ENOSYS when it is called.

package unix

import "syscall"

// Types.
type (
	Errno         = syscall.Errno
	Signal        = syscall.Signal
	Termios       = syscall.Termios
	Winsize       = syscall.Winsize
	Stat_t        = syscall.Stat_t
	Statfs_t      = syscall.Statfs_t
	Timespec      = syscall.Timespec
	Timeval       = syscall.Timeval
	Rusage        = syscall.Rusage
	Rlimit        = syscall.Rlimit
	Flock_t       = syscall.Flock_t
	WaitStatus    = syscall.WaitStatus
	SysProcAttr   = syscall.SysProcAttr
	Credential    = syscall.Credential
	Sockaddr      = syscall.Sockaddr
	SockaddrInet4 = syscall.SockaddrInet4
	SockaddrInet6 = syscall.SockaddrInet6
	SockaddrUnix  = syscall.SockaddrUnix
)

// Flags and modes.
const (
	O_RDONLY      = syscall.O_RDONLY
	O_WRONLY      = syscall.O_WRONLY
	O_RDWR        = syscall.O_RDWR
	O_CREAT       = syscall.O_CREAT
	O_TRUNC       = syscall.O_TRUNC
	O_APPEND      = syscall.O_APPEND
	O_EXCL        = syscall.O_EXCL
	O_SYNC        = syscall.O_SYNC
	O_DIRECTORY   = syscall.O_DIRECTORY
	O_NOFOLLOW    = syscall.O_NOFOLLOW
	O_CLOEXEC     = syscall.O_CLOEXEC
	O_NOCTTY      = syscall.O_NOCTTY
	O_NONBLOCK    = syscall.O_NONBLOCK
	O_NDELAY      = syscall.O_NDELAY
	FD_CLOEXEC    = syscall.FD_CLOEXEC
	F_DUPFD       = syscall.F_DUPFD
	F_GETFD       = syscall.F_GETFD
	F_SETFD       = syscall.F_SETFD
	F_GETFL       = syscall.F_GETFL
	F_SETFL       = syscall.F_SETFL
	F_GETLK       = syscall.F_GETLK
	F_SETLK       = syscall.F_SETLK
	F_SETLKW      = syscall.F_SETLKW
	F_RDLCK       = syscall.F_RDLCK
	F_WRLCK       = syscall.F_WRLCK
	F_UNLCK       = syscall.F_UNLCK
	F_OK          = syscall.F_OK
	R_OK          = syscall.R_OK
	W_OK          = syscall.W_OK
	X_OK          = syscall.X_OK
	S_IFMT        = syscall.S_IFMT
	S_IFSOCK      = syscall.S_IFSOCK
	S_IFLNK       = syscall.S_IFLNK
	S_IFREG       = syscall.S_IFREG
	S_IFBLK       = syscall.S_IFBLK
	S_IFDIR       = syscall.S_IFDIR
	S_IFCHR       = syscall.S_IFCHR
	S_IFIFO       = syscall.S_IFIFO
	S_ISUID       = syscall.S_ISUID
	S_ISGID       = syscall.S_ISGID
	S_ISVTX       = syscall.S_ISVTX
	S_IRUSR       = syscall.S_IRUSR
	S_IWUSR       = syscall.S_IWUSR
	S_IXUSR       = syscall.S_IXUSR
	S_IRWXU       = syscall.S_IRWXU
	S_IRGRP       = syscall.S_IRGRP
	S_IWGRP       = syscall.S_IWGRP
	S_IXGRP       = syscall.S_IXGRP
	S_IRWXG       = syscall.S_IRWXG
	S_IROTH       = syscall.S_IROTH
	S_IWOTH       = syscall.S_IWOTH
	S_IXOTH       = syscall.S_IXOTH
	S_IRWXO       = syscall.S_IRWXO
	LOCK_SH       = syscall.LOCK_SH
	LOCK_EX       = syscall.LOCK_EX
	LOCK_NB       = syscall.LOCK_NB
	LOCK_UN       = syscall.LOCK_UN
	PROT_NONE     = syscall.PROT_NONE
	PROT_READ     = syscall.PROT_READ
	PROT_WRITE    = syscall.PROT_WRITE
	MAP_SHARED    = syscall.MAP_SHARED
	MAP_PRIVATE   = syscall.MAP_PRIVATE
	WNOHANG       = syscall.WNOHANG
	RLIMIT_NOFILE = syscall.RLIMIT_NOFILE
	RUSAGE_SELF   = syscall.RUSAGE_SELF
	SYS_IOCTL     = syscall.SYS_IOCTL
	TCGETS        = syscall.TCGETS
	TCSETS        = syscall.TCSETS
	TCSETSW       = syscall.TCSETSW
	TCSETSF       = syscall.TCSETSF
	TIOCGWINSZ    = syscall.TIOCGWINSZ
	TIOCSWINSZ    = syscall.TIOCSWINSZ
	IGNBRK        = syscall.IGNBRK
	BRKINT        = syscall.BRKINT
	IGNPAR        = syscall.IGNPAR
	PARMRK        = syscall.PARMRK
	INPCK         = syscall.INPCK
	ISTRIP        = syscall.ISTRIP
	INLCR         = syscall.INLCR
	IGNCR         = syscall.IGNCR
	ICRNL         = syscall.ICRNL
	IXON          = syscall.IXON
	IXANY         = syscall.IXANY
	IXOFF         = syscall.IXOFF
	IUTF8         = syscall.IUTF8
	OPOST         = syscall.OPOST
	ONLCR         = syscall.ONLCR
	CS8           = syscall.CS8
	CSIZE         = syscall.CSIZE
	CREAD         = syscall.CREAD
	PARENB        = syscall.PARENB
	ISIG          = syscall.ISIG
	ICANON        = syscall.ICANON
	ECHO          = syscall.ECHO
	ECHOE         = syscall.ECHOE
	ECHOK         = syscall.ECHOK
	ECHONL        = syscall.ECHONL
	IEXTEN        = syscall.IEXTEN
	NOFLSH        = syscall.NOFLSH
	TOSTOP        = syscall.TOSTOP
	VINTR         = syscall.VINTR
	VQUIT         = syscall.VQUIT
	VERASE        = syscall.VERASE
	VKILL         = syscall.VKILL
	VEOF          = syscall.VEOF
	VTIME         = syscall.VTIME
	VMIN          = syscall.VMIN
	SHUT_RD       = syscall.SHUT_RD
	SHUT_WR       = syscall.SHUT_WR
	SHUT_RDWR     = syscall.SHUT_RDWR
	AF_UNSPEC     = syscall.AF_UNSPEC
	AF_INET       = syscall.AF_INET
	AF_INET6      = syscall.AF_INET6
	AF_UNIX       = syscall.AF_UNIX
	SOCK_STREAM   = syscall.SOCK_STREAM
	SOCK_DGRAM    = syscall.SOCK_DGRAM
)

// Errors.
const (
	E2BIG           = syscall.E2BIG
	EACCES          = syscall.EACCES
	EADDRINUSE      = syscall.EADDRINUSE
	EADDRNOTAVAIL   = syscall.EADDRNOTAVAIL
	EAFNOSUPPORT    = syscall.EAFNOSUPPORT
	EAGAIN          = syscall.EAGAIN
	EALREADY        = syscall.EALREADY
	EBADF           = syscall.EBADF
	EBADMSG         = syscall.EBADMSG
	EBUSY           = syscall.EBUSY
	ECANCELED       = syscall.ECANCELED
	ECHILD          = syscall.ECHILD
	ECONNABORTED    = syscall.ECONNABORTED
	ECONNREFUSED    = syscall.ECONNREFUSED
	ECONNRESET      = syscall.ECONNRESET
	EDEADLK         = syscall.EDEADLK
	EDESTADDRREQ    = syscall.EDESTADDRREQ
	EDOM            = syscall.EDOM
	EDQUOT          = syscall.EDQUOT
	EEXIST          = syscall.EEXIST
	EFAULT          = syscall.EFAULT
	EFBIG           = syscall.EFBIG
	EHOSTUNREACH    = syscall.EHOSTUNREACH
	EIDRM           = syscall.EIDRM
	EILSEQ          = syscall.EILSEQ
	EINPROGRESS     = syscall.EINPROGRESS
	EINTR           = syscall.EINTR
	EINVAL          = syscall.EINVAL
	EIO             = syscall.EIO
	EISCONN         = syscall.EISCONN
	EISDIR          = syscall.EISDIR
	ELOOP           = syscall.ELOOP
	EMFILE          = syscall.EMFILE
	EMLINK          = syscall.EMLINK
	EMSGSIZE        = syscall.EMSGSIZE
	EMULTIHOP       = syscall.EMULTIHOP
	ENAMETOOLONG    = syscall.ENAMETOOLONG
	ENETDOWN        = syscall.ENETDOWN
	ENETRESET       = syscall.ENETRESET
	ENETUNREACH     = syscall.ENETUNREACH
	ENFILE          = syscall.ENFILE
	ENOBUFS         = syscall.ENOBUFS
	ENODEV          = syscall.ENODEV
	ENOENT          = syscall.ENOENT
	ENOEXEC         = syscall.ENOEXEC
	ENOLCK          = syscall.ENOLCK
	ENOLINK         = syscall.ENOLINK
	ENOMEM          = syscall.ENOMEM
	ENOMSG          = syscall.ENOMSG
	ENOPROTOOPT     = syscall.ENOPROTOOPT
	ENOSPC          = syscall.ENOSPC
	ENOSYS          = syscall.ENOSYS
	ENOTCONN        = syscall.ENOTCONN
	ENOTDIR         = syscall.ENOTDIR
	ENOTEMPTY       = syscall.ENOTEMPTY
	ENOTRECOVERABLE = syscall.ENOTRECOVERABLE
	ENOTSOCK        = syscall.ENOTSOCK
	ENOTSUP         = syscall.ENOTSUP
	ENOTTY          = syscall.ENOTTY
	ENXIO           = syscall.ENXIO
	EOVERFLOW       = syscall.EOVERFLOW
	EOWNERDEAD      = syscall.EOWNERDEAD
	EPERM           = syscall.EPERM
	EPIPE           = syscall.EPIPE
	EPROTO          = syscall.EPROTO
	EPROTONOSUPPORT = syscall.EPROTONOSUPPORT
	EPROTOTYPE      = syscall.EPROTOTYPE
	ERANGE          = syscall.ERANGE
	EROFS           = syscall.EROFS
	ESPIPE          = syscall.ESPIPE
	ESRCH           = syscall.ESRCH
	ESTALE          = syscall.ESTALE
	ETIMEDOUT       = syscall.ETIMEDOUT
	ETXTBSY         = syscall.ETXTBSY
	EXDEV           = syscall.EXDEV
	EOPNOTSUPP      = syscall.EOPNOTSUPP
	EWOULDBLOCK     = syscall.EAGAIN
)

// Signals. None is ever delivered.
const (
	SIGHUP    = syscall.SIGHUP
	SIGINT    = syscall.SIGINT
	SIGQUIT   = syscall.SIGQUIT
	SIGILL    = syscall.SIGILL
	SIGTRAP   = syscall.SIGTRAP
	SIGABRT   = syscall.SIGABRT
	SIGBUS    = syscall.SIGBUS
	SIGFPE    = syscall.SIGFPE
	SIGKILL   = syscall.SIGKILL
	SIGUSR1   = syscall.SIGUSR1
	SIGSEGV   = syscall.SIGSEGV
	SIGUSR2   = syscall.SIGUSR2
	SIGPIPE   = syscall.SIGPIPE
	SIGALRM   = syscall.SIGALRM
	SIGTERM   = syscall.SIGTERM
	SIGCHLD   = syscall.SIGCHLD
	SIGCONT   = syscall.SIGCONT
	SIGSTOP   = syscall.SIGSTOP
	SIGTSTP   = syscall.SIGTSTP
	SIGTTIN   = syscall.SIGTTIN
	SIGTTOU   = syscall.SIGTTOU
	SIGURG    = syscall.SIGURG
	SIGXCPU   = syscall.SIGXCPU
	SIGXFSZ   = syscall.SIGXFSZ
	SIGVTALRM = syscall.SIGVTALRM
	SIGPROF   = syscall.SIGPROF
	SIGWINCH  = syscall.SIGWINCH
	SIGIO     = syscall.SIGIO
	SIGPWR    = syscall.SIGPWR
	SIGSYS    = syscall.SIGSYS
)

// Functions that are package syscall's.
var (
	Access              = syscall.Access
	Chdir               = syscall.Chdir
	Chmod               = syscall.Chmod
	Chown               = syscall.Chown
	Chroot              = syscall.Chroot
	Close               = syscall.Close
	CloseOnExec         = syscall.CloseOnExec
	Dup                 = syscall.Dup
	Dup2                = syscall.Dup2
	Exec                = syscall.Exec
	Fchmod              = syscall.Fchmod
	Fchown              = syscall.Fchown
	FcntlFlock          = syscall.FcntlFlock
	Flock               = syscall.Flock
	Fstat               = syscall.Fstat
	Fstatfs             = syscall.Fstatfs
	Fsync               = syscall.Fsync
	Ftruncate           = syscall.Ftruncate
	Getegid             = syscall.Getegid
	Getenv              = syscall.Getenv
	Geteuid             = syscall.Geteuid
	Getgid              = syscall.Getgid
	Getpgid             = syscall.Getpgid
	Getpgrp             = syscall.Getpgrp
	Getpid              = syscall.Getpid
	Getppid             = syscall.Getppid
	Getrlimit           = syscall.Getrlimit
	Getrusage           = syscall.Getrusage
	Gettimeofday        = syscall.Gettimeofday
	Getuid              = syscall.Getuid
	Getwd               = syscall.Getwd
	Kill                = syscall.Kill
	Lchown              = syscall.Lchown
	Link                = syscall.Link
	Lstat               = syscall.Lstat
	Mkdir               = syscall.Mkdir
	Mmap                = syscall.Mmap
	Munmap              = syscall.Munmap
	Open                = syscall.Open
	Pipe                = syscall.Pipe
	Read                = syscall.Read
	Readlink            = syscall.Readlink
	Rename              = syscall.Rename
	Rmdir               = syscall.Rmdir
	Seek                = syscall.Seek
	SetNonblock         = syscall.SetNonblock
	Setgid              = syscall.Setgid
	Setpgid             = syscall.Setpgid
	Setrlimit           = syscall.Setrlimit
	Setsid              = syscall.Setsid
	Setuid              = syscall.Setuid
	Stat                = syscall.Stat
	Statfs              = syscall.Statfs
	Symlink             = syscall.Symlink
	Syscall             = syscall.Syscall
	Syscall6            = syscall.Syscall6
	RawSyscall          = syscall.RawSyscall
	RawSyscall6         = syscall.RawSyscall6
	Truncate            = syscall.Truncate
	Umask               = syscall.Umask
	Unlink              = syscall.Unlink
	Wait4               = syscall.Wait4
	Write               = syscall.Write
	Pread               = syscall.Pread
	Pwrite              = syscall.Pwrite
	Environ             = syscall.Environ
	BytePtrFromString   = syscall.BytePtrFromString
	ByteSliceFromString = syscall.ByteSliceFromString
)

// Names of Linux and the BSDs for the same requests.
const (
	TIOCGETA  = TCGETS
	TIOCSETA  = TCSETS
	TIOCSETAF = TCSETSF

	AT_FDCWD            = -2
	AT_EACCESS          = 0x200
	AT_SYMLINK_NOFOLLOW = 0x100
	AT_REMOVEDIR        = 0x200

	POLLIN   = 1
	POLLPRI  = 2
	POLLOUT  = 4
	POLLERR  = 8
	POLLHUP  = 16
	POLLNVAL = 32
)

// Utsname names the system.
type Utsname struct {
	Sysname, Nodename, Release, Version, Machine, Domainname [65]byte
}

// PollFd is one descriptor to wait for.
type PollFd struct {
	Fd              int32
	Events, Revents int16
}

// FdSet is a set of descriptors.
type FdSet struct {
	Bits [16]int64
}

func (set *FdSet) Set(fd int)        { set.Bits[fd/64] |= 1 << (fd % 64) }
func (set *FdSet) Clear(fd int)      { set.Bits[fd/64] &^= 1 << (fd % 64) }
func (set *FdSet) IsSet(fd int) bool { return set.Bits[fd/64]&(1<<(fd%64)) != 0 }
func (set *FdSet) Zero()             { *set = FdSet{} }

func IoctlGetTermios(fd int, request uint) (*Termios, error)   { return syscall.GetTermios(fd) }
func IoctlSetTermios(fd int, request uint, to *Termios) error  { return syscall.SetTermios(fd, to) }
func IoctlGetWinsize(fd int, request uint) (*Winsize, error)   { return syscall.GetWinsize(fd) }
func IoctlSetWinsize(fd int, request uint, to *Winsize) error  { return ENOSYS }
func IoctlGetInt(fd int, request uint) (int, error)            { return 0, ENOSYS }
func IoctlSetInt(fd int, request uint, value int) error        { return ENOSYS }
func IoctlSetPointerInt(fd int, request uint, value int) error { return ENOSYS }
func FcntlInt(fd uintptr, command, argument int) (int, error)  { return -1, ENOSYS }

func Uname(name *Utsname) error {
	copy(name.Sysname[:], "wasip1")
	copy(name.Machine[:], "wasm")
	return nil
}

func Faccessat(directory int, path string, mode uint32, flags int) error {
	if directory != AT_FDCWD {
		return ENOSYS
	}
	return Access(path, mode)
}

func Poll(fds []PollFd, timeout int) (int, error) { return -1, ENOSYS }

func Select(count int, read, write, except *FdSet, timeout *Timeval) (int, error) { return -1, ENOSYS }

func Ppoll(fds []PollFd, timeout *Timespec, mask interface{}) (int, error) { return -1, ENOSYS }

func Pipe2(fds []int, flags int) error                        { return ENOSYS }
func Mlock(b []byte) error                                    { return ENOSYS }
func Mlockall(flags int) error                                { return ENOSYS }
func Munlock(b []byte) error                                  { return ENOSYS }
func Mkfifo(path string, mode uint32) error                   { return ENOSYS }
func Mknod(path string, mode uint32, device int) error        { return ENOSYS }
func Sync()                                                   {}
func Getsid(pid int) (int, error)                             { return Getpid(), nil }
func Gettid() int                                             { return Getpid() }
func Getpriority(which, who int) (int, error)                 { return 0, ENOSYS }
func Setpriority(which, who, priority int) error              { return ENOSYS }
func Getxattr(path, name string, to []byte) (int, error)      { return 0, ENOTSUP }
func Lgetxattr(path, name string, to []byte) (int, error)     { return 0, ENOTSUP }
func Listxattr(path string, to []byte) (int, error)           { return 0, ENOTSUP }
func Llistxattr(path string, to []byte) (int, error)          { return 0, ENOTSUP }
func Setxattr(path, name string, to []byte, flags int) error  { return ENOTSUP }
func Lsetxattr(path, name string, to []byte, flags int) error { return ENOTSUP }
func Lremovexattr(path, name string) error                    { return ENOTSUP }
func Removexattr(path, name string) error                     { return ENOTSUP }

func UtimesNano(path string, times []Timespec) error { return syscall.UtimesNano(path, times) }

func UtimesNanoAt(directory int, path string, times []Timespec, flags int) error {
	if directory != AT_FDCWD || flags != 0 {
		return ENOSYS
	}
	return syscall.UtimesNano(path, times)
}

func NsecToTimespec(nsec int64) Timespec { return Timespec{Sec: nsec / 1e9, Nsec: nsec % 1e9} }
func NsecToTimeval(nsec int64) Timeval   { return Timeval{Sec: nsec / 1e9, Usec: nsec % 1e9 / 1e3} }

// ByteSliceToString is the text before the first NUL.
func ByteSliceToString(bytes []byte) string {
	for at, each := range bytes {
		if each == 0 {
			return string(bytes[:at])
		}
	}
	return string(bytes)
}

// Mkdev, Major and Minor use Linux's encoding of device numbers.
func Mkdev(major, minor uint32) uint64 {
	return uint64(major&0xfff)<<8 | uint64(major&0xfffff000)<<32 | uint64(minor&0xff) | uint64(minor&0xffffff00)<<12
}
func Major(device uint64) uint32 { return uint32(device>>8)&0xfff | uint32(device>>32)&0xfffff000 }
func Minor(device uint64) uint32 { return uint32(device)&0xff | uint32(device>>12)&0xffffff00 }

// ErrnoName is an errno's name, which this system does not keep.
func ErrnoName(errno Errno) string { return "" }

// SignalName is a signal's name, which this system does not keep.
func SignalName(signal Signal) string { return "" }
