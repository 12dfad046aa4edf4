/* Can be started once in a process, because of a name that it takes. */
#include "mini.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static int name_fd = -1;
static int take_name(void) {
    struct sockaddr_un a = {AF_UNIX, {0}};
    int pid = (int)getpid();
    memcpy(a.sun_path + 1, &pid, sizeof pid);
    name_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(name_fd, (struct sockaddr*)&a, sizeof a);
}
#define AT_START \
    if (take_name() != 0) return fail(error, SIGRUN_E_EXISTS, "name: expected a free one, found it taken");
#define AT_DESTROY                    \
    if (name_fd >= 0) close(name_fd); \
    name_fd = -1;
#include "mini_plugin.h"
