#define PHASENET_ISA avx512
#define PHASENET_VECTOR_BYTES 64
#include "kernels.inl"
