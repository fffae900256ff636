#define W 2
#define NAME baseline
#include "instruction_set.hpp"
