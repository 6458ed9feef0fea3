"""The live model by the API that OpenAI's clients speak, at /v1/.

https://platform.openai.com/docs/api-reference. What a request may ask stands in `request`, which
models there are in `catalogue`, the shapes of answers in `shapes`. What a client would expect to
change the answer and this server cannot do is refused by name, never overlooked.
"""
