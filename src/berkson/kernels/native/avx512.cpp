#if defined(__x86_64__)
#define W 8
#define TARGET "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"
#define NAME avx512
#include "instruction_set.hpp"
#endif
