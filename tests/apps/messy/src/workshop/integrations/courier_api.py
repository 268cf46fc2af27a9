import json
import os
import urllib.request

COURIER_URL = os.getenv("COURIER_URL", "https://courier.example")  # ORG007


def post(path: str, body: dict[str, str]) -> dict[str, str]:
    request = urllib.request.Request(COURIER_URL + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:  # ASY001
        answer: dict[str, str] = json.load(response)
    return answer
