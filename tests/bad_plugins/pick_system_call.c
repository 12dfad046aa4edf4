/* Makes a system call in pick. */
#include "mini.h"

#include <sys/syscall.h>
#include <unistd.h>
#define CHOSEN syscall(SYS_getppid);
#include "mini_balancer.h"
