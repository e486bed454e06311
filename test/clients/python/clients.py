"""The official packages for Python, unchanged but for URL and key.

Reads what to do as JSON from its standard input: {"prompts", "answers", "called", "cells": [{"client", "call", "place"}]}, and writes one
line of JSON for each cell, in their order: {"problem": null}, or what went wrong.
"""

import asyncio
import json
import struct
import sys
import traceback

import anthropic
import openai
from pydantic import BaseModel

plan = json.load(sys.stdin)
prompts, answers, called = plan["prompts"], plan["answers"], plan["called"]
calls = {}


class Weather(BaseModel):
    city: str
    celsius: float


def row(client, call):
    def keep(function):
        calls[(client, call)] = function
        return function

    return keep


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def user(content):
    return {"role": "user", "content": content}


class Toolbox:
    """The tools of the comparison: it remembers what they were called with."""

    schemas = {
        "celsius": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "difference": {
            "type": "object",
            "properties": {"of": {"type": "array", "items": {"type": "number"}}},
            "required": ["of"],
        },
    }

    def __init__(self):
        self.seen = []

    def run(self, name, arguments):
        self.seen.append(arguments)
        if name == "celsius":
            return "30" if arguments["city"] == "Rome" else "21"
        equal(name, "difference")
        return "9"


def openai_at(place):
    return openai.OpenAI(base_url=f"{place['url']}/v1", api_key="any", max_retries=0)


@row("openai", "chat.completions.create")
def chat(place):
    answer = openai_at(place).chat.completions.create(model=place["chat"], messages=[user(prompts["say"])])
    equal(answer.choices[0].message.content, prompts["say"])
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)


@row("openai", "chat.completions.create, stream")
def chat_stream(place):
    stream = openai_at(place).chat.completions.create(
        model=place["chat"], messages=[user(prompts["say"])], stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    equal("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices), prompts["say"])
    equal([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason], ["stop"])
    equal(chunks[-1].choices, [])
    equal(chunks[-1].usage.prompt_tokens > 0, True)


@row("openai", "chat.completions.create, async")
def chat_async(place):
    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{place['url']}/v1", api_key="any", max_retries=0) as client:
            whole = await client.chat.completions.create(model=place["chat"], messages=[user(prompts["say"])])
            stream = await client.chat.completions.create(model=place["chat"], messages=[user(prompts["say"])], stream=True)
            return whole.choices[0].message.content, "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    equal(asyncio.run(ask()), (prompts["say"], prompts["say"]))


@row("openai", "chat.completions.stream() helper")
def chat_helper(place):
    with openai_at(place).chat.completions.stream(model=place["chat"], messages=[user(prompts["say"])]) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        equal(stream.get_final_completion().choices[0].message.content, prompts["say"])
    equal("".join(deltas), prompts["say"])


@row("openai", "chat.completions.parse with a model of pydantic")
def chat_parse(place):
    answer = openai_at(place).chat.completions.parse(
        model=place["chat"], messages=[user(prompts["json"])], response_format=Weather
    )
    equal(isinstance(answer.choices[0].message.parsed, Weather), True)


@row("openai", "chat.completions.create, tools by hand, two calls at once")
def chat_tools(place):
    toolbox = Toolbox()
    tools = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in toolbox.schemas.items()]
    messages = [user(prompts["compare"])]
    for _ in range(4):
        message = openai_at(place).chat.completions.create(model=place["chat"], messages=messages, tools=tools).choices[0].message
        if not message.tool_calls:
            break
        messages.append(message)
        for call in message.tool_calls:
            content = toolbox.run(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    equal(message.content, answers["compared"])
    equal(toolbox.seen, called)


@row("openai", "embeddings.create, by default and float")
def embeddings(place):
    client = openai_at(place)
    vectors = [item.embedding for item in client.embeddings.create(model=place["embedding"], input=["one", "two"]).data]
    float_ = client.embeddings.create(model=place["embedding"], input=["one", "two"], encoding_format="float").data
    # By default the package asks for base64 and unpacks it, so these have the precision of four bytes.
    equal([[round_to_float(value) for value in item.embedding] for item in float_], [list(vector) for vector in vectors])
    equal([len(vector) > 0 for vector in vectors], [True, True])


def round_to_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]


@row("openai", "models.list, models.retrieve")
def models(place):
    name = place["chat"].split("/", 1)[1]
    client = openai_at(place)
    equal(name in [model.id for model in client.models.list()], True)
    equal(client.models.retrieve(name).id, name)


@row("openai", "responses.create")
def responses(place):
    answer = openai_at(place).responses.create(model=place["chat"], input=prompts["say"], instructions="be exact")
    equal((answer.status, answer.output_text), ("completed", prompts["say"]))
    equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)


@row("openai", "responses.create, stream")
def responses_stream(place):
    events = list(openai_at(place).responses.create(model=place["chat"], input=prompts["say"], stream=True))
    equal("".join(event.delta for event in events if event.type == "response.output_text.delta"), prompts["say"])
    equal([event.sequence_number for event in events], list(range(len(events))))
    equal((events[-1].type, events[-1].response.status), ("response.completed", "completed"))


@row("openai", "responses.parse with a model of pydantic")
def responses_parse(place):
    answer = openai_at(place).responses.parse(model=place["chat"], input=prompts["json"], text_format=Weather)
    equal(isinstance(answer.output_parsed, Weather), True)


