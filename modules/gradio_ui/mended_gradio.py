"""Gradio's own scripts with less work in them, and a fault less: where a place is found as this Gradio writes it, it is written otherwise; elsewhere the script stays.

Beside that, what they do is the same, for every page; the names of variables are taken over from what is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable

NOT_NEEDED = "hls-"  # begins the name of the player of streams: half a megabyte that only a page with streams asks for

_STREAMS = re.compile(r'import\{([\w$ ,]+)\}from"(\./hls-[^"]+)";')
_NO_PLAYER = "{n:()=>!1,r:()=>{},t:()=>{}}"  # n: whether streams can be played here
_HAS_STREAMS = 'window.gradio_config?.components?.some(c=>c.props?.streaming&&["audio","video"].includes(c.type))'

_TEMPLATE = re.compile(
    r"function (?P<name>[\w$]+)\((?P<text>\w+),(?P<values>\w+),(?P<kind>\w+)=`html`\)\{try\{(?=let \w+=\w+\.default\.compile\(.{,150}?"
    r"(?P<no_error>(?P=kind)===`html`\?\w+\(\w+,null\):(?P=kind)===`css`&&\w+\(\w+,null\)),)"
)

_CONSTRUCTOR = re.compile(
    r"constructor\((?P<given>\w+),(?P<defaults>\w+)\)\{"
    r"for\(let (\w+) in (?P=given)\.shared_props\)this\.shared\[\3\]=(?P=given)\.shared_props\[\3\];"
    r"for\(let (\w+) in (?P=given)\.props\)\4!==`i18n_store`&&\(this\.props\[\4\]=(?P=given)\.props\[\4\]\);"
    r"if\((?P=defaults)\)for\(let (\w+) in (?P=defaults)\)this\.props\[\5\]===void 0&&\(this\.props\[\5\]=(?P=defaults)\[\5\]\);"
    r"(?P<between>[^{}]{,400}?)"
    r"for\(let (\w+) of (?P<words>\w+)\)this\.shared\[\7\]=this\._translate_and_store\(`shared`,\7,(?P=given)\.shared_props\[\7\]\),"
    r"this\.props\[\7\]=this\._translate_and_store\(`props`,\7,(?P=given)\.props\[\7\]\);"
)

_CLOSED = re.compile(r"===`close_stream`\)\{(?P<close>[\w$]+\([\w$]+,(?P<client>[\w$]+)\.abort_controller\));return\}")

_TIMER = re.compile(
    r"(?P<since>performance\.now\(\)-[\w$]+\([\w$]+\)\)/1e3\),)(?P<runs>[\w$]+)&&(?P<again>[\w$]+\(\)\}\)\})"
    r"(?=.{,3000}?===`complete`\)&&[\w$]+\((?P<element>[\w$]+),[\w$]+\.autoscroll\))"
)
_LOADER = re.compile(
    r"async function (?P<turn>[\w$]+)\(\)\{await (?P<once>[\w$]+)\(\),(?P<gone>[\w$]+\([\w$]+\))\|\|(?P=turn)\(\)\}(?=.{,300}?;var (?P<element>[\w$]+)=[\w$]+\(\);)"
)

_FUNCTION = re.compile(r"catch\{(?P<plain>[\w$]+)=!1,(?P<made>[\w$]+)=new (?P<maker>[\w$]+)\((?P<text>[\w$]+)\)\}(?=return async\()")


def mended(text: str) -> str:
    """A script of Gradio's as browsers get it."""
    for pattern, written in PLACES:
        text = pattern.sub(written, text, count=1)
    return text


def _streams(found: re.Match[str]) -> str:
    names = found[1].replace(" as ", ":")
    return f'const {{{names}}}={_HAS_STREAMS}?await import("{found[2]}"):{_NO_PLAYER};'


def _template(found: re.Match[str]) -> str:
    """gr.HTML compiles two templates, and a function for each, even where the whole template is its value. That is most of them."""
    name, text, values, kind, no_error = found.group("name", "text", "values", "kind", "no_error")
    plain = f'if({text}===""||{text}==="${{value}}"&&"value"in {values}){{{no_error};return {text}&&String({values}.value)}}'
    return f"function {name}({text},{values},{kind}=`html`){{{plain}try{{"


def _constructor(found: re.Match[str]) -> str:
    """Every component begins by putting its properties one by one into an object that is watched: here they are in it when the watch begins."""
    given, defaults, between, words = found.group("given", "defaults", "between", "words")
    return (
        f"constructor({given},{defaults}){{let shared_={{...{given}.shared_props}},props_={{...{given}.props}};delete props_.i18n_store;"
        f"for(let n in {defaults}||{{}})props_[n]===void 0&&(props_[n]={defaults}[n]);"
        f"for(let n of {words})shared_[n]={given}.shared_props[n],props_[n]={given}.props[n];"
        f"this.shared=shared_,this.props=props_;{between}"
        f"for(let n of {words})for(let k of[`shared`,`props`]){{let w={given}[k===`shared`?`shared_props`:k][n],m=this._translate_and_store(k,n,w);"
        "m!==w&&(this[k][n]=m)}"
    )


def _closed(found: re.Match[str]) -> str:
    """The server closes the stream of answers when it has given the last one. Whoever asked just before that arrives would wait for the next question: here the stream is opened again."""
    close, client = found.group("close", "client")
    return f"===`close_stream`){{{close};[...{client}.unclosed_events].some(n=>n in {client}.event_callbacks)&&{client}.open_stream();return}}"


def _timer(found: re.Match[str]) -> str:
    """Whatever is at work counts its seconds, once a frame: what covers the page while it is built went on with it for ever, a tenth of a slow processor."""
    since, runs, again, element = found.group("since", "runs", "again", "element")
    return f"{since}{runs}&&{element}&&{element}.isConnected&&{again}"


def _loader(found: re.Match[str]) -> str:
    """And so did the logo that turns in it."""
    turn, once, gone, element = found.group("turn", "once", "gone", "element")
    return f"async function {turn}(){{await {once}(),{gone}||!{element}.isConnected||{turn}()}}"


def _function(found: re.Match[str]) -> str:
    """An extension's script of an event that is no JavaScript kept the page from coming up, where Gradio 3 said so in the console and went on without it."""
    plain, made, maker, text = found.group("plain", "made", "maker", "text")
    return f"catch{{{plain}=!1;try{{{made}=new {maker}({text})}}catch(n){{console.error(`Could not parse the script of an event:`,n,{text});{made}=async(...n)=>n}}}}"


PLACES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_STREAMS, _streams), (_TEMPLATE, _template), (_CONSTRUCTOR, _constructor), (_CLOSED, _closed), (_TIMER, _timer), (_LOADER, _loader),
    (_FUNCTION, _function),
)
