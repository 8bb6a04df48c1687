#define PHASENET_ISA avx2
#define PHASENET_VECTOR_BYTES 32
#include "kernels.inl"
