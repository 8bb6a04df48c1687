"""What instructions compute in one lane, as C++ statements."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

from benchmarks.cost.operands import (
    CONSTANT,
    Unknown,
    bits,
    number,
    offset,
    put,
    put_truth,
    put_wide,
    truth,
    wide,
)
from benchmarks.cost.sass import Instruction

COMPARE = {"LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "EQ": "==", "NE": "!="}
COMBINE = {"AND": "&&", "OR": "||", "XOR": "!="}
ROUND = {"RM": "FE_DOWNWARD", "RP": "FE_UPWARD", "RZ": "FE_TOWARDZERO"}


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
    if i.name.endswith("FMA"):
        value = f"std::fma({', '.join(values)})"
    else:
        value = f" {'+' if i.name.endswith('ADD') else '*'} ".join(values)
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


def _integer_type(names: Sequence[str]) -> str:
    """The integer that a conversion is from or to."""
    types = {"S64": "int64_t", "U64": "u64", "U32": "u32"}
    return next((types[name] for name in types if name in names), "int")


def _to_number(i: Instruction) -> str:
    to, a = i.operands
    names = i.modifiers
    source = _integer_type(names)
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
    target = _integer_type(names)
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


def _pairs(i: Instruction) -> str:
    """Pairs of halves; with F32 one of them as a number."""
    to, *terms = i.operands
    if "F32" in i.modifiers:
        a, b = terms
        if a != "-RZ" or i.name != "HADD2":
            raise Unknown(i.opcode)
        return put(to, f"b32(emulation::half_to_float({_pair(b)} & 0xffff))")
    if i.name == "HFMA2" and len(terms) == 4:  # constants, as compilers load them
        a, b, high, low = terms
        if {a.strip("-"), b.strip("-")} != {"RZ"}:
            raise Unknown(i.opcode)
        packed = [struct.unpack("<H", struct.pack("<e", float(x)))[0] for x in (high, low)]
        return put(to, f"{packed[0] << 16 | packed[1]:#x}u")
    if set(i.modifiers) - {"MMA"}:
        raise Unknown(i.opcode)
    values = [_pair(term) for term in terms]
    one, minus_zero = "0x3c003c00u", "0x80008000u"
    a, b, c = {
        "HFMA2": values, "HMUL2": [*values, minus_zero], "HADD2": [values[0], one, *values[1:]],
    }[i.name]  # fmt: skip
    return put(to, f"emulation::multiply_add_halves({a}, {b}, {c})")


def _pair(operand: str) -> str:
    """Two halves of a register, or one of them twice."""
    match = re.match(r"^(-?)(R(?:\d+|Z))(?:\.H([01])_H([01]))?$", operand)
    if match is None:
        raise Unknown(operand)
    value = bits(match[2])
    if match[3]:
        halves = (f"({value} >> {16 * int(h)} & 0xffff)" for h in (match[3], match[4]))
        low, high = halves
        value = f"({low} | {high} << 16)"
    return f"({value} ^ 0x80008000u)" if match[1] else value


def _load_constant(i: Instruction) -> str:
    to, a = i.operands
    if "64" in i.modifiers:
        return put_wide(to, wide(a))
    for name, mask in (("U8", "0xffu"), ("U16", "0xffffu")):
        if name in i.modifiers:
            match = CONSTANT.match(a)
            if match is None:
                raise Unknown(a)
            at = offset(match)
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
    first, *others = (f"{kind}({t})" for t in terms)
    smallest = largest = first
    for other in others:
        smallest, largest = f"least({smallest}, {other})", f"most({largest}, {other})"
    return put(to, f"u32({truth(low)} ? {smallest} : {largest})")


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
    sets = " ".join(f"set(w.p[{n}], l, v >> {n} & 1);" for n in chosen)
    return f"{{ const u32 v = {bits(a)}; {sets} }}"


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
    "F2F": _between_numbers, "FRND": _whole, "F2FP": _pack,
    "HFMA2": _pairs, "HMUL2": _pairs, "HADD2": _pairs,
    "LDC": _load_constant, "ULDC": _load_constant,
    "SEL": _select, "USEL": _select, "FSEL": _select,
    "FMNMX": _bounds, "VIMNMX": _bounds, "VIMNMX3": _bounds, "VIADDMNMX": _bounds,
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
