#define PHASENET_ISA avx512
#include "kernels.inl"
