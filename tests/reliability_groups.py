"""The 44 groups of security (S) and reliability (R) tests: what each one asks for. A test shows one by ``@pytest.mark.group("S1")``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Group:
    """mandatory: asked for before a release. left_out: why a group that nothing shows is no fault; "" for one that has to be shown."""

    name: str
    mandatory: bool
    claim: str
    left_out: str = ""


def _must(name: str, claim: str) -> Group:
    return Group(name=name, mandatory=True, claim=claim)


def _later(name: str, claim: str, left_out: str = "") -> Group:
    return Group(name=name, mandatory=False, claim=claim, left_out=left_out)


GROUPS: dict[str, Group] = {
    each.name: each
    for each in (
        _must("S1", "no spelling of a path brings a file that is not meant to be seen, on any route"),
        _must("S2", "routes of extensions, added through our helper, refuse the same paths"),
        _must("S3", "whatever text becomes a file name, the file lies below its folder under a name that every system takes"),
        _must("S4", "no setting and no override makes a file where programs are loaded from"),
        _must("S5", "a picture's address is fetched from public hosts only, within bounds, and never while the queue waits"),
        _must("S6", "a hostile model file runs nothing: not placed, listed, hashed or chosen"),
        _must("S7", "extensions are installed from plain addresses only, into their folder, and only where no stranger can ask"),
        _must("S8", "no request changes what governs the installation of extensions"),
        _must("S9", "a server that others can reach asks for a password, or was told not to"),
        _must("S10", "with a password set every route asks for it, those of tomorrow as well"),
        _must("S11", "no answer and no log tells a secret; guessing is slow; ending the server needs the password"),
        _must("S12", "files of users are shown as pictures or handed out, and never act as pages"),
        _must("S13", "no text of a prompt, a file or a card becomes a script on the page"),
        _must("S14", "pages of other sites change nothing, with a body or without"),
        _must("S15", "a name that merely resolves to this server is refused; no other origin may read answers"),
        _must("S16", "files that grow when opened are refused in a second, with little memory"),
        _must("S17", "texts of any kind are read in time that grows with their length, and no faster"),
        _later("S18", "what one visitor makes is not told to another who does not know its number",
               "all who know the password share one queue and one history, as in A1111, and the page shows them to everybody: there is nothing that one visitor could hide from another"),
        _later("S19", "control characters in texts stay texts: in logs, pictures, tables and pages"),
        _must("S20", "settings of a wrong kind change nothing, and the next start is clean"),
        _must("S21", "packages are locked with hashes, listed and held against an offline list of known holes"),
        _must("S22", "random requests after the API's own description never end in a server error"),
        _must("R1", "a kill in the middle of saving a picture leaves no half file under a final name"),
        _must("R2", "a kill in the middle of writing settings, styles, caches or the queue leaves the old or the new file"),
        _must("R3", "a full disk or a folder that cannot be written costs neither the picture nor the settings"),
        _must("R4", "damaged files of ours are set aside by name, and the server starts"),
        _must("R5", "a damaged checkpoint is refused by name, and the model before it draws the same picture"),
        _must("R6", "a LoRA that does not fit is said, and leaves nothing behind"),
        _must("R7", "results that are no numbers are found, tried again once and never saved as a black picture"),
        _must("R8", "memory that runs out leads to a smaller way or a clear error, and the next job works"),
        _must("R9", "a caller who hangs up blocks nobody and loses nothing"),
        _must("R10", "many callers at once get their own pictures, or are told when to come back"),
        _must("R11", "an interrupt at any moment stops the job it names and leaves a clean state"),
        _must("R12", "a killed server finds its queue again and does not run twice what killed it"),
        _must("R13", "checkpoints exchanged between jobs give each its own picture, without leaks"),
        _must("R14", "an extension that fails is named, and the picture is made as without it"),
        _must("R15", "saving at once from many sides never overwrites"),
        _must("R16", "a full output folder costs no time"),
        _must("R17", "folders and prompts of any script and length work"),
        _must("R18", "very long prompts work or are refused with their limit"),
        _must("R19", "sizes out of range are refused before any memory is taken"),
        _must("R20", "hours of mixed traffic lose no job, draw no wrong picture and leak nothing"),
        _later("R21", "a server that is told to end does so within seconds, its queue saved"),
        _later("R22", "tests of saving, passwords and paths notice mutated code", "no tool for mutations is among the packages, and a whole round of the suite for each changed line takes days on two cores"),
    )
}
