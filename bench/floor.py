"""The floor under every SIP call: Kamailio alone relaying a call from a caller to a phone, no media, over UDP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bench.stage import Generator, cpu_seconds, family, generators, load_average
from quietline.telephony.edge import KAMAILIO, MODULES
from quietline.testing.ports import free_ports

CONFIG = """#!KAMAILIO
debug=-2
log_stderror=yes
children=2
listen=udp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "maxfwd.so"
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (has_totag()) {{ loose_route(); t_relay(); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    t_check_trans();
    if (is_method("INVITE")) {{ record_route(); }}
    $du = "sip:127.0.0.1:{phone}";
    t_relay();
}}
"""
RATE, SECONDS = 100.0, 10.0


async def kamailio_alone(folder: Path) -> list[dict[str, Any]]:
    port, phone = free_ports(2)
    text = CONFIG.format(port=port, phone=phone, modules=MODULES)
    (folder / "floor.cfg").write_text(text)
    with (folder / "floor.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(KAMAILIO, "-f", str(folder / "floor.cfg"), "-DD", "-E", "-m", "64", "-Y", str(folder)),
            stdout=log,
            stderr=log,
        )
    try:
        await asyncio.sleep(1.5)
        return await _relayed(process.pid, port, phone)
    finally:
        process.terminate()
        await process.wait()


async def _relayed(pid: int, port: int, phone: int) -> list[dict[str, Any]]:
    there = {"host": "127.0.0.1", "port": port, "srtp": False}
    phones = await Generator.start("phones", {"where": there | {"own_port": phone}})
    setting = {"where": there, "numbers": ["+442079460900"], "dialled": "+442079460101"}
    callers = await Generator.start("callers", setting)
    async with generators(phones, callers):
        await callers.order({"rate": 50, "seconds": 1, "hold": 0.1})
        pids = family(pid)
        used = cpu_seconds(pids)
        told = await callers.order({"rate": RATE, "seconds": SECONDS, "hold": 0.3})
        spent = (cpu_seconds(pids) - used) * 1e3 / max(1, told["ended"])
    return [
        {
            "name": "call.cpu_ms.kamailio_alone",
            "value": round(spent, 3),
            "unit": "ms CPU a call (one leg pair over UDP, no media)",
            "load": round(load_average(), 1),
        }
    ]
