"""`.venv-bench/bin/python bare_obstore.py URL FOLDER TASKS PUTS_PER_TASK CONCURRENCY`: PUTs, with obstore."""

import asyncio
import json
import os
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from obstore.store import S3Store

METADATA = {"message_id": "0" * 36, "receipt_handle": "A" * 412, "metadata": "{" + "x" * 900 + "}"}


async def main(
    url: str, bodies: list[bytes], tasks: int, per_task: int, concurrency: int
) -> dict[str, float]:
    store = S3Store(
        "tiles.local.boss",
        endpoint=url,
        region="us-east-1",
        access_key_id="AKIA" + "X" * 16,
        secret_access_key="s" * 40,
        session_token="t" * 400,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    async def all_of(count: int) -> None:
        work = enumerate(islice(cycle(bodies), count))

        async def worker() -> None:
            for number, body in work:
                key = f"f4b6ba6c7f3ef6a5d1e0c4b3&4&9&27&0&0&0&{number}&0"
                await store.put_async(key, body, attributes=METADATA, use_multipart=False)

        await asyncio.gather(*(worker() for _ in range(concurrency)))

    await all_of(min(concurrency, tasks * per_task))
    cpu, wall = time.process_time(), time.perf_counter()
    await all_of(tasks * per_task)
    return {"tasks": tasks, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


if __name__ == "__main__":
    files = sorted(Path(sys.argv[2]).iterdir())
    numbers = map(int, sys.argv[3:])
    told = asyncio.run(main(sys.argv[1], [path.read_bytes() for path in files], *numbers))
    print(json.dumps(told), flush=True)
    os._exit(0)  # some versions abort while the interpreter ends
