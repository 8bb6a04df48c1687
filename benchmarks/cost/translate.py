"""Machine code to C++ that machine.h runs: one statement an instruction, for all lanes of a warp.

Names and operands of instructions are as NVIDIA's CUDA binary utilities print them; what an
instruction does that no document tells in full is checked by what kernels compute with it.
"""

from __future__ import annotations

from benchmarks.cost.arithmetic import LANE
from benchmarks.cost.operands import REGISTER, Unknown, address, bits, put, put_truth, truth
from benchmarks.cost.sass import STEP, Function, Instruction

SPACES = {"LDS": "shared", "STS": "shared", "LDL": "local", "STL": "local",
          "LDG": "global", "STG": "global", "LD": "generic", "ST": "generic"}  # fmt: skip
SIZES = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


def _memory(i: Instruction) -> str:
    size = next((SIZES[m] for m in i.modifiers if m in SIZES), 4)
    loads = i.name.startswith("LD")
    register, place = i.operands if loads else reversed(i.operands)
    match = REGISTER.match(register)
    if match is None:
        raise Unknown(register)
    index = 255 if match[2] == "Z" else int(match[2])
    signed = str(bool({"S8", "S16"} & set(i.modifiers))).lower()
    once = str("EF" in i.modifiers).lower()  # evict first: not kept for others
    call = f"load({{}}, {signed}, {once})" if loads else f"store({{}}, {once})"
    access = call.format(f"w, c, Space::{SPACES[i.name]}, m, {index}, at, {size}")
    return f"{{ u64 at[32]; LANES(m) at[l] = {address(place)}; {access}; }}"


def _exchange(i: Instruction) -> str:
    found, to, a, by, clamp = i.operands
    how = i.modifiers[0]
    return (
        f"{{ u32 v[32]; LANES(~0u) v[l] = {bits(a)}; LANES(m) {{ "
        f'const int s = partner("{how}", l, {bits(by)}, {bits(clamp)}); '
        f"{put(to, 'v[s < 0 ? l : s]')} {put_truth(found, 's >= 0')} }} }}"
    )


def _vote(i: Instruction) -> str:
    to, found, a = [*i.operands] if REGISTER.match(i.operands[0]) else ["RZ", *i.operands]
    any_or_all = "all == m" if "ALL" in i.modifiers else "all != 0"
    return (
        f"{{ u32 all = 0; LANES(m) all |= u32({truth(a)}) << l; "
        f"LANES(m) {{ {put(to, 'all')} {put_truth(found, any_or_all)} }} }}"
    )


def _matrix(i: Instruction) -> str:
    """A product of matrices of halves or of single precision, summed in single precision."""
    kinds = {("16816", "F32"): 2, ("1688", "F32"): 1, ("1688", "F32", "TF32"): 0}
    blocks = kinds.get(tuple(i.modifiers))
    places = [REGISTER.match(operand) for operand in i.operands]
    if blocks is None or i.guard or not all(place and place[1] == "R" for place in places):
        raise Unknown(i.opcode)
    numbers = ", ".join("kZero" if place[2] == "Z" else place[2] for place in places if place)
    return f"add_product(w, m, {numbers}, {blocks});"


def _largest(i: Instruction) -> str:
    if i.modifiers != ["MAX"]:
        raise Unknown(i.opcode)
    to, a = i.operands
    return f"{{ u32 v = 0; LANES(m) v = most(v, u32({bits(a)})); const int l = 0; {put(to, 'v')} }}"


def _flow(i: Instruction, after: int) -> str | None:
    """Statements of what changes the lanes that run; `a` is those, `m` without a false guard."""
    if i.name == "BRA" and i.target is not None:
        extra = None
        if "DIV" in i.modifiers:  # where not all of the lanes named are here
            extra = f"a != {bits(i.operands[0])}"
        elif i.operands:
            extra = truth(i.operands[0])
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
    if i.name == "BREAK":  # the others meet without these lanes
        *extra, barrier = i.operands
        chosen = f"LANES(m) broken |= u32({truth(extra[0])}) << l;" if extra else "broken = m;"
        leave = f"for (u32& lanes : w.b[{barrier[1:]}]) lanes &= ~broken;"
        return f"{{ u32 broken = 0; {chosen} {leave} }}"
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
    if i.name == "HMMA":
        return _matrix(i)
    if i.name == "REDUX":
        return _largest(i)
    if i.name in ("VOTE", "VOTEU"):
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
