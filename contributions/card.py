"""The card of a dataset: as the README.md that the Hugging Face Hub reads, and as safe HTML."""

import nh3
import yaml
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from contributions.filenames import rows_name
from contributions.licences import LICENCES
from contributions.models import Dataset, DatasetVersion

# Those of the Hub's tasks that examples in text can serve. https://huggingface.co/tasks
TASKS = {
    "question-answering": "Question answering",
    "text-classification": "Text classification",
    "multiple-choice": "Multiple choice",
    "summarization": "Summarization",
    "translation": "Translation",
    "text-generation": "Text generation, conversation",
}

# Written as it is shown: a line's end is a line's end. HTML in it stays text.
_MARKDOWN = MarkdownIt("js-default", {"breaks": True, "linkify": False}).disable(
    ["image", "table", "heading", "lheading"]
)
_TAGS = {"p", "br", "ul", "ol", "li", "em", "strong", "s", "code", "pre", "blockquote", "a", "hr"}


def as_html(markdown: str) -> SafeString:
    """What a member wrote, with its paragraphs, lists, links and code; the rest stays text.

    No headings, which belong to the page, and no images, which would call on other sites.
    """
    html = nh3.clean(
        _MARKDOWN.render(markdown),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    # Safe: nh3 has let through nothing but these tags and links.
    return mark_safe(html)


def readme(dataset: Dataset, version: DatasetVersion | None) -> str:
    """The card as Markdown with the head that the Hub uses; `version`: the newest valid one.

    https://huggingface.co/docs/hub/datasets-cards
    """
    head = yaml.safe_dump(_head(dataset, version), sort_keys=False, allow_unicode=True)
    sections = [
        ("Where it comes from", dataset.origin),
        ("What it does not cover", dataset.limits),
        ("Whom to credit", credited(dataset)),
        ("The data", _data(version) if version else ""),
    ]
    body = [f"# {dataset.name}", dataset.summary]
    body += [f"## {title}\n\n{text}" for title, text in sections if text]
    return f"---\n{head}---\n\n" + "\n\n".join(part for part in body if part) + "\n"


def credited(dataset: Dataset) -> str:
    """Whom a licence that asks for credit means."""
    return dataset.credit or dataset.owner.display_name


def _head(dataset: Dataset, version: DatasetVersion | None) -> dict[str, object]:
    licence = LICENCES.get(dataset.licence)
    head: dict[str, object] = {"pretty_name": dataset.name}
    if licence:
        head["license"] = licence.hub
    if licence and licence.hub == "other":
        head |= {"license_name": licence.id.lower(), "license_link": licence.url}
    head |= {
        "language": dataset.languages,
        "task_categories": dataset.tasks,
        "tags": dataset.tags,
    }
    if version:
        head["size_categories"] = [_size(version.rows)]
        files = [{"split": "train", "path": rows_name(version)}]
        head["configs"] = [{"config_name": "default", "data_files": files}]
    return {key: value for key, value in head.items() if value}


def _size(rows: int) -> str:
    """One of the Hub's size categories."""
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    limits = [10**power for power in range(3, 10)]
    above = sum(rows >= limit for limit in limits)
    if above == 0:
        return "n<1K"
    return f"{names[above - 1]}<n<{names[above]}" if above < len(names) else "1B<n<10B"


def _data(version: DatasetVersion) -> str:
    return (
        f"`{rows_name(version)}` holds version {version.number}: {version.rows:,} rows of `prompt` "
        f"and `completion`, checked, each once. They were made from a file of "
        f"{version.size:,} bytes with the SHA-256 `{version.sha256}`."
    )
