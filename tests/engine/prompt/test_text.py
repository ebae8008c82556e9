"""Cleaning, comments, tags and styles: what happens to a prompt as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.engine.extra_networks import LoraRequest, lora_requests, take_out_batch_tags, take_out_tags
from modules.engine.prompt_cleaning import clean_text
from modules.engine.prompt_comments import strip_comments
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.styles import Style, apply_styles, change_style, find_styles, merge_style, read_styles, set_aside_damaged


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A  Cat\n", "a cat"), ("“quoted” ‘it’", "\"quoted\" 'it'"), ("ﬁne", "fine"), ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"), ("cafe\u0301", "caf\u00e9"),
        ("a &amp; b", "a & b"), ("<b> &amp;", "<b> &amp;"), ("&amp;\n<", "& <"), ("&EACUTE;", "\u00e9"), ("a\x00b\x1b[31mc", "abc"),
        ("\ud83d\ude00", "😀"), ("\ud83d", "\ufffd"), ("\x85", "…"),
    ],
)  # fmt: skip
def test_clean_text(text, clean):
    assert clean_text(text) == clean


@given(st.text(st.characters()))
def test_any_text_is_cleaned_and_tokenised(text):
    assert clean_text(text).encode("utf-8") is not None
    assert all(0 <= token < 49408 for token in prompt_tokenizer().tokenize(text))


@pytest.mark.parametrize(
    ("prompt", "left"),
    [("a cat", "a cat"), ("a # b\nc", "a \nc"), ("# a\nb", "\nb"), ("a\n# b\nc", "a\nc"), ("#", "\n"), ("a # b", "a \n")],
)
def test_comments(prompt, left):
    assert strip_comments(prompt) == left


def test_tags_are_taken_out_whatever_their_kind():
    prompt, tags = take_out_tags("a <lora:x:0.5> b <unknown:y> <plain> <:z> <lora:>")
    assert prompt == "a  b  <plain> <:z> <lora:>"
    assert [(tag.kind, tag.positional) for tag in tags] == [("lora", ("x", "0.5")), ("unknown", ("y",))]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<lora:a>", LoraRequest(name="a")),
        ("<lora:a:0.6>", LoraRequest(name="a", text_strength=0.6, unet_strength=0.6)),
        ("<lora:a:0.6:0.2>", LoraRequest(name="a", text_strength=0.6, unet_strength=0.2)),
        ("<lora:a:te=0.6:unet=0>", LoraRequest(name="a", text_strength=0.6, unet_strength=0.0)),
        ("<lora:a:1:unet=0.5>", LoraRequest(name="a", text_strength=1.0, unet_strength=0.5)),
        ("<lora:a:1:1:dyn=8>", LoraRequest(name="a", dynamic_rank=8)),
        ("<lora:a:1:1:8>", LoraRequest(name="a", dynamic_rank=8)),
        ("<lyco:a:-1>", LoraRequest(name="a", text_strength=-1.0, unet_strength=-1.0)),
    ],
)
def test_lora_tags(tag, expected):
    assert lora_requests(take_out_tags(tag)[1]) == ((expected,), ())


def test_a_lora_named_twice_is_applied_twice_with_its_last_strength():
    """So A1111 does it, whatever the first tag says: pictures whose prompts name one twice come out the same."""
    requests, _ = lora_requests(take_out_tags("<lora:a:0.5> <lora:b:1> <lora:a:0.2>")[1])
    assert [(each.name, each.unet_strength) for each in requests] == [("a", 0.2), ("b", 1.0), ("a", 0.2)]


@pytest.mark.parametrize("tag", ["<lora:a:much>", "<lora:a:nan>", "<lora:a:1:1:dyn=x>", "<lora:a:1e99>"])
def test_a_tag_that_cannot_be_read_is_left_out_with_a_sentence(tag):
    requests, problems = lora_requests(take_out_tags(tag)[1])
    assert requests == () and "no strength" in problems[0]


def test_the_first_prompt_of_a_batch_names_the_networks():
    prompts, tags = take_out_batch_tags(["a<lora:x>", "b<lora:y>"])
    assert prompts == ["a", "b"] and [tag.positional for tag in tags] == [("x",)]


@given(st.text(alphabet="<>ab:=1 \n"))
def test_taking_tags_out_adds_nothing(prompt):
    left, tags = take_out_tags(prompt)
    assert len(left) + sum(len(tag.kind) + 3 for tag in tags) <= len(prompt)


@pytest.mark.parametrize(
    ("style", "prompt", "merged"),
    [("{prompt}, oil", "a cat", "a cat, oil"), ("oil", " a cat ", "a cat, oil"), ("oil", "", "oil"), ("", "a cat", "a cat"),
     ("{prompt} and {prompt}", "a", "a and a"), (" ", " a ", "a")],
)
def test_merging_a_style(style, prompt, merged):
    assert merge_style(style, prompt) == merged


def test_styles_apply_in_order_and_unknown_ones_are_named():
    styles = {"one": Style(name="one", prompt="{prompt}, 1", negative_prompt="n"), "two": Style(name="two", prompt="2")}
    assert apply_styles("p", "", ["one", "gone", "two"], styles) == ("p, 1, 2", "n", ("gone",))


def test_styles_survive_saving_with_a_backup(tmp_path):
    path = tmp_path / "styles.csv"
    styles = [Style(name='a "b", c', prompt="line\nbreak, ünïcode 🐱", negative_prompt="x"), Style(name="d", prompt="{prompt}")]
    for style in styles:
        change_style(path, style.name, style)
    assert [(style.name, style.prompt, style.negative_prompt) for style in read_styles([path]).values()] == [
        (style.name, style.prompt, style.negative_prompt) for style in styles]
    change_style(path, "d", None)
    assert list(read_styles([path])) == ['a "b", c'] and len(read_styles([path.with_name("styles.csv.bak")])) == 2


def test_a_change_of_one_style_leaves_the_rest_of_its_file(tmp_path):
    path = tmp_path / "styles.csv"
    path.write_text("name,prompt,negative_prompt,rating\n# mine,,,\ntwice,first,,1\ntwice,second,,2\nold,text,,5\n")
    change_style(path, "twice", Style(name="twice", prompt="third"))
    change_style(path, "new", Style(name="new", prompt="n"))
    change_style(path, "old", None)
    assert path.read_text(encoding="utf-8-sig").split() == ["name,prompt,negative_prompt,rating", "#", "mine,,,", "twice,first,,1", "twice,third,,2", "new,n,,"]


def test_old_and_odd_style_files_are_read(tmp_path):
    old, odd, bad = (tmp_path / name for name in ("old.csv", "odd.csv", "bad.csv"))
    old.write_text("name,text\na,b\n")
    odd.write_bytes("\ufeffname, prompt, negative_prompt\n# note,x,y\n\nc, d\n".encode())
    bad.write_bytes(b"\xff\xfe\x00")
    found = read_styles([tmp_path / "none.csv", old, odd, bad])
    assert {name: (style.prompt, style.path) for name, style in found.items()} == {"a": ("b", old), "c": ("d", odd)}


@pytest.mark.parametrize("heading", ["", "Name,Prompt,Negative prompt\n"])
def test_a_style_file_without_our_heading_is_read_and_gets_it(tmp_path, heading):
    path = tmp_path / "styles.csv"
    path.write_text(heading + 'ink,"{prompt}, ink, paper",photo\n\nglow,glowing,\n')
    assert [(style.name, style.prompt, style.negative_prompt) for style in read_styles([path]).values()] == [("ink", "{prompt}, ink, paper", "photo"), ("glow", "glowing", "")]
    change_style(path, "new", Style(name="new", prompt="n"))
    assert path.read_text(encoding="utf-8-sig").split("\n")[0].strip() == "name,prompt,negative_prompt"
    assert list(read_styles([path])) == ["ink", "glow", "new"]


@pytest.mark.parametrize("text", ["a cat, sitting, on a mat\na dog, running\n", "same,a,b\nsame,c,d\n", "<p>a,b,c</p>\n", "one\ntwo\n", ",a,b\n"])
def test_what_may_be_anything_is_no_style_file(tmp_path, text):
    path = tmp_path / "styles.csv"
    path.write_text(text)
    assert set_aside_damaged([path]) and read_styles([path]) == {}


def test_applied_styles_are_found_again():
    styles = {"oil": Style(name="oil", prompt="{prompt}, oil", negative_prompt="photo"), "big": Style(name="big", prompt="big")}
    applied = apply_styles("a cat", "blur", ["oil", "big"], styles)
    assert find_styles(applied[0], applied[1], styles.values()) == (["oil", "big"], "a cat", "blur")


def test_a_style_that_ends_in_a_blank_is_found_in_a_picture_whose_text_does_not_keep_it():
    style = Style(name="fine", prompt="{prompt}, masterpiece, ", negative_prompt=" blurry, ")
    prompt, negative, _ = apply_styles("a cat", "", ["fine"], {"fine": style})
    assert find_styles(prompt.strip(), negative.strip(), [style]) == (["fine"], "a cat", "")
