"""Gets a URL with a Python client: LIBRARY URL [RANGE]. LIBRARY is requests, raw (requests, not decoded) or httpx."""

import shutil
import sys

library, url, *ranges = sys.argv[1:]
headers = {"Range": ranges[0]} if ranges else {}
if library == "httpx":
    import httpx

    sys.stdout.buffer.write(httpx.get(url, headers=headers).content)
else:
    import requests

    response = requests.get(url, headers=headers, stream=library == "raw")
    if library == "raw":
        shutil.copyfileobj(response.raw, sys.stdout.buffer)
    else:
        sys.stdout.buffer.write(response.content)
