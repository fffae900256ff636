#if defined(__x86_64__)
#define W 4
#define TARGET "avx2,fma"
#define NAME avx2
#include "instruction_set.hpp"
#endif
