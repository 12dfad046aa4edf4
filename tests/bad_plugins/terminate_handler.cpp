// Sets the handler of std::terminate.
#include "mini.h"

#include <exception>
#define AT_START std::set_terminate([] { abort(); });
#include "mini_plugin.h"
