"""Machine code by hand, as nvdisasm prints it, for the tests of what counts it."""

from __future__ import annotations

# Each lane stores 1 to 4, what it has counted in a loop, into the first parameter.
TRIPS = """
	.section	.text.trips,"ax",@progbits
.text.trips:
	//## File "/x/csrc/cuda/blur.cuh", line 7 inlined at "/x/csrc/cuda/denoise.cuh", line 9
	//## File "/x/csrc/cuda/denoise.cuh", line 9
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   LOP3.LUT R1, R0, 0x3, RZ, 0xc0, !PT ;
        /*0020*/                   MOV R2, RZ ;
        /*0030*/                   BSSY B0, `(.L_x_1) ;
.L_x_0:
	//## File "/x/csrc/cuda/blur.cuh", line 8
        /*0040*/                   IADD3 R2, R2.reuse, 0x1, RZ ;
        /*0050*/                   ISETP.LE.AND P0, PT, R2, R1, PT ;
        /*0060*/               @P0 BRA `(.L_x_0) ;
        /*0070*/                   BSYNC B0 ;
.L_x_1:
        /*0080*/                   LDC.64 R4, c[0x0][0x210] ;
        /*0090*/                   IMAD.WIDE.U32 R4, R0, 0x4, R4 ;
        /*00a0*/                   STG.E desc[UR4][R4.64], R2 ;
        /*00b0*/                   EXIT ;
.L_x_2:
        /*00c0*/                   BRA `(.L_x_2);
"""

# A lane reads the value at its number times a stride, the third parameter, and writes it.
STRIDED = """
.text.strided:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   ULDC UR4, c[0x0][0x220] ;
        /*0020*/                   LDC.64 R2, c[0x0][0x210] ;
        /*0030*/                   LDC.64 R4, c[0x0][0x218] ;
        /*0040*/                   IMAD R1, R0, UR4, RZ ;
        /*0050*/                   LEA R2, P0, R1, R2, 0x2 ;
        /*0060*/                   LEA.HI.X R3, R1, R3, RZ, 0x2, P0 ;
        /*0070*/                   LEA R4, P0, R0, R4, 0x2 ;
        /*0080*/                   IADD3.X R5, R5, RZ, RZ, P0, !PT ;
        /*0090*/                   LDG.E R6, desc[UR4][R2.64] ;
        /*00a0*/                   STG.E desc[UR4][R4.64], R6 ;
        /*00b0*/                   EXIT ;
"""

# The same with accesses that are the first to leave L2.
STREAMED = (
    STRIDED.replace(".text.strided", ".text.streamed")
    .replace("LDG.E", "LDG.E.EF")
    .replace("STG.E", "STG.E.EF")
)

# Two warps leave their numbers in shared memory, at a stride, and take those of the other.
BANKS = """
.text.banks:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   UMOV UR4, 0x400 ;
        /*0020*/                   LDC R1, c[0x0][0x218] ;
        /*0030*/                   LDC.64 R4, c[0x0][0x210] ;
        /*0040*/                   IMAD R2, R0, R1, UR4 ;
        /*0050*/                   STS [R2], R0 ;
        /*0060*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*0070*/                   LOP3.LUT R3, R0, 0x20, RZ, 0x3c, !PT ;
        /*0080*/                   IMAD R2, R3, R1, RZ ;
        /*0090*/                   LDS R6, [R2+UR4] ;
        /*00a0*/                   ISETP.GE.U32.AND P0, PT, R0, 0x8, PT ;
        /*00b0*/              @!P0 LDS.128 R8, [UR4] ;
        /*00c0*/                   IMAD.WIDE R4, R0, 0x4, R4 ;
        /*00d0*/                   STG.E desc[UR4][R4.64], R6 ;
        /*00e0*/                   EXIT ;
"""