def responses_loop(place, ask):
    toolbox = Toolbox()
    tools = [
        {"type": "function", "name": name, "parameters": schema, "strict": False} for name, schema in toolbox.schemas.items()
    ]
    items = [user(prompts["compare"])]
    for _ in range(4):
        answer = ask(openai_at(place), model=place["chat"], input=items, tools=tools, store=False)
        found = [item for item in answer.output if item.type == "function_call"]
        if not found:
            break
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
        for call in found:
            output = toolbox.run(call.name, json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    equal(answer.output_text, answers["compared"])
    equal(toolbox.seen, called)


@row("openai", "responses.create, function loop, two calls at once")
def responses_tools(place):
    responses_loop(place, lambda client, **body: client.responses.create(**body))


@row("openai", "responses.stream() helper, function loop")
def responses_tools_stream(place):
    def ask(client, **body):
        with client.responses.stream(**body) as stream:
            return stream.until_done().get_final_response()

    responses_loop(place, ask)


def anthropic_at(place, **credential):
    return anthropic.Anthropic(base_url=place["url"], max_retries=0, **(credential or {"api_key": "any"}))


def spoken(content):
    return [block.text for block in content if block.type == "text"]


def say(client, place):
    message = client.messages.create(model=place["chat"], max_tokens=2000, messages=[user(prompts["say"])])
    equal((message.role, message.stop_reason, spoken(message.content)), ("assistant", "end_turn", [prompts["say"]]))
    equal(message.usage.output_tokens > 0, True)


@row("anthropic", "messages.create, x-api-key")
def messages_key(place):
    say(anthropic_at(place), place)


@row("anthropic", "messages.create, bearer token")
def messages_token(place):
    say(anthropic_at(place, auth_token="any"), place)


@row("anthropic", "messages.create, async")
def messages_async(place):
    async def ask():
        async with anthropic.AsyncAnthropic(base_url=place["url"], api_key="any", max_retries=0) as client:
            return await client.messages.create(model=place["chat"], max_tokens=2000, messages=[user(prompts["say"])])

    equal(spoken(asyncio.run(ask()).content), [prompts["say"]])


@row("anthropic", "messages.stream() helper")
def messages_stream(place):
    with anthropic_at(place).messages.stream(model=place["chat"], max_tokens=2000, messages=[user(prompts["say"])]) as stream:
        equal("".join(stream.text_stream), prompts["say"])
        equal(stream.get_final_message().stop_reason, "end_turn")


@row("anthropic", "messages.create, tools by hand, two calls at once")
def messages_tools(place):
    toolbox = Toolbox()
    tools = [{"name": name, "input_schema": schema} for name, schema in toolbox.schemas.items()]
    messages = [user(prompts["compare"])]
    for _ in range(4):
        answer = anthropic_at(place).messages.create(model=place["chat"], max_tokens=2000, messages=messages, tools=tools)
        found = [block for block in answer.content if block.type == "tool_use"]
        if not found:
            break
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": toolbox.run(block.name, block.input)} for block in found
        ]
        messages += [{"role": "assistant", "content": answer.content}, user(results)]
    equal(spoken(answer.content), [answers["compared"]])
    equal(toolbox.seen, called)


@row("anthropic", "beta.messages.tool_runner")
def messages_runner(place):
    toolbox = Toolbox()

    @anthropic.beta_tool
    def celsius(city: str) -> str:
        """Temperature of a city."""
        return toolbox.run("celsius", {"city": city})

    @anthropic.beta_tool
    def difference(of: list[float]) -> str:
        """Difference of two numbers."""
        return toolbox.run("difference", {"of": of})

    runner = anthropic_at(place).beta.messages.tool_runner(
        model=place["chat"], max_tokens=2000, messages=[user(prompts["compare"])], tools=[celsius, difference]
    )
    equal(spoken(runner.until_done().content), [answers["compared"]])
    equal(toolbox.seen, called)


@row("anthropic", "messages.create with thinking, and back")
def messages_thinking(place):
    body = {"model": place["thinking"], "max_tokens": 2000, "thinking": {"type": "adaptive"}}
    first = [user(prompts["think"])]
    client = anthropic_at(place)
    with client.messages.stream(messages=first, **body) as stream:
        streamed = stream.get_final_message()
    for message in [client.messages.create(messages=first, **body), streamed]:
        equal([block.type for block in message.content], ["thinking", "text"])
        equal((message.content[0].thinking, message.content[1].text), (answers["thinking"], answers["thought"]))
        again = [*first, {"role": "assistant", "content": message.content}, user(prompts["say"])]
        equal(spoken(client.messages.create(messages=again, **body).content), [prompts["say"]])


@row("anthropic", "messages.count_tokens")
def messages_count(place):
    equal(anthropic_at(place).messages.count_tokens(model=place["chat"], messages=[user(prompts["say"])]).input_tokens > 0, True)


@row("anthropic", "models.list, models.retrieve")
def messages_models(place):
    name = place["chat"].split("/", 1)[1]
    client = anthropic_at(place)
    equal(name in [model.id for model in client.models.list(limit=5)], True)
    equal(client.models.retrieve(name).id, name)


for cell in plan["cells"]:
    problem = None
    try:
        calls[(cell["client"], cell["call"])](cell["place"])
    except Exception as error:
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps({"problem": problem}), flush=True)
