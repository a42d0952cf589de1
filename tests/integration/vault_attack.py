"""Run as another user: tries everything that user could try against a vault process. Prints what came of it, as JSON.

usage: vault_attack.py PID FOLDER
"""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_DETACH = 16, 0x4206, 17
PROCESS_VM_READV = 310  # x86-64


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError:
        return "refused"
    return "REACHED"


def read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def ptrace(request: int, pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(PTRACE_DETACH, pid, None, None)


def vm_readv(pid: int) -> None:
    buffer = ctypes.create_string_buffer(64)
    local, remote = Iovec(ctypes.addressof(buffer), 64), Iovec(0x400000, 64)
    libc = ctypes.CDLL(None, use_errno=True)
    got = libc.syscall(PROCESS_VM_READV, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    if got < 0 and ctypes.get_errno() == 14:  # EFAULT: allowed, but nothing is mapped there
        return
    if got < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


def memory(pid: int) -> dict[str, str]:
    proc = Path(f"/proc/{pid}")
    attempts: dict[str, Callable[[], object]] = {
        "mem": lambda: read(proc / "mem"),
        "maps": lambda: read(proc / "maps"),
        "environ": lambda: read(proc / "environ"),
        "fd": lambda: list((proc / "fd").iterdir()),
        "stdin": lambda: read(proc / "fd" / "0"),
        "attach": lambda: ptrace(PTRACE_ATTACH, pid),
        "seize": lambda: ptrace(PTRACE_SEIZE, pid),
        "process_vm_readv": lambda: vm_readv(pid),
    }
    return {name: tried(attempt) for name, attempt in attempts.items()}


def files(folder: Path) -> dict[str, str]:
    vault = folder / "state" / "vault"
    names = ("kms.json", "keys.db", "records.db", "staff.db", "ledger.db", "records.db-wal", "keys.db-wal")
    found = {name: tried(lambda name=name: read(vault / name)) for name in names}
    return {
        **found,
        "list": tried(lambda: list(vault.iterdir())),
        "write": tried(lambda: (vault / "x").write_text("x")),
    }


def ask(connection: socket.socket, operation: str, **fields: Any) -> str:
    body = json.dumps({"id": 1, "op": operation, **fields}).encode()
    connection.sendall(struct.pack("!I", len(body)) + body)
    (length,) = struct.unpack("!I", receive(connection, 4))
    answer = json.loads(receive(connection, length))
    if "ok" in answer:
        return "answered"
    error = answer["error"]
    return str(error["code"] if error["code"] == "signed-out" else error.get("reason") or error["code"])


def receive(connection: socket.socket, count: int) -> bytes:
    raw = b""
    while len(raw) < count:
        raw += connection.recv(count - len(raw)) or sys.exit("closed")
    return raw


def asked(folder: Path) -> dict[str, str]:
    leg = (
        "v1;kind=caller;at=1732440000;trunk=carrier-a;caller=%2B442079460001;privacy=0;dialled=x;ci=1;ft=1;mac="
        + "0" * 64
    )
    questions: dict[str, dict[str, Any]] = {
        "sign_in": {"login": "eva", "password": "x", "source": ""},
        "session": {"token": "t"},
        "card": {"token": "t", "grant": "g"},
        "open": {"token": "t", "grant": "g", "field": "contact.phone", "reason": "order_status"},
        "wrap_up": {"token": "t", "grant": "g"},
        "write_note": {"token": "t", "grant": "g", "text": "x"},
        "status": {},
        "unseal": {"passphrase": "correct horse battery staple"},
        "init": {"passphrase": "correct horse battery staple"},
        "seal": {},
        "import_customers": {"customers": []},
        "staff_add": {"login": "x", "name": "x", "password": "x" * 20, "store": "high-street"},
        "certify": {"agent": "a", "data_class": "contact", "until": 2e9},
        "phone_issue": {"agent": "a"},
        "ledger_export": {"directory": "/tmp"},
        "set_password": {"agent": "a", "password": "x" * 20},
        "staff": {},
    }
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(folder / "run" / "vault" / "vault.sock"))
        found = {name: ask(connection, name, **fields) for name, fields in questions.items()}
        found["match invented"] = ask(connection, "match", leg=leg)
        found["connect invented"] = ask(connection, "connect", leg="leg_1", agent_leg=leg.replace("caller;", "agent;"))
        bulk = {ask(connection, "match", leg=leg.replace("0001", f"{n:04d}")) for n in range(200)}
        found["match in bulk"] = " ".join(sorted(bulk))
    return found


if __name__ == "__main__":
    pid, folder = int(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps({"memory": memory(pid), "files": files(folder), "asked": asked(folder)}))
