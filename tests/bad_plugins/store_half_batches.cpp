// Stores the beginning of a batch that it refuses.
#define WHOLE_BATCHES false
#include "mini_store.hpp"
