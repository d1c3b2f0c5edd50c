"""without_openat2.py PROGRAM ARGS...: runs a program in a sandbox that refuses openat2(2), so that it opens files without it.

A filter (seccomp(2)) answers ENOSYS for this one call.
"""

import ctypes
import os
import struct
import sys

OPENAT2 = 437
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38
ENOSYS = 38
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
# Load the number, compare, return.
FILTER = struct.pack(
    "HBBIHBBIHBBIHBBI",
    *(0x20, 0, 0, 0),
    *(0x15, 0, 1, OPENAT2),
    *(0x06, 0, 0, SECCOMP_RET_ERRNO | ENOSYS),
    *(0x06, 0, 0, SECCOMP_RET_ALLOW),
)

libc = ctypes.CDLL(None, use_errno=True)
program = ctypes.create_string_buffer(FILTER)
header = struct.pack("HxxxxxxQ", len(FILTER) // 8, ctypes.addressof(program))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
