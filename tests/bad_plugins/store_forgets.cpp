// Keeps everything in memory only.
#include "mini_store.hpp"
