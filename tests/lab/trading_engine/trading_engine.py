# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's trading engine: keeps one connection to the gateway and says which accounts it sees.

IBKR_HOST, IBKR_PORT   where the gateway's API is; ibgateway and 4000
IBKR_CLIENT_ID         1

A connect to port 4000 succeeds although the gateway is down, because socat listens: only the API's answer counts.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import signal

from ib_async import IB

CONNECT_TIMEOUT = 5.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 10.0


def say(text: str) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(f"{now} {text}", flush=True)


async def hold_connection(host: str, port: int, client_id: int) -> bool:
    """Connect and stay connected; False where no connection came about."""
    ib = IB()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(reason: str) -> None:
        if not ended.done():
            ended.set_result(reason)

    ib.disconnectedEvent += lambda: end("the gateway closed the connection")
    ib.errorEvent += lambda _request, code, text, _contract: say(f"notice {code}: {text}")
    say(f"connecting to {host}:{port} as client {client_id}")
    try:
        await ib.client.connectAsync(host, port, client_id, CONNECT_TIMEOUT)
    except (OSError, TimeoutError) as error:
        say(f"no connection to {host}:{port}: {error or type(error).__name__}")
        return False
    try:
        say(f"connected to {host}:{port}, accounts: {','.join(ib.client.getAccounts())}")
        say(f"disconnected from {host}:{port}: {await ended}")
        return True
    finally:
        ib.disconnect()


async def serve() -> None:
    host = os.environ.get("IBKR_HOST", "ibgateway")
    port = int(os.environ.get("IBKR_PORT", "4000"))
    client_id = int(os.environ.get("IBKR_CLIENT_ID", "1"))
    pause = FIRST_PAUSE
    while True:
        held = await hold_connection(host, port, client_id)
        pause = FIRST_PAUSE if held else min(pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause)


async def main() -> None:
    serving = asyncio.ensure_future(serve())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        say("stopped")


if __name__ == "__main__":
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    asyncio.run(main())
