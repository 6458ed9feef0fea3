"""What the web process and the serving process say to each other. Knows no torch and no Django.

A question is pushed on one list; whoever serves pops it. Its answer is a Redis stream of its own,
so that a reader that reconnects goes on where it was. Events, in order:

- `route`: {"release", "expert": {"id", "name", "owner", "owner_id"} | None, "confidence",
  "reason", "neighbours": [{"prompt", "similarity", "right"}]}; expert None is the base alone;
- `token`: {"text"}, as many as it takes;
- `done`: {"tokens", "seconds"}, or `error`: {"message"}.
"""

from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]

QUESTIONS = "mosaic:serve:questions"
ALIVE = "mosaic:serve:alive"
# Seconds after which a serving process that says nothing counts as away.
ALIVE_SECONDS = 10
# Questions that may wait before a new one is told that the model is busy.
MOST_WAITING = 64
# Seconds an answer stays readable.
ANSWER_SECONDS = 600
# The first event comes as soon as a question is taken. One that was taken this many seconds ago
# without a word was lost, and is asked again.
LOST_SECONDS = 10
# Seconds without any event after which an asker gives up.
PATIENCE_SECONDS = 60


def answer_key(question_id: str) -> str:
    return f"mosaic:serve:answer:{question_id}"
