#define PHASENET_ISA avx2
#include "kernels.inl"
