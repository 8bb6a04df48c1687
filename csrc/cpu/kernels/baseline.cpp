#define PHASENET_ISA baseline
#include "kernels.inl"
