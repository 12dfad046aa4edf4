// Lets an exception out of start.
#include "mini.h"

#include <stdexcept>
#define AT_START throw std::runtime_error("no room on the disk");
#include "mini_plugin.h"
