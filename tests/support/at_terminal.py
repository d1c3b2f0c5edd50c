"""at_terminal.py SCENARIO: runs a program at its own terminal, as an interactive shell does, and reports the output.

SCENARIO is JSON: {"command": [...], "env": {...}, "cwd": "...", "columns": n, "rows": n, "steps": [...]}; a step is one of
{"expect": text}, {"send": text}, {"signal": name}, {"resize": [columns, rows]}, {"mode": ["echo", "icanon"]}: waits until
exactly these flags of the terminal are on (of echo, icanon, isig, icrnl); {"stopped": true}: until the program is (Linux).
Prints JSON: {"output", "status", "signal",
"modes": the flags before and after, "failed": the step that did not happen}.
"""

import fcntl, json, os, pty, select, signal, struct, sys, termios, time

PATIENCE = 120
scenario = json.loads(sys.argv[1])
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", scenario.get("rows", 24), scenario.get("columns", 80), 0, 0))
FLAGS = {"echo": (3, termios.ECHO), "icanon": (3, termios.ICANON), "isig": (3, termios.ISIG), "icrnl": (0, termios.ICRNL)}


def flags():
    attributes = termios.tcgetattr(slave)
    return sorted(name for name, (index, bit) in FLAGS.items() if attributes[index] & bit)


before = flags()  # before any change

# The session's leader, in the place of a shell. It lives until the end of all checks.
told, tell = os.pipe()
go_on, end = os.pipe()
leader = os.fork()
if leader == 0:
    for each in ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTOU", "SIGTTIN"):
        signal.signal(getattr(signal, each), signal.SIG_IGN)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    ready, set_up = os.pipe()
    program = os.fork()
    if program == 0:
        os.read(ready, 1)
        for each in ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTOU", "SIGTTIN", "SIGPIPE"):
            signal.signal(getattr(signal, each), signal.SIG_DFL)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.closerange(3, 256)
        if "cwd" in scenario:
            os.chdir(scenario["cwd"])
        command = scenario["command"]
        os.execvpe(command[0], command, scenario.get("env", dict(os.environ)))
    os.setpgid(program, program)
    os.tcsetpgrp(slave, program)
    os.write(tell, struct.pack("i", program))
    os.write(set_up, b"x")
    _, status = os.waitpid(program, 0)
    os.tcsetpgrp(slave, os.getpid())
    os.write(tell, struct.pack("i", status))
    os.read(go_on, 1)
    os._exit(0)

program = struct.unpack("i", os.read(told, 4))[0]
output = b""
failed = None


def pump(seconds):
    global output
    if select.select([master], [], [], seconds)[0]:
        try:
            output += os.read(master, 65536)
        except OSError:
            pass


seen = 0
for step in scenario["steps"]:
    deadline = time.monotonic() + PATIENCE
    if "send" in step:
        os.write(master, step["send"].encode())
    elif "signal" in step:
        # A shell lets all of a job go on.
        to = os.killpg if step["signal"] == "CONT" else os.kill
        to(program, getattr(signal, "SIG" + step["signal"]))
    elif "resize" in step:
        columns, rows = step["resize"]
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    elif "expect" in step:
        text = step["expect"].encode()
        while text not in output[seen:] and time.monotonic() < deadline:
            pump(0.1)
        if text not in output[seen:]:
            failed = step
            break
        seen = output.index(text, seen) + len(text)
    elif "mode" in step:
        while flags() != sorted(step["mode"]) and time.monotonic() < deadline:
            pump(0.02)
        if flags() != sorted(step["mode"]):
            failed = dict(step, found=flags())
            break
    elif "stopped" in step:
        state = ""
        while state != "T" and time.monotonic() < deadline:
            pump(0.02)
            try:
                with open(f"/proc/{program}/stat") as stat:
                    state = stat.read().rpartition(")")[2].split()[0]
            except OSError:
                break
        if state != "T":
            failed = dict(step, found=state)
            break
if failed:
    try:
        os.kill(program, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended before the step
status = None
deadline = time.monotonic() + PATIENCE
while status is None:
    pump(0)
    if select.select([told], [], [], 0.02)[0]:
        status = struct.unpack("i", os.read(told, 4))[0]
    elif time.monotonic() > deadline:
        failed = failed or {"expect": "its end"}
        os.kill(program, signal.SIGKILL)
        deadline += PATIENCE
# Output passes through queues of the kernel. When this mark arrives, everything before it has arrived.
END = b"\0the end of the output\0"
os.write(slave, END)
deadline = time.monotonic() + PATIENCE
while END not in output and time.monotonic() < deadline:
    pump(0.1)
output = output.partition(END)[0]
# After a kill, another process restores the terminal a moment later.
deadline = time.monotonic() + PATIENCE
while flags() != before and time.monotonic() < deadline:
    pump(0.02)
after = flags()
os.write(end, b"x")
os.waitpid(leader, 0)
print(json.dumps({
    "output": output.decode(errors="replace"),
    "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
    "signal": signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None,
    "before": before,
    "after": after,
    "failed": failed,
}))
