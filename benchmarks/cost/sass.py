"""Machine code as nvdisasm prints it: instructions, basic blocks and natural loops."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

_SECTION = re.compile(r"^\.text\.(\S+):$")
_LABEL = re.compile(r"^(\S+):$")
_LOCATION = re.compile(r'//## File "([^"]*)", line (\d+)')
_INSTRUCTION = re.compile(
    r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;"
)
_TARGET = re.compile(r"`\(([^)]*)\)")
STEP = 16  # bytes of an instruction
ENDS = {"BRA", "EXIT", "RET", "BSYNC", "BAR", "WARPSYNC", "CALL", "BRX", "JMP"}


@dataclass
class Instruction:
    """One instruction.

    Attributes:
        address: in bytes from the function's start.
        guard: the predicate before it, such as ``!P0``, or "".
        opcode: with its modifiers, such as ``IMAD.WIDE``.
        operands: as printed, without ``.reuse``.
        target: the address that a label among the operands stands for.
        lines: (file, line), the innermost inlined function's first.
    """

    address: int
    guard: str
    opcode: str
    operands: list[str]
    target: int | None
    lines: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return self.opcode.split(".")[0]

    @property
    def modifiers(self) -> list[str]:
        return self.opcode.split(".")[1:]


@dataclass
class Loop:
    """A natural loop: indices of its instructions, its first, and its branches back to that."""

    header: int
    back: list[int]
    body: list[int]


@dataclass
class Function:
    name: str
    code: list[Instruction] = field(default_factory=list)

    def leaders(self) -> list[int]:
        """Indices at which basic blocks begin."""
        first = {0} | {i.target // STEP for i in self.code if i.target is not None}
        first |= {n + 1 for n, i in enumerate(self.code) if i.name in ENDS}
        return sorted(n for n in first if n < len(self.code))

    def successors(self) -> dict[int, list[int]]:
        """Of each block, by first instructions. A call goes on behind itself."""
        leaders = self.leaders()
        result = {}
        for begin, end in zip(leaders, [*leaders[1:], len(self.code)], strict=True):
            last = self.code[end - 1]
            after = []
            if last.name == "BRA" and last.target is not None:
                after.append(last.target // STEP)
            always = (
                last.name in ("BRA", "EXIT", "RET") and not last.guard and len(last.operands) < 2
            )
            if not always and end < len(self.code):
                after.append(end)
            result[begin] = after
        return result

    def loops(self) -> list[Loop]:
        """Natural loops, outer ones first; loops of one header are one."""
        successors = self.successors()
        roots = {0} | {i.target // STEP for i in self.code if i.name == "CALL" and i.target}
        before: dict[int, list[int]] = {block: [] for block in successors}
        for block, after in successors.items():
            for other in after:
                before[other].append(block)
        dominators = _dominators(before, roots)
        leaders = [*successors, len(self.code)]
        end_of = dict(pairwise(leaders))
        found: dict[int, tuple[list[int], set[int]]] = {}
        for block, after in successors.items():
            for header in after:
                if header in dominators[block]:
                    back, body = found.setdefault(header, ([], {header}))
                    back.append(end_of[block] - 1)
                    _reach_back(block, before, body)
        loops = [
            Loop(header, back, [n for b in sorted(body) for n in range(b, end_of[b])])
            for header, (back, body) in found.items()
        ]
        return sorted(loops, key=lambda loop: -len(loop.body))


def _reach_back(block: int, before: dict[int, list[int]], body: set[int]) -> None:
    stack = [block]
    while stack:
        if (at := stack.pop()) not in body:
            body.add(at)
            stack += before[at]


def _dominators(before: dict[int, list[int]], roots: set[int]) -> dict[int, set[int]]:
    """Which blocks lie on every way to each, of blocks with those that come just before them."""
    everything = set(before)
    dominators = {block: {block} if block in roots else everything for block in before}
    changed = True
    while changed:
        changed = False
        for block in before:
            if block in roots or not before[block]:
                continue
            new = {block} | set.intersection(*(dominators[other] for other in before[block]))
            if new != dominators[block]:
                dominators[block], changed = new, True
    return dominators


def parse(text: str) -> list[Function]:
    """The functions of `nvdisasm -c -gi`'s output.

    Raises:
        ValueError: a label is not defined in its function.
    """
    functions: list[Function] = []
    labels: dict[str, int] = {}
    names: list[str] = []  # of labels, per instruction of the function at hand
    location: list[tuple[str, int]] = []
    fresh = False  # the location has been read to its end

    def close() -> None:
        if functions:
            for instruction, label in zip(functions[-1].code, names, strict=True):
                if label and instruction.name in ("BRA", "CALL", "BSSY"):
                    if label not in labels:
                        raise ValueError(f"{functions[-1].name}: no label {label}")
                    instruction.target = labels[label]
        labels.clear()
        names.clear()

    for line in text.splitlines():
        if section := _SECTION.match(line):
            close()
            functions.append(Function(section[1]))
            location, fresh = [], True
        elif place := _LOCATION.search(line):
            location = [] if fresh else location
            location.append((place[1], int(place[2])))
            fresh = False
        elif (label := _LABEL.match(line)) and functions:
            labels[label[1]] = len(functions[-1].code) * STEP
        elif (found := _INSTRUCTION.match(line)) and functions:
            fresh = True
            target = _TARGET.search(found[4])
            listed = re.sub(r'\(\*"SpillRefill"\*\)', "", found[4]).replace(".reuse", "")
            operands = [part.strip() for part in listed.split(",")]
            functions[-1].code.append(
                Instruction(
                    int(found[1], 16), found[2] or "", found[3],
                    [part for part in operands if part], None, tuple(location),
                )
            )  # fmt: skip
            names.append(target[1] if target else "")
    close()
    return functions


def parse_constants(text: str) -> list[bytes | None]:
    """What each address in constant bank 4 points to, to the end of its section; None: zeros."""
    values: dict[str, bytearray] = {}
    names: list[str] = []
    section = ""
    for line in text.splitlines():
        if found := re.match(r"\s*\.section\s+([^,\s]+)", line):
            section = found[1]
        elif section == ".nv.constant4" and (found := re.search(r"\.dword\s+(\S+)", line)):
            names.append(found[1])
        elif section == ".nv.global.init":
            if found := _LABEL.match(line):
                values[found[1]] = bytearray()
            elif found := re.search(r"\.byte\s+(.*)", line):
                for value in values.values():
                    value += bytes(int(x, 16) for x in found[1].split(","))
    return [bytes(values[name]) if name in values else None for name in names]
