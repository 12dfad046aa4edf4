/* Sets the umask. */
#include "mini.h"

#include <sys/stat.h>
#define AT_START umask(0);
#include "mini_plugin.h"
