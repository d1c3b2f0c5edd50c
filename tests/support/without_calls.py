"""without_calls.py NAME ERRNO COMMAND...: runs a command without these system calls: each fails with ERRNO."""

import ctypes, errno, os, platform, struct, sys

ARM = platform.machine() == "aarch64"
CALLS = {"landlock": (444, 445, 446), "prctl": (167 if ARM else 157,), "seccomp": (277 if ARM else 317,)}
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000


def instruction(code, value, to=0, otherwise=0):
    return struct.pack("HBBI", code, to, otherwise, value)


program = instruction(LOAD, 0)
for number in CALLS[sys.argv[1]]:
    program += instruction(EQUAL, number, 0, 1) + instruction(RETURN, ERRNO | getattr(errno, sys.argv[2]))
program += instruction(RETURN, ALLOW)
instructions = ctypes.create_string_buffer(program)
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
    sys.exit("without_calls.py: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[3], sys.argv[3:])
