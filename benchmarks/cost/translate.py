"""Machine code to C++ that machine.h runs: one statement an instruction, for all lanes of a warp.

Names and operands of instructions are as NVIDIA's CUDA binary utilities print them; what an
instruction does that no document tells in full is checked by what kernels compute with it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from benchmarks.cost.sass import STEP, Function, Instruction


class Unknown(Exception):
    """An instruction that is not translated; kernels fail where they come to it."""


_REGISTER = re.compile(r"^(U?R)(\d+|Z)(?:\.\w+)*$")
_CONSTANT = re.compile(r"^c\[(0x[0-9a-f]+)\]\[(.*)\]$")
_ADDRESS = re.compile(r"^(?:desc\[\w+\])?\[(.*)\]$")
COMPARE = {"LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "EQ": "==", "NE": "!="}
COMBINE = {"AND": "&&", "OR": "||", "XOR": "!="}
ROUND = {"RM": "FE_DOWNWARD", "RP": "FE_UPWARD", "RZ": "FE_TOWARDZERO"}
SPECIAL = {
    "SR_TID.X": "w.tid[0][l]", "SR_TID.Y": "w.tid[1][l]", "SR_TID.Z": "w.tid[2][l]",
    "SR_CTAID.X": "w.block->index[0]", "SR_CTAID.Y": "w.block->index[1]",
    "SR_CTAID.Z": "w.block->index[2]", "SR_LANEID": "u32(l)", "SR_CgaCtaId": "0u",
    "SR_SWINHI": "kSharedWindow", "SRZ": "0u",
}  # fmt: skip


# --- operands: C++ expressions of lane l ---------------------------------------------------------


def bits(operand: str, carry: bool = False) -> str:
    """32 bits as an unsigned number; with `carry` 33, where minus is the complement and 1."""
    if operand[0] in "-~" and not re.match(r"^-(0x|\d)", operand):
        inner = bits(operand[1:])
        if operand[0] == "~":
            return f"(~{inner})"
        return f"(u64(~{inner}) + 1)" if carry else f"(0u - {inner})"
    if operand[0] == "|":
        return f"u32(std::abs(int({bits(operand.strip('|'))})))"
    if match := _REGISTER.match(operand):
        return _register(match[1], match[2])
    if match := _CONSTANT.match(operand):
        return f"word(w, {_offset(match)})"
    if operand in SPECIAL:
        return SPECIAL[operand]
    if re.match(r"^-?(0x[0-9a-f]+|\d+)$", operand):
        return f"{int(operand, 0) & 0xFFFFFFFF:#x}u"
    raise Unknown(operand)


def wide(operand: str) -> str:
    """64 bits: a pair of registers, or an immediate or a constant."""
    if operand[0] == "-" and not re.match(r"^-(0x|\d)", operand):
        return f"(u64(0) - {wide(operand[1:])})"
    if match := _REGISTER.match(operand):
        if match[2] == "Z":
            return "u64(0)"
        low, high = int(match[2]), int(match[2]) + 1
        return f"pair_of({_register(match[1], low)}, {_register(match[1], high)})"
    if match := _CONSTANT.match(operand):
        return f"word64(w, {_offset(match)})"
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
    if _REGISTER.match(operand) or _CONSTANT.match(operand):
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
    return f"(w.{'up' if operand[0] == 'U' else 'p'}[{operand[-1]}] >> l & 1)"


def _register(kind: str, index: int | str) -> str:
    if index == "Z":
        return "0u"
    return f"w.u[{index}]" if kind == "UR" else f"w.r[{index}][l]"


def _offset(match: re.Match[str]) -> str:
    bank = {0: "", 4: "kBank4 + "}.get(int(match[1], 16))
    if bank is None:
        raise Unknown(match[0])
    return f"u32({bank}{_sum(match[2], bits)})"


def _sum(text: str, of: Callable[[str], str]) -> str:
    return " + ".join(of(part) for part in text.split("+") if part)


def _address(operand: str) -> str:
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
    match = _REGISTER.match(to)
    if match is None:
        raise Unknown(to)
    return f"(void)({value});" if match[2] == "Z" else f"{_register(match[1], match[2])} = {value};"


def put_wide(to: str, value: str) -> str:
    match = _REGISTER.match(to)
    if match is None or match[2] == "Z":
        return ";"
    low, high = (_register(match[1], int(match[2]) + i) for i in (0, 1))
    return f"{{ const u64 v = {value}; {low} = u32(v); {high} = u32(v >> 32); }}"


def put_truth(to: str, value: str) -> str:
    if to in ("PT", "UPT"):
        return ";"
    if to[0] == "U":
        return f"w.up[{to[-1]}] = ({value}) ? ~0u : 0u;"
    return f"set(w.p[{to[-1]}], l, {value});"


# --- instructions, for one lane ------------------------------------------------------------------


def _split(operands: list[str]) -> tuple[list[str], list[str]]:
    """Predicates behind the first operand, and the others."""
    count = 1
    while count < len(operands) and re.match(r"^U?P(\d|T)$", operands[count]):
        count += 1
    return operands[1:count], [operands[0], *operands[count:]]


def _add(i: Instruction) -> str:
    carries, (to, *terms) = _split(i.operands)
    extra = [part for part in terms if re.match(r"^!?U?P(\d|T)$", part)]
    terms = [part for part in terms if part not in extra]
    total = " + ".join(
        [f"u64({bits(t, carry=True)})" for t in terms]
        + [f"u64({truth(p)})" for p in extra if i.modifiers]
    )
    outs = "".join(put_truth(c, f"s >> 32 >= {n}u") for n, c in enumerate(carries, 1))
    return f"{{ const u64 s = {total}; {put(to, 'u32(s)')} {outs} }}"


def _multiply(i: Instruction) -> str:
    carries, (to, a, b, *rest) = _split(i.operands)
    signed = "U32" not in i.modifiers
    carry = truth(rest[1]) if "X" in i.modifiers else "0"
    if "WIDE" in i.modifiers or "HI" in i.modifiers:
        kind = "u64(int64_t(int({})) * int({}))" if signed else "u64({}) * {}"
        product = kind.format(bits(a), bits(b))
        total = f"u128({product}) + {wide(rest[0])} + {carry}"
        store = put_wide(to, "u64(s)") if "WIDE" in i.modifiers else put(to, "u32(s >> 32)")
        outs = "".join(put_truth(c, "s >> 64 & 1") for c in carries)
        return f"{{ const u128 s = {total}; {store} {outs} }}"
    return put(to, f"{bits(a)} * {bits(b)} + {bits(rest[0])} + {carry}")


def _scaled_add(i: Instruction) -> str:
    carries, (to, a, b, *rest) = _split(i.operands)
    carry = ""
    if "X" in i.modifiers:
        carry = f" + u64({truth(rest.pop())})"
    if "HI" in i.modifiers:
        high = f"u32(int({bits(a)}) >> 31)" if "SX32" in i.modifiers else bits(rest.pop(0))
        shifted = f"pair_of({bits(a)}, {high}) >> (32 - {int(rest[0], 0)})"
    else:
        shifted = f"{bits(a)} << {int(rest[0], 0)}"
    total = f"u64(u32({shifted})) + u64({bits(b, carry=True)}){carry}"
    outs = "".join(put_truth(c, "s >> 32 & 1") for c in carries)
    return f"{{ const u64 s = {total}; {put(to, 'u32(s)')} {outs} }}"


def _shift(i: Instruction) -> str:
    to, a, by, c = i.operands
    both, count = f"pair_of({bits(a)}, {bits(c)})", bits(by)
    wide_ones = {"U64", "S64"} & set(i.modifiers)
    limit = 63 if wide_ones else 32
    count = (
        f"({count} & {limit})"
        if "W" in i.modifiers
        else f"least<u32>({count}, {limit + 1 if wide_ones else 32}u)"
    )
    if "L" in i.modifiers:
        if "HI" in i.modifiers:
            return put(to, f"u32(shift_left({both}, {count}) >> 32)")
        return put(to, f"u32(shift_left({bits(a)}, {count}))")
    if "S32" in i.modifiers or "S64" in i.modifiers:
        shifted = f"u64(int64_t({both}) >> least<u32>({count}, 63u))"
    else:
        shifted = f"shift_right({both}, {count})"
    return put(to, f"u32({shifted} >> 32)" if "HI" in i.modifiers else f"u32({shifted})")


def _compare(i: Instruction) -> str:
    first, second, a, b, *extra = i.operands
    compare, combine = i.modifiers[0], next(m for m in i.modifiers if m in COMBINE)
    kind = "u32" if "U32" in i.modifiers else "int"
    left, right = f"{kind}({bits(a)})", f"{kind}({bits(b)})"
    value = f"{left} {COMPARE[compare]} {right}"
    if "EX" in i.modifiers:
        low = truth(extra[1])
        value = f"({left} == {right} ? {low} : {left} {COMPARE[compare]} {right})"
    return _predicates(first, second, value, combine, truth(extra[0]))


def _compare_numbers(i: Instruction) -> str:
    double = i.name == "DSETP"
    first, second, a, b, extra = i.operands
    combine = next(m for m in i.modifiers if m in COMBINE)
    return _predicates(first, second, _ordered(i, a, b, double), combine, truth(extra))


def _ordered(i: Instruction, a: str, b: str, double: bool) -> str:
    left, right = number(a, double), number(b, double)
    nan = f"(std::isnan({left}) || std::isnan({right}))"
    compare = next(m for m in i.modifiers if m[:2] in {*COMPARE, "NA", "NU"} and m != "FTZ")
    if compare == "NAN":
        return nan
    if compare == "NUM":
        return f"!{nan}"
    unordered = len(compare) == 3
    symbol = COMPARE[compare[:2]]
    if compare == "NE":  # of ordered numbers, other than C++'s
        return f"(!{nan} && {left} != {right})"
    return f"({nan} || {left} {symbol} {right})" if unordered else f"({left} {symbol} {right})"


def _predicates(first: str, second: str, value: str, combine: str, extra: str) -> str:
    symbol = COMBINE[combine]
    return (
        f"{{ const bool v = {value}, e = {extra}; {put_truth(first, f'v {symbol} e')} "
        f"{put_truth(second, f'!v {symbol} e')} }}"
    )


def _logic(i: Instruction) -> str:
    operands = i.operands
    predicate = operands.pop(0) if re.match(r"^U?P(\d|T)$", operands[0]) else "PT"
    to, a, b, c, table, extra = operands
    value = _table(int(table, 16))
    sources = f"const u32 x = {bits(a)}, y = {bits(b)}, z = {bits(c)}, v = {value};"
    out = put_truth(predicate, f"(v != 0) || {truth(extra)}")
    return f"{{ {sources} {put(to, 'v')} {out} }}"


def _table(table: int) -> str:
    """Of x, y and z, bit by bit, what the bits of `table` say of their eight combinations."""
    for short, value in (("x & y", 0xC0), ("x | y", 0xFC), ("x ^ y", 0x3C), ("~y", 0x33)):
        if table == value:
            return short
    names = [("~x", "x"), ("~y", "y"), ("~z", "z")]
    terms = [
        " & ".join(name[n >> shift & 1] for name, shift in zip(names, (2, 1, 0), strict=True))
        for n in range(8)
        if table >> n & 1
    ]
    return " | ".join(f"({term})" for term in terms) or "0u"


def _predicate_logic(i: Instruction) -> str:
    first, second, a, b, c, *tables = i.operands
    index = f"(u32({truth(a)}) << 2 | u32({truth(b)}) << 1 | u32({truth(c)}))"
    outs = [put_truth(p, f"{t} >> n & 1") for p, t in zip((first, second), tables, strict=True)]
    return f"{{ const u32 n = {index}; {' '.join(outs)} }}"


def _numbers(i: Instruction) -> str:
    double = i.name[0] == "D"
    to, *terms = i.operands
    values = [number(t, double) for t in terms]
    value = {
        "ADD": lambda a, b: f"{a} + {b}",
        "MUL": lambda a, b: f"{a} * {b}",
        "FMA": lambda a, b, c: f"std::fma({a}, {b}, {c})",
    }[i.name[1:]](*values)
    if mode := next((ROUND[m] for m in i.modifiers if m in ROUND), None):
        value = f"rounded({mode}, [&] {{ return {value}; }})"
    if "SAT" in i.modifiers:
        value = f"saturated({value})"
    return put_wide(to, f"b64({value})") if double else put(to, f"b32({value})")


def _special_function(i: Instruction) -> str:
    to, a = i.operands
    kind, x = i.modifiers[0], None if i.modifiers[0].endswith("64H") else number(a)
    if kind in ("RCP64H", "RSQ64H"):
        y = f"f64(pair_of(0u, {bits(a)}))"
        y = f"1.0 / {y}" if kind == "RCP64H" else f"1.0 / std::sqrt({y})"
        return put(to, f"u32(b64({y}) >> 32)")
    value = {
        "RCP": f"1.0f / {x}", "RSQ": f"1.0f / std::sqrt({x})", "SQRT": f"std::sqrt({x})",
        "EX2": f"std::exp2({x})", "LG2": f"std::log2({x})", "SIN": f"std::sin({x})",
        "COS": f"std::cos({x})",
    }.get(kind)  # fmt: skip
    if value is None:
        raise Unknown(i.opcode)
    return put(to, f"b32({value})")


def _to_number(i: Instruction) -> str:
    to, a = i.operands
    names = i.modifiers
    source = (
        "int64_t"
        if "S64" in names
        else "u64"
        if "U64" in names
        else "u32"
        if "U32" in names
        else "int"
    )
    value = f"{source}({wide(a) if '64' in source else bits(a)})"
    if {"U8", "S8", "U16", "S16"} & set(names):
        raise Unknown(i.opcode)
    if "F64" in names:
        return put_wide(to, f"b64(double({value}))")
    if mode := next((ROUND[m] for m in names if m in ROUND), None):
        # The number goes through memory, so that the conversion is not made beforehand.
        return put(
            to,
            f"b32(rounded({mode}, [&] {{ const volatile auto x = {value}; return float(x); }}))",
        )
    return put(to, f"b32(float({value}))")


def _to_integer(i: Instruction) -> str:
    to, a = i.operands
    names = i.modifiers
    target = (
        "int64_t"
        if "S64" in names
        else "u64"
        if "U64" in names
        else "u32"
        if "U32" in names
        else "int"
    )
    mode = "FE_TOWARDZERO" if "TRUNC" in names else "FE_TONEAREST"
    value = f"to_integer<{target}>({number(a, 'F64' in names)}, {mode})"
    return put_wide(to, f"u64({value})") if "64" in target else put(to, f"u32({value})")


def _between_numbers(i: Instruction) -> str:
    to, a = i.operands
    if i.modifiers == ["F32", "F64"]:
        return put(to, f"b32(float({number(a, True)}))")
    if i.modifiers == ["F64", "F32"]:
        return put_wide(to, f"b64(double({number(a)}))")
    raise Unknown(i.opcode)


def _whole(i: Instruction) -> str:
    how = {"": "nearbyint", "TRUNC": "trunc", "FLOOR": "floor", "CEIL": "ceil"}
    double = "F64" in i.modifiers
    name = "".join(m for m in i.modifiers if m != "F64")
    if name not in how:
        raise Unknown(i.opcode)
    value = f"std::{how[name]}({number(i.operands[1], double)})"
    to = i.operands[0]
    return put_wide(to, f"b64({value})") if double else put(to, f"b32({value})")


def _halves(i: Instruction) -> str:
    """A pair of half-precision constants, as compilers load them."""
    to, a, b, high, low = i.operands
    if {a.strip("-"), b.strip("-")} != {"RZ"}:
        raise Unknown(i.opcode)
    packed = [struct.unpack("<H", struct.pack("<e", float(x)))[0] for x in (high, low)]
    return put(to, f"{packed[0] << 16 | packed[1]:#x}u")


def _load_constant(i: Instruction) -> str:
    to, a = i.operands
    if "64" in i.modifiers:
        return put_wide(to, wide(a))
    for name, mask in (("U8", "0xffu"), ("U16", "0xffffu")):
        if name in i.modifiers:
            match = _CONSTANT.match(a)
            if match is None:
                raise Unknown(a)
            at = _offset(match)
            return put(to, f"word(w, ({at}) & ~3u) >> (8 * (({at}) & 3u)) & {mask}")
    return put(to, bits(a))


def _select(i: Instruction) -> str:
    to, a, b, predicate = i.operands
    as_bits = (lambda x: f"b32({number(x)})") if i.name == "FSEL" else bits
    return put(to, f"{truth(predicate)} ? {as_bits(a)} : {as_bits(b)}")


def _bounds(i: Instruction) -> str:
    to, *terms, low = i.operands
    if i.name == "FMNMX":
        a, b = (number(t) for t in terms)
        keep = str("NAN" in i.modifiers).lower()
        return put(to, f"b32(bound({a}, {b}, {truth(low)}, {keep}))")
    kind = "u32" if "U32" in i.modifiers else "int"
    if i.name == "VIADDMNMX":
        terms = [f"{bits(terms[0])} + {bits(terms[1])}", bits(terms[2])]
    else:
        terms = [bits(t) for t in terms]
    a, b = (f"{kind}({t})" for t in terms)
    return put(to, f"u32({truth(low)} ? least({a}, {b}) : most({a}, {b}))")


def _pack(i: Instruction) -> str:
    to, a, b = i.operands
    if i.modifiers == ["F16", "F32", "PACK_AB"]:
        half = "u32(std::bit_cast<uint16_t>(_Float16({})))"
    elif i.modifiers == ["BF16", "F32", "PACK_AB"]:
        half = "bfloat16({})"
    else:
        raise Unknown(i.opcode)
    return put(to, f"{half.format(number(a))} << 16 | {half.format(number(b))}")


def _from_predicates(i: Instruction) -> str:
    to, _, keep, mask = i.operands
    current = " | ".join(f"(w.p[{n}] >> l & 1) << {n}" for n in range(7))
    return put(to, f"({bits(keep)} & ~{mask}u) | (({current}) & {mask}u)")


def _to_predicates(i: Instruction) -> str:
    _, a, mask = i.operands
    chosen = [n for n in range(7) if int(mask, 0) >> n & 1]
    return f"{{ const u32 v = {bits(a)}; {' '.join(f'set(w.p[{n}], l, v >> {n} & 1);' for n in chosen)} }}"


def _leading(i: Instruction) -> str:
    a = bits(i.operands[1])
    if "U32" not in i.modifiers:
        raise Unknown(i.opcode)
    position = f"u32(std::countl_zero({a}))"
    found = position if "SH" in i.modifiers else f"31u - {position}"
    return put(i.operands[0], f"{a} == 0 ? ~0u : {found}")


LANE: dict[str, Callable[[Instruction], str]] = {
    "IADD3": _add, "UIADD3": _add, "VIADD": _add, "IADD": _add,
    "IMAD": _multiply, "UIMAD": _multiply, "LEA": _scaled_add, "ULEA": _scaled_add,
    "SHF": _shift, "USHF": _shift, "ISETP": _compare, "UISETP": _compare,
    "FSETP": _compare_numbers, "DSETP": _compare_numbers,
    "LOP3": _logic, "ULOP3": _logic, "PLOP3": _predicate_logic, "UPLOP3": _predicate_logic,
    "FADD": _numbers, "FMUL": _numbers, "FFMA": _numbers,
    "DADD": _numbers, "DMUL": _numbers, "DFMA": _numbers,
    "MUFU": _special_function, "I2F": _to_number, "I2FP": _to_number, "F2I": _to_integer,
    "F2F": _between_numbers, "FRND": _whole, "HFMA2": _halves, "F2FP": _pack,
    "LDC": _load_constant, "ULDC": _load_constant,
    "SEL": _select, "USEL": _select, "FSEL": _select,
    "FMNMX": _bounds, "VIMNMX": _bounds, "VIADDMNMX": _bounds,
    "P2R": _from_predicates, "R2P": _to_predicates, "FLO": _leading,
    "MOV": lambda i: put(i.operands[0], bits(i.operands[1])),
    "UMOV": lambda i: put(i.operands[0], bits(i.operands[1])),
    "S2R": lambda i: put(i.operands[0], bits(i.operands[1])),
    "S2UR": lambda i: put(i.operands[0], bits(i.operands[1])),
    "CS2R": lambda i: (put if "32" in i.modifiers else put_wide)(
        i.operands[0], bits(i.operands[1])
    ),
    "IABS": lambda i: put(i.operands[0], f"u32(std::abs(int({bits(i.operands[1])})))"),
    "BREV": lambda i: put(i.operands[0], f"reversed({bits(i.operands[1])})"),
    "POPC": lambda i: put(i.operands[0], f"u32(std::popcount({bits(i.operands[1])}))"),
    "PRMT": lambda i: put(i.operands[0], f"permute({', '.join(map(bits, i.operands[1:]))})"),
    "UPRMT": lambda i: put(i.operands[0], f"permute({', '.join(map(bits, i.operands[1:]))})"),
    "FSET": lambda i: put(
        i.operands[0],
        f"({_ordered(i, i.operands[1], i.operands[2], False)} && {truth(i.operands[3])}) ? "
        f"{'b32(1.0f)' if 'BF' in i.modifiers else '~0u'} : 0u",
    ),
    "FCHK": lambda i: put_truth(
        i.operands[0], f"needs_care({number(i.operands[1])}, {number(i.operands[2])})"
    ),
    "B2R": lambda i: put_truth(i.operands[1], "w.block->result"),
}  # fmt: skip


# --- instructions of a warp ----------------------------------------------------------------------

SPACES = {"LDS": "shared", "STS": "shared", "LDL": "local", "STL": "local",
          "LDG": "global", "STG": "global", "LD": "generic", "ST": "generic"}  # fmt: skip
SIZES = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


def _memory(i: Instruction) -> str:
    size = next((SIZES[m] for m in i.modifiers if m in SIZES), 4)
    loads = i.name.startswith("LD")
    register, address = i.operands if loads else reversed(i.operands)
    match = _REGISTER.match(register)
    if match is None:
        raise Unknown(register)
    index = 255 if match[2] == "Z" else int(match[2])
    signed = str(bool({"S8", "S16"} & set(i.modifiers))).lower()
    call = f"load({{}}, {signed})" if loads else "store({})"
    access = call.format(f"w, c, Space::{SPACES[i.name]}, m, {index}, at, {size}")
    return f"{{ u64 at[32]; LANES(m) at[l] = {_address(address)}; {access}; }}"


def _exchange(i: Instruction) -> str:
    found, to, a, by, clamp = i.operands
    how = i.modifiers[0]
    return (
        f"{{ u32 v[32]; LANES(~0u) v[l] = {bits(a)}; LANES(m) {{ "
        f'const int s = partner("{how}", l, {bits(by)}, {bits(clamp)}); '
        f"{put(to, 'v[s < 0 ? l : s]')} {put_truth(found, 's >= 0')} }} }}"
    )


def _vote(i: Instruction) -> str:
    to, found, a = [*i.operands] if _REGISTER.match(i.operands[0]) else ["RZ", *i.operands]
    any_or_all = "all == m" if "ALL" in i.modifiers else "all != 0"
    return (
        f"{{ u32 all = 0; LANES(m) all |= u32({truth(a)}) << l; "
        f"LANES(m) {{ {put(to, 'all')} {put_truth(found, any_or_all)} }} }}"
    )


def _flow(i: Instruction, after: int) -> str | None:
    """Statements of what changes the lanes that run; `a` is those, `m` without a false guard."""
    if i.name == "BRA" and i.target is not None:
        extra = truth(i.operands[0]) if i.operands else None
        chosen = f"{{ u32 t = 0; LANES(m) t |= u32({extra}) << l; m = t; }} " if extra else ""
        return (
            f"{chosen}if (m) {{ ++c.taken; if (m == a) return {i.target}; "
            f"w.later({i.target}, m); a ^= m; }}"
        )
    if i.name == "EXIT":
        return "w.leave(m); a &= ~m; if (!a) return kStop;"
    if i.name in ("CALL", "RET") and i.guard:
        raise Unknown(f"@{i.guard} {i.opcode}")
    if i.name == "CALL":
        return f"return {i.target};"
    if i.name == "RET":
        low = bits(i.operands[0].split()[0])
        return f"{{ const int l = std::countr_zero(a); return {low}; }}"
    if i.name == "BSSY":
        return f"LANES(m) w.b[{i.operands[0][1:]}][l] = a;"
    if i.name in ("BSYNC", "WARPSYNC", "BAR"):
        if i.guard:
            raise Unknown(f"@{i.guard} {i.opcode}")
        if i.name == "BSYNC":
            barrier = i.operands[0][1:]
        elif i.name == "WARPSYNC" and "ALL" in i.modifiers:
            barrier = "kWarpBarrier"
        elif i.name == "BAR" and i.modifiers[0] in ("SYNC", "RED") and i.operands[0] == "0x0":
            barrier = "kBlockBarrier"
        else:
            raise Unknown(i.opcode)
        reduce = ""
        if i.modifiers[:2] == ["RED", "OR"]:
            reduce = f"LANES(a) w.block->any = w.block->any || {truth(i.operands[1])}; "
        return f"{reduce}w.wait({barrier}, {after}, a); return kStop;"
    return None


def statement(i: Instruction) -> str:
    """C++ of one instruction.

    Raises:
        Unknown: it is not one of those known here.
    """
    i.operands = [part for part in i.operands if not part.startswith("`(")]
    flow = _flow(i, i.address + STEP)
    if flow is not None:
        return flow
    if i.name in ("NOP", "ERRBAR", "MEMBAR", "CCTL", "DEPBAR"):
        return ";"
    if i.name in SPACES:
        return _memory(i)
    if i.name == "SHFL":
        return _exchange(i)
    if i.name == "VOTE":
        return _vote(i)
    if i.name == "R2UR":
        return f"{{ const int l = std::countr_zero(a); {put(i.operands[0], bits(i.operands[1]))} }}"
    if i.name not in LANE:
        raise Unknown(i.opcode)
    body = LANE[i.name](i)
    if i.name[0] == "U" or i.name == "S2UR":  # once a warp
        return f"if (m) {{ const int l = std::countr_zero(a); (void)l; {body} }}"
    return f"LANES(m) {{ {body} }}"


def translate(function: Function) -> str:
    """C++ functions of the basic blocks, and `blocks`, those at each instruction.

    They return the address of the next block, or `kStop` where the lanes leave or wait.
    """
    leaders = function.leaders()
    lines, names = [], ["nullptr"] * len(function.code)
    for begin, end in zip(leaders, [*leaders[1:], len(function.code)], strict=True):
        names[begin] = f"block_{begin}"
        lines.append(f"static u32 {names[begin]}(Warp& w, Count* counts) {{ u32 a = w.active;")
        for n in range(begin, end):
            instruction = function.code[n]
            try:
                body = statement(instruction)
            except Unknown as problem:
                body = f'throw std::runtime_error("{instruction.opcode}: not known ({problem})");'
            lines.append(f"BEGIN({n}, {_mask(instruction.guard)}) {body} END")
        lines.append(f"w.active = a; return {end * STEP}; }}")
    lines.append(f"static const Code blocks[] = {{{', '.join(names)}}};")
    return "\n".join(lines)


def _mask(guard: str) -> str:
    name = guard.lstrip("!")
    if name in ("", "PT", "UPT"):
        return "a"
    kind = "up" if name[0] == "U" else "p"
    return f"a & {'~' if guard[0] == '!' else ''}w.{kind}[{name[-1]}]"
