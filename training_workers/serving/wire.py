"""What the web process and the serving process say to each other. Knows no torch and no Django.

A question is pushed on one list; whoever serves pops it. Its answer is a Redis stream of its own,
so that a reader that reconnects goes on where it was. Events, in order:

- `route`: {"release", "strategy", "level", "expert", "experts", "confidence", "reason",
  "neighbours": [{"prompt", "similarity", "right"}]}: whom the router would ask first, who answers
  alone where the level is "routing"; `experts` are those that the shares of tokens may name.
  Release, strategy and level are None where the base answers for want of a release;
- `token`: {"text"}, as many as it takes, and "shares": {expert id, "" for the base: share} where
  several models chose it together (level "logit");
- `done`: {"tokens", "seconds", "credit": [{"expert", "share"}], "steps": [{"expert", "asked",
  "answered"}], "generations"}, or `error`: {"message"}. Credit is whom the answer is owed to, the
  largest share first; steps are there where more than one question was asked on the way.

An expert is {"id", "name", "owner", "owner_id"}; None is the base.
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
