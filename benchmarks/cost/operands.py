"""Operands of machine code as C++ expressions, of lane `l` of warp `w`."""

from __future__ import annotations

import re
from collections.abc import Callable


class Unknown(Exception):
    """What is not translated; kernels fail where they come to it."""


REGISTER = re.compile(r"^(U?R)(\d+|Z)(?:\.\w+)*$")
CONSTANT = re.compile(r"^c\[(0x[0-9a-f]+)\]\[(.*)\]$")
_ADDRESS = re.compile(r"^(?:desc\[\w+\])?\[(.*)\]$")
SPECIAL = {
    "SR_TID.X": "w.tid[0][l]", "SR_TID.Y": "w.tid[1][l]", "SR_TID.Z": "w.tid[2][l]",
    "SR_CTAID.X": "w.block->index[0]", "SR_CTAID.Y": "w.block->index[1]",
    "SR_CTAID.Z": "w.block->index[2]", "SR_LANEID": "u32(l)", "SR_CgaCtaId": "0u",
    "SR_SWINHI": "kSharedWindow", "SRZ": "0u",
}  # fmt: skip


def bits(operand: str, carry: bool = False) -> str:
    """32 bits as an unsigned number; with `carry` 33, where minus is the complement and 1."""
    if operand[0] in "-~" and not re.match(r"^-(0x|\d)", operand):
        inner = bits(operand[1:])
        if operand[0] == "~":
            return f"(~{inner})"
        return f"(u64(~{inner}) + 1)" if carry else f"(0u - {inner})"
    if operand[0] == "|":
        return f"u32(std::abs(int({bits(operand.strip('|'))})))"
    if match := REGISTER.match(operand):
        return register(match[1], match[2])
    if match := CONSTANT.match(operand):
        return f"word(w, {offset(match)})"
    if operand in SPECIAL:
        return SPECIAL[operand]
    if re.match(r"^-?(0x[0-9a-f]+|\d+)$", operand):
        return f"{int(operand, 0) & 0xFFFFFFFF:#x}u"
    raise Unknown(operand)


def wide(operand: str) -> str:
    """64 bits: a pair of registers, or an immediate or a constant."""
    if operand[0] == "-" and not re.match(r"^-(0x|\d)", operand):
        return f"(u64(0) - {wide(operand[1:])})"
    if match := REGISTER.match(operand):
        if match[2] == "Z":
            return "u64(0)"
        low, high = int(match[2]), int(match[2]) + 1
        return f"pair_of({register(match[1], low)}, {register(match[1], high)})"
    if match := CONSTANT.match(operand):
        return f"word64(w, {offset(match)})"
    return f"u64(int64_t(int({bits(operand)})))"


def number(operand: str, double: bool = False) -> str:
    """A floating-point number."""
    if operand[0] == "-" and not re.match(r"^-(\d|\.|INF|QNAN)", operand):
        return f"(-{number(operand[1:], double)})"
    if operand[0] == "|":
        return f"std::fabs({number(operand.strip('|'), double)})"
    kind = "double" if double else "float"
    text = operand.strip("+ ")
    if text.endswith(("INF", "QNAN")):
        return f"({kind}({'-' if text[0] == '-' else ''}{'NAN' if 'NAN' in text else 'INFINITY'}))"
    if REGISTER.match(operand) or CONSTANT.match(operand):
        return f"f64({wide(operand)})" if double else f"f32({bits(operand)})"
    if re.match(r"^-?\d", text):
        return f"{kind}({float(text)!r})"
    raise Unknown(operand)


def truth(operand: str) -> str:
    """A predicate as a bool."""
    if operand.startswith("!"):
        return f"(!{truth(operand[1:])})"
    if operand in ("PT", "UPT"):
        return "true"
    if not re.match(r"^U?P\d$", operand):
        raise Unknown(operand)
    return f"(w.{'up' if operand[0] == 'U' else 'p'}[{operand[-1]}] >> l & 1)"


def register(kind: str, index: int | str) -> str:
    if index == "Z":
        return "0u"
    return f"w.u[{index}]" if kind == "UR" else f"w.r[{index}][l]"


def offset(match: re.Match[str]) -> str:
    bank = {0: "", 4: "kBank4 + "}.get(int(match[1], 16))
    if bank is None:
        raise Unknown(match[0])
    return f"u32({bank}{_sum(match[2], bits)})"


def _sum(text: str, of: Callable[[str], str]) -> str:
    return " + ".join(of(part) for part in text.split("+") if part)


def address(operand: str) -> str:
    """Of 64 bits where a register has them, else of 32."""
    match = _ADDRESS.match(operand)
    if match is None:
        raise Unknown(operand)
    parts = match[1].split("+")
    long = any(".64" in part for part in parts)

    def term(part: str) -> str:
        if scaled := re.match(r"^(\w+)\.X(\d+)$", part):
            return f"{bits(scaled[1])} * {scaled[2]}u"
        if ".64" in part or (long and part.startswith("UR")):
            return wide(part)
        return f"u64(int64_t(int({bits(part)})))" if long else bits(part)

    total = " + ".join(term(part) for part in parts if part)
    return total if long else f"u64(u32({total}))"


# --- destinations --------------------------------------------------------------------------------


def put(to: str, value: str) -> str:
    match = REGISTER.match(to)
    if match is None:
        raise Unknown(to)
    return f"(void)({value});" if match[2] == "Z" else f"{register(match[1], match[2])} = {value};"


def put_wide(to: str, value: str) -> str:
    match = REGISTER.match(to)
    if match is None or match[2] == "Z":
        return ";"
    low, high = (register(match[1], int(match[2]) + i) for i in (0, 1))
    return f"{{ const u64 v = {value}; {low} = u32(v); {high} = u32(v >> 32); }}"


def put_truth(to: str, value: str) -> str:
    if to in ("PT", "UPT"):
        return ";"
    if to[0] == "U":
        return f"w.up[{to[-1]}] = ({value}) ? ~0u : 0u;"
    return f"set(w.p[{to[-1]}], l, {value});"
