"""The same as player.ts for httpx: turns come in on standard input, and what each cost is printed."""
import asyncio
import concurrent.futures
import json
import statistics
import sys
import time

import httpx

name, url = sys.argv[1:]
path = "/mcp/tools/call"
sent = 0
options = {
    "base_url": url,
    "headers": {"x-api-key": "bench-key"},
    "limits": httpx.Limits(max_connections=128, max_keepalive_connections=128, keepalive_expiry=60),
    # Environment and certificate stores are no business of this comparison.
    "trust_env": False,
}


def body(tool):
    global sent
    sent += 1
    return {
        "agent_id": "agent",
        "agent_type": "unknown",
        "agent_version": "0.0.0",
        "tool": tool,
        "method": "create_refund",
        "params": {"charge": f"ch_{sent}", "amount": 50},
    }


def loop(client, tool, end, times):
    last = time.perf_counter()
    while last < end:
        client.post(path, json=body(tool)).json()
        now = time.perf_counter()
        times.append(now - last)
        last = now


async def loop_async(client, tool, end, times):
    last = time.perf_counter()
    while last < end:
        (await client.post(path, json=body(tool))).json()
        now = time.perf_counter()
        times.append(now - last)
        last = now


async def main():
    is_async = name == "httpx.AsyncClient"
    client = httpx.AsyncClient(**options) if is_async else httpx.Client(**options)
    threads = concurrent.futures.ThreadPoolExecutor(64)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        turn = json.loads(line)
        times = []
        cpu = time.process_time()
        start = time.perf_counter()
        end = start + turn["seconds"]
        if is_async:
            await asyncio.gather(*(loop_async(client, turn["tool"], end, times) for _ in range(turn["inFlight"])))
        elif turn["inFlight"] == 1:
            loop(client, turn["tool"], end, times)
        else:
            list(threads.map(lambda _: loop(client, turn["tool"], end, times), range(turn["inFlight"])))
        print(json.dumps({
            "calls": len(times),
            "rate": len(times) / (time.perf_counter() - start),
            "cpu": (time.process_time() - cpu) / len(times) * 1e6,
            "p50": statistics.median(times) * 1e3,
        }), flush=True)


asyncio.run(main())