# A lane has eight words of factors and writes ten: of two products' sum, of halves, the largest.
MATRIX = """
.text.matrix:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   LDC.64 R2, c[0x0][0x210] ;
        /*0020*/                   LDC.64 R4, c[0x0][0x218] ;
        /*0030*/                   IMAD.WIDE.U32 R2, R0, 0x20, R2 ;
        /*0040*/                   IMAD.WIDE.U32 R4, R0, 0x30, R4 ;
        /*0050*/                   LDG.E.128 R8, desc[UR4][R2.64] ;
        /*0060*/                   LDG.E.64 R12, desc[UR4][R2.64+0x10] ;
        /*0070*/                   HMMA.16816.F32 R16, R8, R12, RZ ;
        /*0080*/                   HMMA.1688.F32 R16, R8, R12, R16 ;
        /*0090*/                   HFMA2 R20, R8, R9, -R10 ;
        /*00a0*/                   HMUL2 R21, R8, R9.H1_H1 ;
        /*00b0*/                   HADD2 R22, R8, -R9 ;
        /*00c0*/                   HADD2.F32 R23, -RZ, R8.H1_H1 ;
        /*00d0*/                   REDUX.MAX UR6, R0 ;
        /*00e0*/                   MOV R24, UR6 ;
        /*00f0*/                   VIMNMX3.U32 R25, R0, R24, 0x7, PT ;
        /*0100*/                   STG.E.128 desc[UR4][R4.64], R16 ;
        /*0110*/                   STG.E.128 desc[UR4][R4.64+0x10], R20 ;
        /*0120*/                   STG.E.64 desc[UR4][R4.64+0x20], R24 ;
        /*0130*/                   EXIT ;
"""

# A lane has six words of factors of single precision and writes the product's four, if all agree.
SINGLES = """
.text.singles:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   LDC.64 R2, c[0x0][0x210] ;
        /*0020*/                   LDC.64 R4, c[0x0][0x218] ;
        /*0030*/                   IMAD.WIDE.U32 R2, R0, 0x20, R2 ;
        /*0040*/                   IMAD.WIDE.U32 R4, R0, 0x10, R4 ;
        /*0050*/                   LDG.E.128 R8, desc[UR4][R2.64] ;
        /*0060*/                   LDG.E.64 R12, desc[UR4][R2.64+0x10] ;
        /*0070*/                   HMMA.1688.F32.TF32 R16, R8, R12, RZ ;
        /*0080*/                   ISETP.GE.U32.AND P0, PT, R0, c[0x0][0x220], PT ;
        /*0090*/                   VOTEU.ALL UP0, P0 ;
        /*00a0*/              @UP0 STG.E.128 desc[UR4][R4.64], R16 ;
        /*00b0*/                   EXIT ;
"""

# Eight lanes do not meet the others at the barrier, but behind it.
LEAVING = """
.text.leaving:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   LDC.64 R4, c[0x0][0x210] ;
        /*0020*/                   IMAD.WIDE.U32 R4, R0, 0x4, R4 ;
        /*0030*/                   ISETP.GE.AND P0, PT, R0, 0x8, PT ;
        /*0040*/                   BSSY B0, `(.L_x_1) ;
        /*0050*/              @!P0 BREAK B0 ;
        /*0060*/              @!P0 BRA `(.L_x_2) ;
        /*0070*/                   BSYNC B0 ;
.L_x_1:
        /*0080*/                   IADD3 R0, R0, 0x64, RZ ;
.L_x_2:
        /*0090*/                   WARPSYNC.ALL ;
        /*00a0*/                   STG.E desc[UR4][R4.64], R0 ;
        /*00b0*/                   EXIT ;
"""

UNKNOWN = """
.text.unknown:
        /*0000*/                   S2R R0, SR_TID.X ;
        /*0010*/                   ISETP.GE.AND P0, PT, R0, c[0x0][0x210], PT ;
        /*0020*/               @P0 EXIT ;
        /*0030*/                   FOO.BAR R0, R0 ;
        /*0040*/                   EXIT ;
"""


TEXTS = (TRIPS, STRIDED, STREAMED, BANKS, MATRIX, SINGLES, LEAVING, UNKNOWN)
