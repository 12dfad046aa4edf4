#include "kernel/serve/listening_socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

namespace sigrun {
namespace {

constexpr int k_backlog = 4096;
constexpr std::string_view k_unix = "unix:";

problem refuse(const std::string& address, const std::string& what) {
    return make_problem(errc::io, "cannot listen on " + address + ": " + what);
}

problem bind_problem(const std::string& address, int error) {
    switch (error) {
        case EADDRINUSE:
            return make_problem(errc::conflict,
                                address + " is in use by another process; stop it or set [server] listen");
        case EACCES: return refuse(address, "permission denied; choose a port above 1023 or a folder you may write");
        case EADDRNOTAVAIL: return refuse(address, "no interface of this machine has that address");
        case ENOENT: return refuse(address, "its folder does not exist");
        default: return refuse(address, std::strerror(error));
    }
}

/// True if somebody accepts connections there.
bool is_alive(const sockaddr_un& where) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    bool alive = ::connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0 || errno == EAGAIN;
    ::close(fd);
    return alive;
}

}  // namespace

std::string address_text(const void* sockaddr_in_any) {
    const auto* any = static_cast<const sockaddr*>(sockaddr_in_any);
    char text[INET6_ADDRSTRLEN] = {};
    if (any->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, any, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
    }
    if (any->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, any, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
    }
    return "unix";
}

result<listening_socket> open_tcp(const void* found, const std::string& address) {
    const auto& info = *static_cast<const addrinfo*>(found);
    listening_socket s;
    s.fd_ = ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s.fd_ < 0) return bind_problem(address, errno);
    const int on = 1;
    ::setsockopt(s.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info.ai_family == AF_INET6) ::setsockopt(s.fd_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(s.fd_, info.ai_addr, info.ai_addrlen) != 0 || ::listen(s.fd_, k_backlog) != 0)
        return bind_problem(address, errno);
    sockaddr_storage real{};
    socklen_t n = sizeof real;
    if (::getsockname(s.fd_, reinterpret_cast<sockaddr*>(&real), &n) != 0) return bind_problem(address, errno);
    s.bound_ = address_text(&real);
    return s;
}

result<listening_socket> listening_socket::open_unix(const std::string& path) {
    const std::string address = std::string(k_unix) + path;
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof where.sun_path)
        return refuse(address, "a path of 1 to " + std::to_string(sizeof where.sun_path - 1) +
                                   " bytes is expected, found " + std::to_string(path.size()));
    std::memcpy(where.sun_path, path.data(), path.size());
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) return refuse(address, "a file that is no socket is there");
        if (is_alive(where)) return bind_problem(address, EADDRINUSE);
        if (::unlink(path.c_str()) != 0) return bind_problem(address, errno);
    }
    listening_socket s;
    s.fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s.fd_ < 0 || ::bind(s.fd_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
        return bind_problem(address, errno);
    s.path_ = path;
    s.bound_ = address;
    // Nobody can connect before listen, so the mode is never too wide.
    if (::chmod(path.c_str(), 0600) != 0 || ::lstat(path.c_str(), &info) != 0 || ::listen(s.fd_, k_backlog) != 0)
        return bind_problem(address, errno);
    s.device_ = info.st_dev;
    s.inode_ = info.st_ino;
    return s;
}

result<std::vector<listening_socket>> listening_socket::open(const std::string& address) {
    std::vector<listening_socket> out;
    if (address.starts_with(k_unix)) {
        SIGRUN_TRY(s, open_unix(address.substr(k_unix.size())));
        out.push_back(std::move(s));
        return out;
    }
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
    const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    else if (host.find_first_of(":[]") != std::string::npos)
        host.clear();
    unsigned number = 0;
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
    if (host.empty() || port.empty() || parsed.ptr != port.data() + port.size() || parsed.ec != std::errc() ||
        number > 65535)
        return bad_value("listen", "HOST:PORT, [IPV6]:PORT or unix:/PATH", "\"" + address + "\"");

    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    if (int code = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &list); code != 0)
        return refuse(address, std::string("the host name is not known (") + gai_strerror(code) + ")");
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);
    for (const addrinfo* each = list; each; each = each->ai_next) {
        SIGRUN_TRY(s, open_tcp(each, address));
        out.push_back(std::move(s));
    }
    return out;
}

listening_socket::listening_socket(listening_socket&& o) noexcept
    : fd_(std::exchange(o.fd_, -1)),
      bound_(std::move(o.bound_)),
      path_(std::exchange(o.path_, {})),
      device_(o.device_),
      inode_(o.inode_) {}

listening_socket& listening_socket::operator=(listening_socket&& o) noexcept {
    std::swap(fd_, o.fd_);
    std::swap(bound_, o.bound_);
    std::swap(path_, o.path_);
    std::swap(device_, o.device_);
    std::swap(inode_, o.inode_);
    return *this;
}

listening_socket::~listening_socket() {
    if (fd_ < 0) return;
    struct stat info {};
    // Another daemon may have replaced the file; that one is not ours to remove.
    if (!path_.empty() && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_)
        ::unlink(path_.c_str());
    ::close(fd_);
}

}  // namespace sigrun
