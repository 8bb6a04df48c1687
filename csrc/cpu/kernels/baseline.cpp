#define PHASENET_ISA baseline
#define PHASENET_VECTOR_BYTES 16
#include "kernels.inl"
