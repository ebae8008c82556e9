"""The counter beside the prompt box: tokens of the longest text that the prompt becomes, and where the next chunk begins."""

from __future__ import annotations

from collections.abc import Sequence

from modules.engine.extra_networks import take_out_tags
from modules.engine.prompt_chunks import Chunking, EmbeddingFinder, NoEmbeddings
from modules.engine.prompt_comments import strip_comments
from modules.engine.prompt_schedule import pass_timeline, schedule_prompt, split_and
from modules.engine.prompt_tokens import chunked_limit, prompt_tokenizer
from modules.engine.styles import merge_style


def count_tokens(
    prompt: str,
    style_texts: Sequence[str] = (),
    *,
    is_negative: bool = False,
    steps: int = 20,
    emphasis: str = "Original",
    comma_backtrack: int = 20,
    comments: bool = True,
    embeddings: EmbeddingFinder | None = None,
) -> tuple[int, int]:
    """(count, limit) as A1111 shows them, such as 5/75. Loads the vocabulary, no model and no torch.

    style_texts: the chosen styles' texts for this prompt, in order; empty where the setting leaves them out.
    is_negative: AND means nothing there. comments: whether ``#`` begins one.
    embeddings: without them the words that name one are counted as words.
    """
    text = strip_comments(prompt) if comments else prompt
    for style_text in style_texts:
        text = merge_style(style_text, text)
    text = take_out_tags(text)[0]
    parts = [text] if is_negative else [part.text for part in split_and(text)]
    rules = Chunking(tokenizer=prompt_tokenizer(), emphasis=emphasis, comma_backtrack=comma_backtrack, embeddings=embeddings or NoEmbeddings())
    texts = {entry.text for part in parts for entry in schedule_prompt(part, pass_timeline(max(steps, 1)))}
    count = max(rules.chunks(each)[1] for each in texts)
    return count, chunked_limit(count)
