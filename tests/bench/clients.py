"""What a batch is measured beside: clients that do the same with no safety around it, each a program of its own.

Their arguments are BASE_URL ROWS OUT IN_FLIGHT.
"""

BARE = r"""
import asyncio, sys, aiohttp, orjson, uvloop
base, rows, out, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
async def main():
    source = enumerate(open(rows, "rb"))
    sink = open(out, "wb", buffering=0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as session:
        async def work():
            for number, line in source:
                row = orjson.loads(line)
                body = orjson.dumps({"model": "tiny", "messages": [{"role": "user", "content": row["prompt"]}]})
                headers = {"content-type": "application/json", "authorization": "Bearer sk-test"}
                async with session.post(base + "/chat/completions", data=body, headers=headers) as reply:
                    answer = orjson.loads(await reply.read())
                sink.write(orjson.dumps({"custom_id": f"row-{number}", "response": {"status_code": 200, "body": answer}}) + b"\n")
        await asyncio.gather(*(work() for _ in range(limit)))
uvloop.run(main())
"""

LIBCURL = r"""
import sys, orjson, pycurl
base, rows, out, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
source, sink, multi, under_way = enumerate(open(rows, "rb")), open(out, "wb", buffering=0), pycurl.CurlMulti(), {}
def begin(easy):
    number, line = next(source, (None, None))
    if line is None:
        return
    body = orjson.dumps({"model": "tiny", "messages": [{"role": "user", "content": orjson.loads(line)["prompt"]}]})
    pieces = []
    easy.setopt(pycurl.POSTFIELDS, body)
    easy.setopt(pycurl.WRITEFUNCTION, pieces.append)
    under_way[easy] = number, pieces
    multi.add_handle(easy)
for _ in range(limit):
    easy = pycurl.Curl()
    easy.setopt(pycurl.URL, base + "/chat/completions")
    easy.setopt(pycurl.HTTPHEADER, ["content-type: application/json", "authorization: Bearer sk-test", "expect:"])
    begin(easy)
while under_way:
    multi.perform()
    more = 1
    while more:
        more, done, failed = multi.info_read()
        assert not failed, failed
        for easy in done:
            multi.remove_handle(easy)
            number, pieces = under_way.pop(easy)
            answer = orjson.loads(b"".join(pieces))
            sink.write(orjson.dumps({"custom_id": f"row-{number}", "response": {"status_code": 200, "body": answer}}) + b"\n")
            begin(easy)
    multi.select(1.0)
"""

TUTORIAL = r"""
import asyncio, json, sys, openai
base, rows, out, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
async def main():
    client = openai.AsyncOpenAI(base_url=base, api_key="sk-test")
    semaphore = asyncio.Semaphore(limit)
    async def one(prompt):
        async with semaphore:
            return await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": prompt}])
    answers = await asyncio.gather(*(one(json.loads(line)["prompt"]) for line in open(rows)))
    with open(out, "w") as sink:
        for answer in answers:
            sink.write(json.dumps(answer.model_dump()) + "\n")
asyncio.run(main())
"""
