"""What attackers send: spellings of paths, texts that want to be scripts, pictures that grow, texts that parsers choke on."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

CLIMBS = (
    "../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "..%252f", "....//", "..././", ".%2e/", "%2e./", "..;/", "..%00/", "%c0%ae%c0%ae/",
    "..%c0%af", "\u2024\u2024/", "．．/", "../x/../../", ".../", "/../", "//../", "\\..\\", "./../", "..//", "%5c..%5c", "a/../../",
)  # fmt: skip
GOALS = ("etc/passwd", "config.json", "outside/secret.txt")
ABSOLUTE = (
    "/etc/passwd", "//etc/passwd", "///etc/passwd", "/./etc/passwd", "/etc/./passwd", "/etc/passwd/", "/etc/passwd%00.png", "/etc/passwd\x00.png", "/etc//passwd", "%2fetc%2fpasswd",
    "%252fetc%252fpasswd", "file:///etc/passwd", "file:/etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd", "/proc/self/environ", "/proc/self/cmdline",
    "/proc/self/root/etc/passwd", "/proc/self/cwd/config.json", "/proc/1/cwd/config.json", "/dev/fd/0", "/dev/stdin", "C:/Windows/win.ini", "C:\\Windows\\win.ini", "c:win.ini",
    "\\\\host\\share\\x.png", "//host/share/x.png", "\\\\?\\C:\\x.png", "~/.ssh/id_rsa", "~root/.bashrc", "$HOME/.bashrc", "%USERPROFILE%\\x", "ftp://host/x", "gopher://host/x",
    "data:text/html,x", "javascript:alert(1)", "\\etc\\passwd", "/ETC/PASSWD", "/etc/passwd.", "/etc/passwd ", "/etc/passwd?x.png", "/etc/passwd#.png", "/etc/passwd;.png", "", ".", "..", "/",
    "\\", "%00", "\n", "\r\n", "a" * 5000, "a/" * 3000, "CON", "nul.txt", "aux.png", "COM1", "\ud800", "x\u202egnp.txt", " ", "%", "%zz", "%2", "*", "?", "[a-z]*", "|id", ";id", "$(id)", "`id`",
)  # fmt: skip
INSIDE = (
    "config.json", "CONFIG.JSON", "config.json.bak", "ui-config.json", "params.txt", ".env", "styles.csv", "cache/private.sqlite3", "cache/jobs.sqlite3", "cache/password.txt",
    "cache/thumbnails/x.txt", "extensions/visitor/.git/config", "extensions/visitor/secret.py", "extensions/visitor/scripts/visitor.py", "extensions/visitor/config.json",
    "extensions/visitor/out/secret.txt", "extensions/visitor/out/a.js", "models/Stable-diffusion/real.safetensors", "models/Lora/card.txt", "models/Lora/out/secret.png",
    "outputs/.hidden.png", "outputs/link.png", "outputs/way/secret.png", "outputs/model.safetensors", "outputs/code.py", "outputs", "outputs/", "models", "tmp/note.key",
    "outputs/../config.json", "outputs/%2e%2e/config.json", "outputs/..%2fconfig.json", "outputs\\..\\config.json", "outputs/./../config.json", "outputs//../config.json",
)  # fmt: skip


@cache
def spellings(folder: Path) -> tuple[str, ...]:
    """About 240 paths that must bring nothing: out of every folder, absolute, into places of ours that are not for the eyes of the page."""
    climbing = [climb * 8 + goal for climb, goal in product(CLIMBS, GOALS)]
    inside = [spelled for path in INSIDE for spelled in (path, f"{folder}/{path}")]
    outside = folder.with_name(folder.name + "-outside")
    return tuple(dict.fromkeys([*climbing, *ABSOLUTE, *inside, f"{outside}/secret.png", f"{outside}/secret.txt", f"../{outside.name}/secret.png"]))


FEW = ("../../../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%252e%252e%252fetc%252fpasswd", "..\\..\\etc\\passwd", "/etc/passwd", "%00", "\ud800", "a" * 5000,
       "/proc/self/environ", "config.json", "", "-1", "99999999999999999999", "\r\nSet-Cookie: a=b", "'\"<script>", "null")  # fmt: skip


SCRIPTS = (
    "<script>pwned()</script>", "<img src=x onerror=pwned()>", "<svg onload=pwned()>", "\"><script>pwned()</script>", "'><img src=x onerror=pwned()>", "</script><script>pwned()</script>",
    "</textarea><script>pwned()</script>", "</title><svg/onload=pwned()>", "<iframe srcdoc='<script>parent.pwned()</script>'>", "<a href=javascript:pwned()>x</a>",
    "<details open ontoggle=pwned()>", "<body onload=pwned()>", "<input autofocus onfocus=pwned()>", "<video><source onerror=pwned()></video>", "<math><mtext></form><form><mglyph><style></math><img src onerror=pwned()>",
    "javascript:pwned()", "[x](javascript:pwned())", "![x](x\" onerror=\"pwned())", "\" onmouseover=\"pwned()\" x=\"", "' onfocus='pwned()' autofocus='", "`${pwned()}`", "{{constructor.constructor('pwned()')()}}",
    "<!--><img src=x onerror=pwned()>-->", "<![CDATA[<img src=x onerror=pwned()>]]>", "&lt;script&gt;pwned()&lt;/script&gt;", "&#60;img src=x onerror=pwned()&#62;", "\\u003cimg src=x onerror=pwned()\\u003e",
    "<scr<script>ipt>pwned()</scr</script>ipt>", "<IMG SRC=x OnErRoR=pwned()>", "<img/src='x'/onerror=pwned()>", "<svg><animate onbegin=pwned() attributeName=x dur=1s>", "<marquee onstart=pwned()>",
    "<object data=\"data:text/html,<script>parent.pwned()</script>\">", "<embed src=\"javascript:pwned()\">", "<base href=//evil.example/>", "<meta http-equiv=refresh content=\"0;url=javascript:pwned()\">",
    "<link rel=stylesheet href=//evil.example/x.css>", "<style>@import '//evil.example/x.css'</style>", "<form action=//evil.example><button>x</button></form>", "<x contenteditable onblur=pwned()>",
)  # fmt: skip


def scripts() -> Iterator[str]:
    """200 texts that run ``pwned()`` where somebody takes them for HTML or code."""
    for wrap in ("{}", "cat {} dog", "\n{}\n", "<b>{}", "Steps: 20, Size: 64x64, x: \"{}\""):
        yield from (wrap.replace("{}", each) for each in SCRIPTS)


# -- pictures that grow ---------------------------------------------------------------------------------------------------


def png(width: int, height: int, *, data: bytes = b"", chunks: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = data or zlib.compress(b"\0" * (width * 3 + 1) * min(height, 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def zeros(megabytes: int) -> bytes:
    """So many megabytes of nothing, compressed by zlib to a thousandth."""
    packer = zlib.compressobj(9)
    block = b"\0" * 2**20
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


LARGE_WEBP = "144 megapixel WebP"


@cache
def bombs(megabytes: int = 256) -> dict[str, bytes]:
    """Files of pictures; ``megabytes``: how much some of them would unpack to."""
    from PIL import Image

    small = io.BytesIO()
    frames = [Image.new("P", (8, 8), each % 256) for each in range(400)]
    frames[0].save(small, "GIF", save_all=True, append_images=frames[1:], duration=20)
    gif = bytearray(small.getvalue())
    frame = bytes(gif[gif.index(b"\x21\xf9") : -1])
    tiff = io.BytesIO()
    Image.new("L", (64, 64)).save(tiff, "TIFF", compression="tiff_deflate")
    webp = io.BytesIO()
    Image.new("RGB", (12_000, 12_000)).save(webp, "WEBP", lossless=True, method=0, quality=0) if megabytes > 256 else None
    found = {
        "60,000 x 60,000 PNG": png(60_000, 60_000),
        "tall PNG": png(1, 2_000_000_000),
        "PNG that inflates": png(64, 64, data=zeros(megabytes)),
        "zTXt": png(8, 8, chunks=((b"zTXt", b"parameters\0\0" + zeros(megabytes)),)),
        "iTXt": png(8, 8, chunks=((b"iTXt", b"parameters\0\1\0\0\0" + zeros(megabytes)),)),
        "iCCP": png(8, 8, chunks=((b"iCCP", b"icc\0\0" + zeros(megabytes)),)),
        "many text chunks": png(8, 8, chunks=tuple((b"tEXt", b"k%d\0" % each + b"x" * 1000) for each in range(5_000))),
        "GIF of many frames": bytes(gif[:-1]) + frame * (100_000 // 400) + b";",
        "lying length": b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0x7FFFFFFF) + b"IHDR" + b"\0" * 100,
        "TIFF with a huge size": tiff.getvalue().replace(struct.pack("<HHII", 256, 4, 1, 64), struct.pack("<HHII", 256, 4, 1, 2**31 - 1)),
        "BMP with a huge size": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0) + b"\0" * 64,
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='100000' height='100000'><script>1</script></svg>",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100000 100000\n(/etc/passwd) (r) file\n",
        "zip": b"PK\x03\x04" + b"\0" * 100,
        "nothing": b"",
    }
    jpeg2000 = io.BytesIO()
    Image.new("RGB", (64, 64)).save(jpeg2000, "JPEG2000")
    size = struct.pack(">II", 64, 64)
    found["JPEG 2000 with a huge size"] = jpeg2000.getvalue().replace(size, struct.pack(">II", 30_000, 30_000))
    found["PPM in words"] = b"P3 7000 7000 255\n" + b"1 " * 1000
    inner = png(12_000, 12_000)
    found["icon with a huge picture in it"] = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 64, 64, 0, 0, 1, 32, len(inner), 22) + inner
    found["TGA with a huge size"] = bytes((0, 0, 10)) + b"\0" * 9 + struct.pack("<HHBB", 65535, 65535, 24, 0) + b"\xff\0\0\0" * 100
    found["comments before no SVG"] = b"<!-- -->" * 480 + b"<nothing>"
    if webp.getvalue():
        found[LARGE_WEBP] = webp.getvalue()
    return found


# -- texts that parsers choke on ------------------------------------------------------------------------------------------

SIZE = 64_000


def parser_texts(size: int = SIZE) -> dict[str, str]:
    """Each of about ``size`` characters."""
    shapes = {
        "open [": "[", "open (": "(", "open {": "{", "open <": "<", "close": ")]}>", "escapes": "\\", "colons": ":", "bars": "|", "commas": ",", "AND": " AND ", "BREAK": " BREAK ",
        "editing": "[a:b:0.5]", "alternation": "[a|b]", "weights": "(a:1.1)", "wildcards": "__a__", "choices": "{a|b}", "lora": "<lora:a:1>", "half lora": "<lora:", "half weight": "(a:",
        "half edit": "[a:b:", "letters": "a", "blanks": " ", "lines": "\n", "quotes": '"', "infotext": "Steps: 20, ", "key": "a: ", "json": '{"a":', "hash": "# ", "comment": "/* ", "emoji": "👩‍👩‍👧‍👦",
        "surrogates": "\ud800", "null": "\0", "rtl": "\u202e", "numbers": "9", "dots": ".", "minus": "-", "plus-minus": "1-2(+1)", "count": "1-9 [9]", "csv": '"a,', "negative": "Negative prompt: ",
        "weights deep": "(((a:1.1):1.1):1.1)", "mixed": "[(a:[b|{c|__d__}]:0.5):1.1]",
    }  # fmt: skip
    texts = {name: part * (size // len(part)) for name, part in shapes.items()}
    half = size // 2
    texts |= {
        "nested editing": "[" * half + "a" + ":b:0.5]" * (half // 7), "nested weights": "(" * half + "a" + ")" * half, "nested alternation": "[a|" * (half // 3) + "]" * (half // 3),
        "nested choices": "{a|" * (half // 3) + "}" * (half // 3), "D1": "[" * 300 + "a" + ":b:10]" * 300, "long number": "[a:b:" + "9" * half + "]", "long name": "<lora:" + "a" * half + ":1>",
    }  # fmt: skip
    return texts
