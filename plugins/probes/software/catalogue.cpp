#include "catalogue.hpp"

#include <algorithm>

namespace sigrun::software {
namespace {

// Sorted by program, in byte order.
constexpr known_program k_programs[] = {
    {"7z", "", "7z", "p7zip-full", ""},  // without arguments it prints its help, and knows no option for less
    {"ansible", "", "ansible", "ansible-core"},
    {"aws", "", "aws"},
    {"az", "", "az", "azure-cli", ""},  // looks for news when asked
    {"bash", "", "bash"},
    {"bazel", "", "bazel"},
    {"buildah", "", "buildah"},
    {"bun", "bun", ""},
    {"bundle", "", "bundler"},
    {"bzip2", "", "bzip2", "", ""},
    {"cargo", "", "cargo"},
    {"ccache", "", "ccache"},
    {"clang", "c", "clang", "clang-*"},
    {"clang++", "cpp", "clang++", "clang-*"},
    {"clang-format", "", "clang-format", "clang-format-*"},
    {"clang-tidy", "", "clang-tidy", "clang-tidy-*"},
    {"cmake", "", "cmake"},
    {"composer", "", "composer", "", ""},
    {"conan", "", "conan"},
    {"conda", "", "conda"},
    {"crystal", "crystal", ""},
    {"ctest", "", "ctest", "cmake"},
    {"curl", "", "curl"},
    {"dart", "dart", ""},
    {"deno", "deno", ""},
    {"docker", "", "docker", "docker.io docker-ce-cli docker-cli"},
    {"docker-compose", "", "docker-compose", "", ""},
    {"dotnet", "dotnet", "", "dotnet-host", "--version"},
    {"elixir", "elixir", ""},
    {"emcc", "", "emscripten"},
    {"erl", "erlang", "", "erlang-base", ""},  // starts a machine whatever it is told
    {"ffmpeg", "", "ffmpeg", "", "-version"},
    {"flutter", "", "flutter", "", ""},
    {"g++", "cpp", "g++"},
    {"gcc", "c", "gcc"},
    {"gdb", "", "gdb"},
    {"gfortran", "fortran", "gfortran"},
    {"ghc", "haskell", "ghc"},
    {"git", "", "git"},
    {"git-lfs", "", "git-lfs"},
    {"gnat", "ada", ""},
    {"go", "go", "", "golang-*-go", "version"},
    {"gpg", "", "gpg"},
    {"gradle", "", "gradle", "", ""},  // starts a daemon
    {"groovy", "groovy", "", "", ""},
    {"gzip", "", "gzip"},
    {"helm", "", "helm", "", "version --short"},
    {"java", "java", "", "openjdk-*-jre-headless", "-version"},
    {"javac", "", "javac", "openjdk-*-jdk-headless", ""},  // slow, and the JDK's release file tells
    {"jq", "", "jq"},
    {"julia", "julia", ""},
    {"kotlinc", "kotlin", "", "", ""},
    {"kubectl", "", "kubectl", "", "version --client", true, false},
    {"ld", "", "ld", "binutils-x86-64-linux-gnu binutils-aarch64-linux-gnu"},
    {"ld.lld", "", "lld", "lld-*"},
    {"lua", "lua", "", "", "-v"},
    {"make", "", "make"},
    {"mercurial", "", "mercurial"},
    {"meson", "", "meson"},
    {"mold", "", "mold"},
    {"mpicc", "", "mpicc"},
    {"mvn", "", "maven", "maven", ""},
    {"mysql", "", "mysql", "mariadb-client-core mysql-client-core-*"},
    {"nasm", "", "nasm"},
    {"nerdctl", "", "nerdctl"},
    {"nim", "nim", ""},
    {"ninja", "", "ninja", "ninja-build"},
    {"nix", "", "nix"},
    {"node", "node", "", "nodejs"},
    {"nodejs", "node", "", "nodejs"},
    {"npm", "", "npm", "", ""},  // slow, and its package.json tells
    {"nvcc", "cuda", "nvcc", "nvidia-cuda-toolkit"},
    {"ocaml", "ocaml", "", "", "-version"},
    {"openssl", "", "openssl", "", "version"},
    {"packer", "", "packer", "", ""},
    {"perl", "perl", "", "perl-base"},
    {"php", "php", "", "php*-cli"},
    {"pip", "", "pip", "python3-pip", "", false},  // slow
    {"pip3", "", "pip", "python3-pip", "", false},
    {"pipx", "", "pipx"},
    {"pkg-config", "", "pkg-config", "pkgconf-bin pkgconf"},
    {"pnpm", "", "pnpm", "", ""},  // a shim of corepack fetches it
    {"podman", "", "podman"},
    {"poetry", "", "poetry", "python3-poetry"},
    {"protoc", "", "protoc", "protobuf-compiler"},
    {"psql", "", "psql", "postgresql-client-1*"},
    {"pulumi", "", "pulumi", "", ""},
    {"pypy", "python", "", "pypy*"},
    {"python", "python", "", "python*-minimal"},
    {"qemu-system-x86_64", "", "qemu", "qemu-system-x86"},
    {"racket", "racket", ""},
    {"redis-cli", "", "redis-cli", "redis-tools"},
    {"rsync", "", "rsync"},
    {"ruby", "ruby", ""},
    {"runc", "", "runc"},
    {"rustc", "rust", ""},
    {"sbt", "", "sbt", "", ""},
    {"scala", "scala", "", "", ""},
    {"sccache", "", "sccache"},
    {"scons", "", "scons"},
    {"skopeo", "", "skopeo"},
    {"sqlite3", "", "sqlite3", "", "-version"},
    {"ssh", "", "ssh", "openssh-client", "-V"},
    {"strace", "", "strace"},
    {"svn", "", "subversion", "subversion"},
    {"swift", "swift", ""},
    {"tar", "", "tar"},
    {"tclsh", "tcl", "", "tcl*", ""},
    {"terraform", "", "terraform", "", ""},  // asks its maker for a newer version
    {"tofu", "", "opentofu", "", ""},
    {"unzip", "", "unzip", "", "-v"},
    {"uv", "", "uv"},
    {"vagrant", "", "vagrant", "", ""},
    {"valgrind", "", "valgrind"},
    {"wget", "", "wget"},
    {"xz", "", "xz", "xz-utils"},
    {"yarn", "", "yarn", "", ""},
    {"zig", "zig", "", "", "version"},
    {"zip", "", "zip", "", "-v"},
    {"zsh", "", "zsh"},
    {"zstd", "", "zstd"},
};

constexpr bool sorted() {
    for (std::size_t i = 1; i < std::size(k_programs); ++i)
        if (!(k_programs[i - 1].program < k_programs[i].program)) return false;
    return true;
}
static_assert(sorted(), "known() searches by bisection");

const known_program* exactly(std::string_view name) noexcept {
    const auto* end = std::end(k_programs);
    const auto* at = std::lower_bound(std::begin(k_programs), end, name,
                                      [](const known_program& p, std::string_view n) { return p.program < n; });
    return at != end && at->program == name ? at : nullptr;
}

}  // namespace

std::span<const known_program> catalogue() noexcept { return k_programs; }

std::string_view version_in_name(std::string_view name) noexcept {
    auto at = name.size();
    while (at > 0 && ((name[at - 1] >= '0' && name[at - 1] <= '9') || name[at - 1] == '.')) --at;
    while (at < name.size() && name[at] == '.') ++at;
    if (at == 0 || name.ends_with('.')) return {};
    return name.substr(at);
}

const known_program* known(std::string_view name) noexcept {
    if (const auto* p = exactly(name)) return p;
    const auto version = version_in_name(name);
    if (version.empty()) return nullptr;
    name.remove_suffix(version.size());
    if (name.ends_with('-')) name.remove_suffix(1);
    const auto* p = exactly(name);
    return p && p->numbered ? p : nullptr;
}

}  // namespace sigrun::software
