// Lets a former owner write.
#define FENCES false
#include "mini_store.hpp"
